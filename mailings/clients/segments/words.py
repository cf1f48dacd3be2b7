"""Segments in words: “Clients whose city is “Kazan” and who got no letter for 30 days”."""

from collections.abc import Sequence
from typing import assert_never

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext, pgettext_lazy

from mailings.clients.segments import conditions as c
from mailings.clients.segments.conditions import Condition, Definition, Group, Match
from mailings.clients.segments.reading import Fault
from mailings.clients.segments.references import Named
from mailings.models import Run
from mailings.models.client import ClientOrigin
from mailings.web import words

FIELDS = {
    c.TextField.EMAIL: pgettext_lazy("in a sentence", "e-mail"),
    c.TextField.DOMAIN: pgettext_lazy("in a sentence", "domain"),
    c.TextField.NAME: pgettext_lazy("in a sentence", "name"),
    c.TextField.COMMENT: pgettext_lazy("in a sentence", "comment"),
    c.TextField.CONSENT_SOURCE: pgettext_lazy("in a sentence", "way of agreeing"),
    c.DateField.ADDED: pgettext_lazy("in a sentence", "day of adding"),
    c.DateField.CONSENT: pgettext_lazy("in a sentence", "day of consent"),
}

FAULTS = {
    Fault.NOT_A_SEGMENT: gettext_lazy("These are not conditions. Begin anew."),
    Fault.VERSION: gettext_lazy("These conditions are of another version of the service."),
    Fault.NOTHING_ASKED: gettext_lazy("Add a condition: a segment asks for something."),
    Fault.TOO_MANY: gettext_lazy("No more than %(conditions)d conditions in %(groups)d groups."),
    Fault.UNKNOWN_KIND: gettext_lazy("Choose what to look at."),
    Fault.UNKNOWN_FIELD: gettext_lazy("Choose what to look at."),
    Fault.UNKNOWN_TEST: gettext_lazy("Choose how to compare."),
    Fault.NO_VALUE: gettext_lazy("Write or choose what to compare with."),
    Fault.TOO_LONG: gettext_lazy("No more than %(letters)d characters."),
    Fault.NOT_A_NUMBER: gettext_lazy("Write a number, like 12 or 9.50."),
    Fault.NOT_A_DATE: gettext_lazy("Choose a date between the years 1900 and 2199."),
    Fault.NOT_DAYS: gettext_lazy("Write a number of days from 1 to %(days)d."),
    Fault.NOT_A_CHOICE: gettext_lazy("Choose one of those that are offered."),
}


def fault(of: Fault) -> str:
    """Return what is wrong and how to mend it."""
    return str(FAULTS[of]) % {
        "conditions": c.MAX_CONDITIONS,
        "groups": c.MAX_GROUPS,
        "letters": c.MAX_VALUE,
        "days": c.MAX_DAYS,
    }


def gone() -> str:
    return _("What a condition names is not there any more. Choose again.")


def sentence(definition: Definition, named: Named) -> str:
    """Return the whole segment; `named`: the rows it names."""
    several = len(definition.groups) > 1
    groups = [_group(group, named, several=several) for group in definition.groups]
    return _("Clients %(whom)s") % {"whom": _joined(definition.match, groups)}


def _group(group: Group, named: Named, *, several: bool) -> str:
    said = _joined(group.match, [condition(one, named) for one in group.conditions])
    if len(group.conditions) > 1 and (several or group.negated):
        said = f"({said})"
    return _except(said) if group.negated else said


def _joined(match: Match, parts: Sequence[str]) -> str:
    return (_(" and ") if match is Match.ALL else _(" or ")).join(parts)


def _except(clause: str) -> str:
    return _("except those %(clause)s") % {"clause": clause}


def condition(of: Condition, named: Named) -> str:  # noqa: C901, PLR0911
    """Return one condition as a clause behind “Clients”."""
    match of:
        case c.TextCondition():
            return _text(of)
        case c.NumberCondition():
            return _or_except(_number(of), of)
        case c.DateCondition():
            return _or_except(_date(of), of)
        case c.AgeCondition():
            return _or_except(_age(of), of)
        case c.AnniversaryCondition():
            said = _("whose %(field)s has its anniversary today") % _field(of.field)
            return _or_except(said, of)
        case c.ListCondition():
            row = named.lists.get(of.list_id)
            said = _("who are not on %(list)s") if of.negated else _("who are on %(list)s")
            return said % {"list": words.quoted([row]) if row else _missing()}
        case c.ConsentCondition():
            not_there = _("whose consent is not recorded")
            return not_there if of.negated else _("whose consent is recorded")
        case c.OriginCondition():
            label = dict(ClientOrigin.choices).get(of.came_by, of.came_by)
            return _or_except(_("who came %(how)s") % {"how": label}, of)
        case c.LettersCondition():
            return _letters(of)
        case c.MailingCondition():
            return _mailing(of, named)
        case c.StateCondition():
            return _state(of)
        case _:
            assert_never(of)


def _or_except(clause: str, of: Condition) -> str:
    return _except(clause) if of.negated else clause


def _field(field: str) -> dict[str, str]:
    own: dict[str, object] = {str(name): label for name, label in FIELDS.items()}
    return {"field": c.detail_of(field) or str(own.get(field, field))}


def _missing() -> str:
    return pgettext("in a sentence", "(not there any more)")


def _text(of: c.TextCondition) -> str:
    values = _field(of.field) | {"value": of.value}
    match of.test, of.negated:
        case c.TextTest.IS, False:
            return _("whose %(field)s is “%(value)s”") % values
        case c.TextTest.IS, True:
            return _("whose %(field)s is not “%(value)s”") % values
        case c.TextTest.CONTAINS, False:
            return _("whose %(field)s contains “%(value)s”") % values
        case c.TextTest.CONTAINS, True:
            return _("whose %(field)s does not contain “%(value)s”") % values
        case c.TextTest.EMPTY, False:
            return _("whose %(field)s is empty") % values
        case _:
            return _("whose %(field)s is filled in") % values


def _number(of: c.NumberCondition) -> str:
    whole = of.value == int(of.value)
    value = int(of.value) if whole else of.value
    values = _field(of.field) | {"value": number_format(value, use_l10n=True)}
    match of.test:
        case c.NumberTest.EQUAL:
            return _("whose %(field)s is %(value)s") % values
        case c.NumberTest.MORE:
            return _("whose %(field)s is more than %(value)s") % values
        case c.NumberTest.LESS:
            return _("whose %(field)s is less than %(value)s") % values
        case _:
            assert_never(of.test)


def _date(of: c.DateCondition) -> str:
    values = _field(of.field) | {"day": words.day(of.day)}
    match of.test:
        case c.DateTest.ON:
            return _("whose %(field)s is %(day)s") % values
        case c.DateTest.BEFORE:
            return _("whose %(field)s is before %(day)s") % values
        case c.DateTest.AFTER:
            return _("whose %(field)s is after %(day)s") % values
        case _:
            assert_never(of.test)


def _age(of: c.AgeCondition) -> str:
    values = _field(of.field) | {"count": str(of.days)}
    match of.test:
        case c.AgeTest.WITHIN:
            said = ngettext(
                "whose %(field)s is today",
                "whose %(field)s is in the last %(count)s days",
                of.days,
            )
        case c.AgeTest.OLDER:
            said = ngettext(
                "whose %(field)s is %(count)s day ago or earlier",
                "whose %(field)s is %(count)s days ago or earlier",
                of.days,
            )
        case c.AgeTest.AHEAD:
            said = ngettext(
                "whose %(field)s is this very day",
                "whose %(field)s is in the next %(count)s days",
                of.days,
            )
        case _:
            assert_never(of.test)
    return said % values


def _letters(of: c.LettersCondition) -> str:
    if of.days is None:
        return _("who never got a letter") if of.negated else _("who have got a letter")
    if of.negated:
        said = ngettext(
            "who got no letter for %(count)d day", "who got no letter for %(count)d days", of.days
        )
    else:
        said = ngettext(
            "who got a letter in the last %(count)d day",
            "who got a letter in the last %(count)d days",
            of.days,
        )
    return said % {"count": of.days}


def _mailing(of: c.MailingCondition, named: Named) -> str:
    run = named.runs.get(of.run_id or 0)
    mailing = named.mailings.get(of.mailing_id or 0)
    of_which = run_name(run) if run else words.quoted([mailing]) if mailing else _missing()
    values = {"mailing": of_which}
    match of.test:
        case c.MailingTest.GOT if of.negated:
            return _("who did not get %(mailing)s") % values
        case c.MailingTest.GOT:
            return _("who got %(mailing)s") % values
        case c.MailingTest.FAILED:
            return _or_except(_("to whom %(mailing)s could not be sent") % values, of)
        case c.MailingTest.RETURNED:
            return _or_except(_("from whom %(mailing)s came back") % values, of)
        case _:
            assert_never(of.test)


def run_name(run: Run) -> str:
    """Return “Name”, 1 December."""
    day = words.day(run.scheduled_for.astimezone(run.mailing.zone).date())
    return f"{words.quoted([run.mailing])}, {day}"


def _state(of: c.StateCondition) -> str:
    if of.reason:
        said = _("who are on the suppression list (%(reason)s)")
        return _or_except(said % {"reason": words.suppressed(of.reason)}, of)
    return _("who get mail") if of.negated else _("who are on the suppression list")
