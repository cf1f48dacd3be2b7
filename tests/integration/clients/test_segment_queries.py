"""The query of a segment finds whom plain Python finds, over random clients and conditions."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from mailings.clients.segments import compiling, reading
from mailings.clients.segments import conditions as c
from mailings.clients.segments.conditions import Definition, Group, Match
from mailings.models import Client
from mailings.models.client import ClientOrigin
from mailings.models.suppression import SuppressionReason
from mailings.suppression import stop_list
from tests import factories

pytestmark = pytest.mark.django_db

ZONE = ZoneInfo("Asia/Yekaterinburg")
NOW = datetime(2026, 2, 28, 20, 30, tzinfo=UTC)  # already 1 March in the owner's zone
TODAY = date(2026, 3, 1)

NAMES = ("", "Анна Орлова", "АННА", "Пётр", "Anna", "100%", "a_b", "a.b", "\\", "ё")
DOMAINS = ("example.org", "Пример.рф", "mail.example", "sub.mail.example")
CITIES = ("Казань", "казань", "Тверь", "", "100%")
NUMBERS = ("5", "-5", "5,5", " 12 ", "1e3", "12 шт.", "", "007", "100000000000000", "0.000001")
DAYS = ("2026-03-01", "01.03.1990", "2026-02-22", "29.02.1992", "2026-13-45", "скоро", "")
MANY = 40


@dataclass
class Fact:
    """A client as Python knows it."""

    row: Client
    lists: set[int] = field(default_factory=set)
    letters: list[tuple[int, int, str, datetime]] = field(default_factory=list)  # run, mailing, …
    returned: set[int] = field(default_factory=set)  # runs
    reason: str = ""


@dataclass
class World:
    owner: User
    facts: list[Fact]
    lists: list[int]
    mailings: list[int]
    runs: list[int]


@pytest.fixture
def world(owner, stranger) -> World:
    owner.time_zone = str(ZONE)
    owner.save(update_fields=["time_zone"])
    chance = random.Random(17)  # the same world each time
    lists = [factories.make_list(owner) for _ in range(2)]
    mailings = [factories.make_mailing(owner) for _ in range(2)]
    runs = [factories.make_run(mailing) for mailing in (*mailings, mailings[1])]
    facts = [make_fact(owner, number, chance) for number in range(MANY)]
    for fact in facts:
        for one in lists:
            if chance.random() < 0.4:
                one.clients.add(fact.row)
                fact.lists.add(one.pk)
        for run in runs:
            if chance.random() < 0.4:
                give_letter(fact, run, chance)
        if chance.random() < 0.2:
            fact.reason = str(chance.choice(SuppressionReason.values))
            reason = SuppressionReason(fact.reason)
            stop_list.suppress(fact.row.email_normalised, reason=reason, owner_id=owner.pk)
    for _ in range(5):  # nobody else's client is ever found
        make_fact(stranger, 1000 + _, chance)
    return World(owner, facts, *([row.pk for row in rows] for rows in (lists, mailings, runs)))


def make_fact(owner: User, number: int, chance: random.Random) -> Fact:
    days_ago = chance.choice([0, 1, 6, 7, 8, 400])
    attributes = {
        "город": chance.choice(CITIES),
        "sum": chance.choice(NUMBERS),
        "born": chance.choice(DAYS),
    }
    row = factories.make_client(
        owner,
        email=f"{chance.choice(['Anna', 'ivan', 'x.y'])}{number}@{chance.choice(DOMAINS)}",
        full_name=chance.choice(NAMES),
        comment=chance.choice(NAMES),
        attributes={k: v for k, v in attributes.items() if chance.random() < 0.8},
        consent_source=chance.choice(["", "Форма"]),
        consent_at=chance.choice([None, TODAY, TODAY - timedelta(days=7), date(2027, 1, 1)]),
        came_by=chance.choice(["", *ClientOrigin.values]),
    )
    added = NOW - timedelta(days=days_ago, hours=chance.choice([0, 1, 2, 23]))
    Client.objects.filter(pk=row.pk).update(created_at=added)
    if number % 2:
        write_as_an_import_does(row)
    row.created_at = added
    return Fact(row)


def write_as_an_import_does(row: Client) -> None:
    """Keep the attributes without the escapes that Django writes: SQLite knows both as texts."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE mailings_client SET attributes = %s WHERE id = %s",
            [json.dumps(row.attributes, ensure_ascii=False), row.pk],
        )


def give_letter(fact: Fact, run, chance: random.Random) -> None:
    status = chance.choice(["sent", "sent", "failed", "skipped"])
    at = NOW - timedelta(days=chance.choice([0, 6, 7, 30]), hours=chance.choice([0, 2]))
    delivery = factories.make_delivery(run, fact.row, status=status, finished_at=at)
    fact.letters.append((run.pk, run.mailing_id, status, at))
    if status == "sent" and chance.random() < 0.4:
        factories.make_event(delivery)
        fact.returned.add(run.pk)


# ---------------------------------------------------------------- in plain Python


def meets(fact: Fact, definition: Definition) -> bool:
    joined = all if definition.match is Match.ALL else any
    return joined(meets_group(fact, group) for group in definition.groups)


def meets_group(fact: Fact, group: Group) -> bool:
    joined = all if group.match is Match.ALL else any
    return joined(one.negated != is_true(fact, one) for one in group.conditions) != group.negated


def is_true(fact: Fact, one: c.Condition) -> bool:  # noqa: C901, PLR0911 - a line for each kind
    row = fact.row
    match one:
        case c.TextCondition():
            return text_is_true(row, one)
        case c.NumberCondition():
            found = number_in(row.attributes.get(c.detail_of(one.field), ""))
            tests: dict[str, Callable[[float], bool]] = {
                "equal": lambda n: n == one.value,
                "more": lambda n: n > one.value,
                "less": lambda n: n < one.value,
            }
            return found is not None and tests[one.test](found)
        case c.DateCondition() | c.AgeCondition():
            day, meant = day_of(row, one.field), c.days_meant(one, TODAY)
            return bool(day and (meant.first or day) <= (day) and day <= (meant.last or day))
        case c.AnniversaryCondition():
            return day_of(row, one.field)[5:] in c.anniversaries(TODAY)
        case c.ListCondition():
            return one.list_id in fact.lists
        case c.ConsentCondition():
            return bool(row.consent_source or row.consent_at)
        case c.OriginCondition():
            return row.came_by == one.came_by
        case c.LettersCondition():
            since = datetime.combine(TODAY - timedelta(days=(one.days or 1) - 1), time(), ZONE)
            sent = [at for _, _, status, at in fact.letters if status == "sent"]
            return any(one.days is None or at >= since for at in sent)
        case c.MailingCondition():
            runs = [
                (run, status)
                for run, mailing, status, _ in fact.letters
                if (run == one.run_id if one.run_id else mailing == one.mailing_id)
            ]
            if one.test is c.MailingTest.RETURNED:
                return any(run in fact.returned for run, _ in runs)
            wanted = {"got": "sent", "failed": "failed"}[one.test]
            return any(status == wanted for _, status in runs)
        case c.StateCondition():
            return fact.reason == one.reason if one.reason else bool(fact.reason)


def text_is_true(row: Client, one: c.TextCondition) -> bool:
    local, _at, domain = row.email_normalised.partition("@")
    del local
    value, detail = one.value.lower(), c.detail_of(one.field)
    if one.field == "email":
        in_mailbox = value in row.email_normalised
        return {
            "is": row.email_normalised == value,
            "contains": in_mailbox if "@" in value else value in row.email.lower(),
            "empty": False,
        }[one.test]
    if one.field == "domain":
        text, value = domain, compiling.in_ascii(value)
    else:
        text = row.attributes.get(detail, "") if detail else getattr(row, one.field)
    text = text.lower()
    return {"is": text == value, "contains": value in text, "empty": not text}[one.test]


def number_in(text: str) -> float | None:
    if text.strip() in {"1e3", "12 шт.", ""}:
        return None
    return float(text.replace(",", "."))


def day_of(row: Client, name: str):
    """Return a day as ISO text for an attribute, else as a date."""
    if name == "created_at":
        return row.created_at.astimezone(ZONE).date()
    if name == "consent_at":
        return row.consent_at
    text = row.attributes.get(c.detail_of(name), "")
    if text in {"2026-13-45", "скоро", ""}:
        return ""
    return text if "-" in text else "-".join(reversed(text.split(".")))


# ---------------------------------------------------------------- random conditions

flags = st.booleans()
texts = st.builds(
    c.TextCondition,
    field=st.sampled_from([*c.TextField, "detail:город", "detail:missing"]).map(str),
    test=st.sampled_from([c.TextTest.IS, c.TextTest.CONTAINS]),
    value=st.sampled_from(
        [name for name in (*NAMES, *CITIES, *DOMAINS, "форма", "анн", "anna1@", "мер.рф") if name]
    ),
    negated=flags,
)
empty = st.builds(
    c.TextCondition,
    field=st.sampled_from([*c.TextField, "detail:город", "detail:missing"]).map(str),
    test=st.just(c.TextTest.EMPTY),
    negated=flags,
)
numbers = st.builds(
    c.NumberCondition,
    field=st.just("detail:sum"),
    test=st.sampled_from(c.NumberTest),
    value=st.sampled_from([5.0, -5.0, 5.5, 12.0, 0.0, 7.0, 1e14, 1e-6, -1.0, -2.0, -3.0]),
    negated=flags,
)
dated = st.sampled_from([*c.DateField]).map(str)
days = st.builds(
    c.DateCondition,
    field=dated,
    test=st.sampled_from(c.DateTest),
    day=st.sampled_from([TODAY, TODAY - timedelta(days=7), date(2027, 1, 1)]),
    negated=flags,
)
ages = st.builds(
    c.AgeCondition,
    field=dated,
    test=st.sampled_from(c.AgeTest),
    days=st.sampled_from([1, 7, 8, 400]),
    negated=flags,
)
birthdays = st.builds(c.AnniversaryCondition, field=st.just("detail:born"), negated=flags)
plain = st.one_of(
    texts,
    empty,
    numbers,
    days,
    ages,
    birthdays,
    st.builds(c.ConsentCondition, negated=flags),
    st.builds(c.OriginCondition, came_by=st.sampled_from(ClientOrigin.values), negated=flags),
    st.builds(c.LettersCondition, days=st.sampled_from([None, 1, 7, 8, 31]), negated=flags),
    st.builds(
        c.StateCondition, reason=st.sampled_from(["", *SuppressionReason.values]), negated=flags
    ),
)


def definitions(world: World) -> st.SearchStrategy[Definition]:
    lists = st.builds(c.ListCondition, list_id=st.sampled_from(world.lists), negated=flags)
    mailing = st.builds(
        c.MailingCondition,
        test=st.sampled_from(c.MailingTest),
        mailing_id=st.sampled_from(world.mailings),
        negated=flags,
    )
    run = st.builds(
        c.MailingCondition,
        test=st.sampled_from(c.MailingTest),
        run_id=st.sampled_from(world.runs),
        negated=flags,
    )
    one = st.one_of(plain, lists, mailing, run)
    group = st.builds(
        Group,
        conditions=st.lists(one, min_size=1, max_size=3).map(tuple),
        match=st.sampled_from(Match),
        negated=flags,
    )
    return st.builds(
        Definition,
        groups=st.lists(group, min_size=1, max_size=3).map(tuple),
        match=st.sampled_from(Match),
    )


def test_a_query_finds_whom_python_finds(world):
    @settings(
        max_examples=50,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(definition=definitions(world))
    def check(definition: Definition) -> None:
        assert reading.read(reading.written(definition)) == definition
        found = compiling.clients_matching(definition, world.owner, NOW)
        expected = {fact.row.pk for fact in world.facts if meets(fact, definition)}
        assert set(found.values_list("pk", flat=True)) == expected

    check()


def test_every_test_of_a_dated_attribute_reads_both_ways_of_writing(world):
    """Attributes hold days as texts; what is no day is met by no test, and by each “not”."""
    for test, day in [("on", TODAY), ("before", TODAY), ("after", date(1991, 1, 1))]:
        asked = c.DateCondition(field="detail:born", test=c.DateTest(test), day=day)
        meant = c.days_meant(asked, TODAY)
        first, last = (d.isoformat() if d else None for d in (meant.first, meant.last))
        expected = set()
        for fact in world.facts:
            born = day_of(fact.row, "detail:born")
            if born and (first or born) <= born <= (last or born):
                expected.add(fact.row.pk)
        assert expected
        definition = Definition(groups=(Group(conditions=(asked,)),))
        found = compiling.clients_matching(definition, world.owner, NOW)
        assert set(found.values_list("pk", flat=True)) == expected
        others = Definition(groups=(Group(conditions=(asked,), negated=True),))
        rest = compiling.clients_matching(others, world.owner, NOW)
        assert rest.count() == MANY - len(expected)
