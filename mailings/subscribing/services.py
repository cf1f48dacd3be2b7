"""What an owner does with subscribe forms: every door calls these.

They refuse with `Refused` (`Invalid`: of which field) or with Django's `PermissionDenied`.
"""

import re
import secrets
from collections.abc import Collection
from copy import copy
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.utils import IntegrityError
from django.utils.translation import gettext as _

from accounts.models import User
from mailings import audit, permissions
from mailings.addressing import unseen
from mailings.audit import Action
from mailings.consents import ledger
from mailings.errors import Invalid, Refused
from mailings.inputs import UNCHANGED, Faults, Unchanged, given, lay_over
from mailings.models import ClientList, SubscribeForm
from mailings.subscribing import questions
from mailings.subscribing.questions import Question

MOST_FORMS = 50
"""Of one owner."""
MAX_TEXT, MAX_URL = 2000, 500  # characters of a consent, of an address
RESERVED = frozenset({"confirm", "choices", "key"})
"""What stands below `/s/` beside forms."""
SLUG_BYTES = 9
"""Of an address that is not chosen: nobody guesses it."""

_is_slug = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,58}[a-z0-9])").fullmatch
_is_colour = re.compile(r"#[0-9a-f]{6}").fullmatch
_TEXTS = ("name", "title", "intro", "button", "thanks_text", "consent", "policy_url", "thanks_url")
_COLUMNS = {
    "name", "slug", "language", "title", "intro", "button", "colour", "name_asked", "thanks_text",
}  # fmt: skip


class DuplicateAddress(Invalid):
    """There is a form at this address already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormInput:
    """What a form is to be."""

    name: str | Unchanged = UNCHANGED
    slug: str | Unchanged = UNCHANGED
    """Empty: one that nobody guesses."""
    language: str | Unchanged = UNCHANGED
    title: str | Unchanged = UNCHANGED
    intro: str | Unchanged = UNCHANGED
    button: str | Unchanged = UNCHANGED
    colour: str | Unchanged = UNCHANGED
    name_asked: str | Unchanged = UNCHANGED
    questions: Collection[Question] | Unchanged = UNCHANGED
    lists: Collection[ClientList] | Unchanged = UNCHANGED
    lets_choose: bool | Unchanged = UNCHANGED
    is_double: bool | Unchanged = UNCHANGED
    consent: str | Unchanged = UNCHANGED
    """What a visitor agrees to; other words are a new version."""
    policy_url: str | Unchanged = UNCHANGED
    thanks_text: str | Unchanged = UNCHANGED
    thanks_url: str | Unchanged = UNCHANGED
    is_open: bool | Unchanged = UNCHANGED


@transaction.atomic
def create_form(*, data: FormInput, owner: User, by: User) -> SubscribeForm:
    """Make a form. Raises `Invalid`, and `Refused` for one too many."""
    form = SubscribeForm(owner=owner)
    permissions.require_owner(form, by)
    held = User.objects.select_for_update(no_key=True).get(pk=owner.pk)  # or two tabs make two
    if SubscribeForm.objects.filter(owner=held).count() >= MOST_FORMS:
        said = _("You have %(most)d forms, and more are not possible. Delete one first.")
        raise Refused(said % {"most": MOST_FORMS})
    return _write(form, data, by)


@transaction.atomic
def change_form(*, form: SubscribeForm, data: FormInput, by: User) -> SubscribeForm:
    """Change what is given. Raises the same as `create_form`."""
    permissions.require_owner(form, by)
    SubscribeForm.objects.select_for_update(no_key=True).get(pk=form.pk)  # one version at a time
    return _write(form, data, by)


def check_form(form: SubscribeForm, data: FormInput) -> None:
    """Raise what writing this would raise, and write nothing."""
    _fill(copy(form), data)


@transaction.atomic
def delete_form(*, form: SubscribeForm, by: User) -> None:
    """Delete a form with what waits for confirmation; clients and their consents stay."""
    permissions.require_owner(form, by)
    # Before what waits is let go of: whoever is filling it in just now comes first, or to nothing.
    SubscribeForm.objects.select_for_update().filter(pk=form.pk).first()
    audit.record(Action.DELETE, form, by)
    form.delete()


def _write(form: SubscribeForm, data: FormInput, by: User) -> SubscribeForm:
    values = _fill(form, data)
    is_new = form._state.adding
    try:
        with transaction.atomic():
            form.save()
    except IntegrityError:
        if _is_taken(form):  # somebody was first by a moment
            raise DuplicateAddress({"slug": _taken()}) from None
        raise
    if not isinstance(data.lists, Unchanged):
        form.lists.set(data.lists)
    if {"consent", "policy_url"} & values.keys() or is_new:
        known = form.consent_text
        text = str(values.get("consent", known.text if known else ""))
        policy = str(values.get("policy_url", known.policy_url if known else ""))
        ledger.text_in_force(form, text, policy)
    audit.record(Action.CREATE if is_new else Action.CHANGE, form, by)
    return form


def _fill(form: SubscribeForm, data: FormInput) -> dict[str, object]:
    """Lay what is given over the form; return it. Raises `Invalid`."""
    values, faults = given(data), Faults()
    lists = values.pop("lists", None)
    if any(row.owner_id != form.owner_id for row in lists or ()):
        raise PermissionDenied
    for name in _TEXTS:
        if name in values:
            values[name] = unseen.tidy(values[name]).strip()
    if form._state.adding:
        for name in ("name", "title", "button", "consent", "slug"):
            values.setdefault(name, "")
    if "slug" in values:
        values["slug"] = values["slug"].strip().lower() or secrets.token_hex(SLUG_BYTES)
        if not _is_slug(values["slug"]) or values["slug"] in RESERVED:
            said = _("Latin letters, digits and hyphens, from 3 to 60; or leave it empty.")
            faults.add("slug", said, "slug")
    asked = values.pop("questions", None)
    if asked is not None:
        with faults.of("questions"):
            questions.require_sound(asked)
        values["questions"] = [one.kept() for one in asked]
    _require_consent(form, values, faults)
    _require_choices(form, values, lists, faults)
    columns = {name: value for name, value in values.items() if name not in NOT_COLUMNS}
    lay_over(form, columns, faults, _COLUMNS & columns.keys())
    is_taken = "slug" in values and not faults.found and _is_taken(form)
    if is_taken:
        faults.add("slug", _taken(), "duplicate")
    faults.refuse(DuplicateAddress if is_taken else Invalid)
    return values


NOT_COLUMNS = frozenset({"consent", "policy_url"})
"""They become a version of the consent text."""


def _require_consent(form: SubscribeForm, values: dict[str, object], faults: Faults) -> None:
    if "consent" in values:
        text = str(values["consent"])
        if not text:
            said = _("Write what people agree to: without their consent nobody may be written to.")
            faults.add("consent", said, "required")
        elif len(text) > MAX_TEXT:
            faults.add("consent", _too_long(MAX_TEXT), "max_length")
    for name in ("policy_url", "thanks_url"):
        if url := str(values.get(name, "")):
            if not is_https(url):
                faults.add(name, _("A whole address that begins with https://."), "https")
            elif len(url) > MAX_URL:
                faults.add(name, _too_long(MAX_URL), "max_length")


def _require_choices(
    form: SubscribeForm,
    values: dict[str, object],
    lists: Collection[ClientList] | None,
    faults: Faults,
) -> None:
    if "colour" in values:
        values["colour"] = str(values["colour"]).strip().lower()
        if not _is_colour(str(values["colour"])):
            faults.add("colour", _("A colour like #0d5463."), "colour")
    if values.get("is_double") is False and not settings.SINGLE_OPT_IN:
        said = _("This service asks everybody to confirm by e-mail.")
        faults.add("is_double", said, "single")
    if values.get("lets_choose", form.lets_choose) and lists is not None and len(lists) < 2:  # noqa: PLR2004
        said = _("For a choice there must be at least two lists.")
        faults.add("lets_choose", said, "few")


def is_https(url: str) -> bool:
    """Return whether it is a whole address of a page that a browser may be sent to."""
    if re.search(r"[\s\x00-\x1f\x7f\\\"'<>]", url):
        return False
    try:
        parts = urlsplit(url)
        _port = parts.port
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc


def _is_taken(form: SubscribeForm) -> bool:
    return SubscribeForm.objects.exclude(pk=form.pk).filter(slug=form.slug).exists()


def _taken() -> str:
    return _("There is a form at this address. Choose another, or leave it empty.")


def _too_long(most: int) -> str:
    return _("No more than %(most)d characters.") % {"most": most}
