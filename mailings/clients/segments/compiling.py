"""From the conditions of a segment to a query of the ORM: a `Q` that is true or false of a client,
never unknown, so that “not” is its opposite.

What is in other tables is asked by EXISTS: PostgreSQL answers `IN (…) OR IN (…)` by comparing each
with each as soon as the rows do not fit into its `work_mem`.
"""

import json
import re
from datetime import date, datetime, time, timedelta
from typing import Any, assert_never
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import (
    BooleanField,
    Exists,
    F,
    FloatField,
    Func,
    OuterRef,
    Q,
    QuerySet,
    TextField,
    Value,
)
from django.db.models.expressions import Expression
from django.db.models.functions import Coalesce, StrIndex, Substr
from django.db.models.lookups import (
    Exact,
    GreaterThan,
    GreaterThanOrEqual,
    IContains,
    IExact,
    In,
    IRegex,
    LessThan,
    LessThanOrEqual,
)

from accounts.models import User
from mailings.addressing import addresses, domains
from mailings.clients.segments import conditions as c
from mailings.clients.segments import reading, references
from mailings.clients.segments.conditions import Condition, Definition, Group, Match
from mailings.models import Client, ClientList, Delivery, Event, Run, Segment
from mailings.states import DeliveryStatus, EventKind
from mailings.suppression import stop_list
from mailings.web.filters import holds_address

RETURNED = (EventKind.BOUNCED_HARD, EventKind.BOUNCED_SOFT)


def clients_of(segment: Segment, now: datetime) -> QuerySet[Client]:
    """Return its owner's clients that a kept segment asks for.

    Raises `reading.Unreadable`, or `references.Missing` when what it names is gone.
    """
    definition = reading.read(segment.conditions)
    references.require(definition, segment.owner)
    return clients_matching(definition, segment.owner, now)


def clients_matching(definition: Definition, owner: User, now: datetime) -> QuerySet[Client]:
    """Return the owner's clients that meet the conditions; what they name is there."""
    rows = Client.objects.filter(owner_id=owner.pk)
    return rows.filter(Compiler(owner, now).whole(definition))


class Compiler:
    """Conditions of one owner at one moment."""

    def __init__(self, owner: User, now: datetime) -> None:
        self.owner_id = owner.pk
        self.zone = ZoneInfo(owner.time_zone)
        self.today = now.astimezone(self.zone).date()

    def whole(self, definition: Definition) -> Q:
        return _joined(definition.match, [self.group(group) for group in definition.groups])

    def group(self, group: Group) -> Q:
        q = _joined(group.match, [self.condition(one) for one in group.conditions])
        return ~q if group.negated else q

    def condition(self, condition: Condition) -> Q:
        q = self._positive(condition)
        return ~q if condition.negated else q

    def _positive(self, condition: Condition) -> Q:  # noqa: C901, PLR0911 - a line for each kind
        match condition:
            case c.TextCondition():
                return _text(condition)
            case c.NumberCondition():
                return _number(condition)
            case c.DateCondition() | c.AgeCondition():
                return self._days(condition.field, c.days_meant(condition, self.today))
            case c.AnniversaryCondition():
                day = Substr(DetailDay(c.detail_of(condition.field)), 6, 5)
                return _known(In(day, list(c.anniversaries(self.today))))
            case c.ListCondition():
                members = ClientList.clients.through.objects
                return Q(Exists(members.filter(clientlist=condition.list_id, client=_CLIENT)))
            case c.ConsentCondition():
                return ~Q(consent_source="", consent_at__isnull=True)
            case c.OriginCondition():
                return Q(came_by=condition.came_by)
            case c.LettersCondition():
                return self._letters(condition)
            case c.MailingCondition():
                return self._mailing(condition)
            case c.StateCondition():
                return Q(stop_list.is_suppressed(self.owner_id, condition.reason))
            case _:
                assert_never(condition)

    # ------------------------------------------------------------ days

    def _days(self, field: str, days: c.Days) -> Q:
        if detail := c.detail_of(field):
            day = DetailDay(detail)
            return _between(day, *(d and Value(d.isoformat(), TextField()) for d in _ends(days)))
        if field == c.DateField.ADDED:
            # `last` is the end of that day: what comes before the next one.
            first = self._begin(days.first) if days.first else None
            after = self._begin(days.last + timedelta(days=1)) if days.last else None
            q = Q(created_at__gte=first) if first else Q()
            return q & Q(created_at__lt=after) if after else q
        return _between(F(field), *_ends(days))

    def _begin(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone)

    # ------------------------------------------------------------ letters

    def _letters(self, condition: c.LettersCondition) -> Q:
        runs = Run.objects.filter(mailing__owner=self.owner_id)
        sent = Delivery.objects.filter(client=_CLIENT, status=DeliveryStatus.SENT)
        if condition.days is not None:
            since = self._begin(self.today - timedelta(days=condition.days - 1))
            # A run that was over before then sent nothing since.
            runs = runs.filter(Q(finished_at=None) | Q(finished_at__gte=since))
            sent = sent.filter(finished_at__gte=since)
        return Q(Exists(sent.filter(run__in=runs)))

    def _mailing(self, condition: c.MailingCondition) -> Q:
        runs = Run.objects.filter(mailing__owner=self.owner_id)
        if condition.run_id is None:
            runs = runs.filter(mailing=condition.mailing_id)
        else:
            runs = runs.filter(pk=condition.run_id)
        deliveries = Delivery.objects.filter(client=_CLIENT, run__in=runs)
        match condition.test:
            case c.MailingTest.GOT:
                return Q(Exists(deliveries.filter(status=DeliveryStatus.SENT)))
            case c.MailingTest.FAILED:
                return Q(Exists(deliveries.filter(unusual_status=DeliveryStatus.FAILED)))
            case c.MailingTest.RETURNED:
                back = Event.objects.filter(run__in=runs, kind__in=RETURNED)
                return Q(Exists(back.filter(delivery__client=_CLIENT)))
            case _:
                assert_never(condition.test)


_CLIENT = OuterRef("pk")


def _joined(match: Match, parts: list[Q]) -> Q:
    connector = Q.AND if match is Match.ALL else Q.OR
    return Q(*parts, _connector=connector)


def _ends(days: c.Days) -> tuple[date | None, date | None]:
    return days.first, days.last


def _known(condition: Any) -> Q:
    """Return the condition, false where it is unknown."""
    return Q(Coalesce(condition, Value(value=False), output_field=BooleanField()))


def _between(expression: Any, first: Any = None, last: Any = None) -> Q:
    q = Q()
    if first is not None:
        q &= _known(GreaterThanOrEqual(expression, first))
    if last is not None:
        q &= _known(LessThanOrEqual(expression, last))
    return q


# ---------------------------------------------------------------- texts and numbers


def _text(condition: c.TextCondition) -> Q:
    if detail := c.detail_of(condition.field):
        return _compared(Detail(detail), condition)
    field = c.TextField(condition.field)
    match field:
        case c.TextField.EMAIL:
            return _address(condition)
        case c.TextField.DOMAIN:
            return _domain(condition)
        case c.TextField.NAME | c.TextField.COMMENT | c.TextField.CONSENT_SOURCE:
            return _compared(F(field.value), condition)
        case _:
            assert_never(field)


def _compared(expression: Any, condition: c.TextCondition) -> Q:
    match condition.test:
        case c.TextTest.IS:
            return Q(_is(expression, condition.value))
        case c.TextTest.CONTAINS:
            return Q(_holds(expression, condition.value))
        case c.TextTest.EMPTY:
            return Q(Exact(expression, Value("")))
        case _:
            assert_never(condition.test)


def _address(condition: c.TextCondition) -> Q:
    match condition.test:
        case c.TextTest.IS:
            return Q(email_normalised=addresses.sought(condition.value))
        case c.TextTest.CONTAINS:
            return holds_address(condition.value, "email_normalised", "email")
        case c.TextTest.EMPTY:
            return Q(email_normalised="")
        case _:
            assert_never(condition.test)


def _domain(condition: c.TextCondition) -> Q:
    """Compare the domain in ASCII, however the value is written."""
    domain = Substr(F("email_normalised"), StrIndex(F("email_normalised"), Value("@")) + 1)
    value = in_ascii(condition.value)
    match condition.test:
        case c.TextTest.IS:
            return Q(Exact(domain, Value(value)))
        case c.TextTest.CONTAINS:
            return Q(_holds(domain, value))
        case c.TextTest.EMPTY:
            return Q(Exact(domain, Value("")))
        case _:
            assert_never(condition.test)


def in_ascii(domain: str) -> str:
    """Return a domain, or a piece of one, as mailboxes have it."""
    typed = domain.strip().removeprefix("@").lower()
    try:
        return domains.to_ascii(typed)
    except UnicodeError:
        return typed


def _is(expression: Any, text: str) -> Expression:
    if connection.vendor == "sqlite":  # whose own comparison folds ASCII only
        return IRegex(expression, rf"\A{re.escape(text)}\Z")
    return IExact(expression, text)


def _holds(expression: Any, text: str) -> Expression:
    if connection.vendor == "sqlite":
        return IRegex(expression, re.escape(text))
    return IContains(expression, text)


def _number(condition: c.NumberCondition) -> Q:
    expression, value = DetailNumber(c.detail_of(condition.field)), Value(condition.value)
    match condition.test:
        case c.NumberTest.EQUAL:
            return _known(Exact(expression, value))
        case c.NumberTest.MORE:
            return _known(GreaterThan(expression, value))
        case c.NumberTest.LESS:
            return _known(LessThan(expression, value))
        case _:
            assert_never(condition.test)


# ---------------------------------------------------------------- attributes


class Detail(Func):
    """The text of an attribute; empty where the client has none of this name.

    The name is a parameter of the statement, never part of it.
    """

    output_field = TextField()

    def __init__(self, name: str) -> None:
        super().__init__(F("attributes"), Value(name))

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "COALESCE(%(expressions)s, '')"
        return self.as_sql(compiler, connection, template=template, arg_joiner=" ->> ", **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Look the name up as imports write it and as Django does, with escapes: two names for
        SQLite. It is letters, digits and underscores: nothing in it ends the quotes."""
        column, name = self.get_source_expressions()
        sql, parameters = compiler.compile(column)
        paths = {f'$."{name.value}"': 1, f"$.{json.dumps(name.value)}": 1}
        found = ", ".join(f"CAST(json_extract({sql}, %s) AS TEXT)" for _ in paths)
        return f"COALESCE({found}, '')", [one for path in paths for one in (*parameters, path)]


# Without counts of digits, which make it three times as slow on PostgreSQL; `LONGEST` keeps what is
# read within the bounds of a float.
NUMBER = r"^ *[+-]?[0-9]+([.,][0-9]+)? *$"
LONGEST = 40  # characters
ISO_DAY = r"^\d{4}-[01]\d-[0-3]\d$"
WRITTEN_DAY = r"^[0-3]\d\.[01]\d\.\d{4}$"
"""What of an attribute counts as a number, and as a date: 2026-12-31 or 31.12.2026."""


class _FromDetail(Func):
    """Something read from the text of an attribute; NULL where the text is nothing of the kind."""

    postgresql = sqlite = ""

    def __init__(self, name: str) -> None:
        super().__init__(Detail(name))

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self._repeated(self.postgresql, compiler, connection)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self._repeated(self.sqlite, compiler, connection)

    def _repeated(self, template: str, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Return the template with the text wherever it stands in it."""
        sql, parameters = compiler.compile(self.get_source_expressions()[0])
        places = template.count("{}")
        return template.format(*[sql] * places), [*parameters] * places


class DetailNumber(_FromDetail):
    output_field = FloatField()

    postgresql = (
        f"CASE WHEN LENGTH({{}}) < {LONGEST} AND {{}} ~ '{NUMBER}'"
        " THEN REPLACE({}, ',', '.')::double precision END"
    )
    sqlite = (
        f"CASE WHEN LENGTH({{}}) < {LONGEST} AND {{}} REGEXP '{NUMBER}'"
        " THEN CAST(REPLACE({}, ',', '.') AS REAL) END"
    )


class DetailDay(_FromDetail):
    """The day as ISO 8601 has it: texts that are ordered as their days are."""

    output_field = TextField()

    _case = (
        "(CASE WHEN TRIM({{}}) {matches} '{iso}' THEN TRIM({{}})"
        " WHEN TRIM({{}}) {matches} '{written}' THEN SUBSTR(TRIM({{}}), 7, 4) || '-' ||"
        " SUBSTR(TRIM({{}}), 4, 2) || '-' || SUBSTR(TRIM({{}}), 1, 2) END){collation}"
    )
    _patterns = {
        "iso": ISO_DAY.replace("{", "{{").replace("}", "}}"),
        "written": WRITTEN_DAY.replace("{", "{{").replace("}", "}}"),
    }
    postgresql = _case.format(matches="~", collation=' COLLATE "C"', **_patterns)
    sqlite = _case.format(matches="REGEXP", collation="", **_patterns)
