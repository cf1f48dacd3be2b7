"""What a form asks beside address and name. An answer becomes a client's attribute: text, as all
attributes are – a day as ISO 8601, a number with a point, yes and no in the form's language."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Self

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailings.addressing import unseen
from mailings.rendering.variables import is_name

MOST = 10
"""Questions of a form."""
MAX_LABEL, MAX_CHOICE, MAX_ANSWER, MAX_NAME = 100, 100, 500, 40  # characters
LEAST_CHOICES, MOST_CHOICES = 2, 20
RESERVED = frozenset(
    {"email", "full_name", "first_name", "website", "began", "agreed", "lists", "text"}
)
"""Names of what every form has, and of variables that every message knows."""


class Kind(models.TextChoices):
    """What an answer is."""

    TEXT = "text", gettext_lazy("text")
    NUMBER = "number", gettext_lazy("number")
    DATE = "date", gettext_lazy("date")
    CHOICE = "choice", gettext_lazy("choice")
    YES_NO = "yes_no", gettext_lazy("yes or no")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question of a form."""

    name: str
    """Of the attribute, as messages ask for it: `{{ city }}`."""
    label: str
    kind: Kind = Kind.TEXT
    required: bool = False
    choices: tuple[str, ...] = field(default=())

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Self:
        """Return the question as a form's row keeps it."""
        return cls(
            name=kept["name"],
            label=kept["label"],
            kind=Kind(kept["kind"]),
            required=kept["required"],
            choices=tuple(kept["choices"]),
        )

    def kept(self) -> dict[str, Any]:
        return asdict(self) | {"kind": self.kind.value, "choices": list(self.choices)}

    def field(self) -> forms.Field:
        """Return the field of the visitor's page."""
        given: dict[str, Any] = {"label": self.label, "required": self.required}
        match self.kind:
            case Kind.NUMBER:
                return forms.DecimalField(
                    max_digits=20,
                    decimal_places=6,
                    localize=True,
                    widget=forms.TextInput(attrs={"inputmode": "decimal"}),
                    **given,
                )
            case Kind.DATE:
                widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
                return forms.DateField(widget=widget, **given)
            case Kind.CHOICE:
                offered = [("", "—"), *((choice, choice) for choice in self.choices)]
                return forms.ChoiceField(choices=offered, **given)
            case Kind.YES_NO:
                yes_no = [("", "—"), ("yes", _("yes")), ("no", _("no"))]
                return forms.ChoiceField(choices=yes_no, **given)
        return forms.CharField(max_length=MAX_ANSWER, **given)

    def answer(self, value: Any) -> str:
        """Return the attribute's text for what the field has read; empty: no answer."""
        if value in (None, ""):
            return ""
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, Decimal):
            return f"{value.normalize():f}"
        if self.kind == Kind.YES_NO:
            return _("yes") if value == "yes" else _("no")
        return unseen.tidy(str(value)).strip()


def read(kept: Iterable[Mapping[str, Any]]) -> list[Question]:
    """Return the questions that a form's row keeps."""
    return [Question.of(one) for one in kept]


def require_sound(asked: Iterable[Question]) -> None:
    """Raise `ValidationError` unless a form may ask these."""
    asked = list(asked)
    if len(asked) > MOST:
        raise ValidationError(_("No more than %(most)d questions.") % {"most": MOST}, "many")
    names = [one.name for one in asked]
    for one in asked:
        _require_one(one)
        if names.count(one.name) > 1:
            said = _("Two questions have the variable “%(name)s”.")
            raise ValidationError(said % {"name": one.name}, "twice")


def _require_one(one: Question) -> None:
    what = {"label": one.label, "name": one.name}
    if not one.label or len(one.label) > MAX_LABEL:
        said = _("A question has words, at most %(most)d characters.")
        raise ValidationError(said % {"most": MAX_LABEL}, "label")
    if not is_name(one.name) or len(one.name) > MAX_NAME:
        raise ValidationError(
            _("“%(label)s”: a name of a variable is letters, digits and underscores.") % what,
            "name",
        )
    if one.name in RESERVED:
        said = _("“%(label)s”: the variable “%(name)s” has its meaning already. Take another name.")
        raise ValidationError(said % what, "reserved")
    if one.kind == Kind.CHOICE and not LEAST_CHOICES <= len(one.choices) <= MOST_CHOICES:
        said = _("“%(label)s”: a choice has from 2 to %(most)d answers.")
        raise ValidationError(said % (what | {"most": MOST_CHOICES}), "choices")
    if any(len(choice) > MAX_CHOICE for choice in one.choices):
        said = _("“%(label)s”: an answer is longer than %(most)d characters.")
        raise ValidationError(said % (what | {"most": MAX_CHOICE}), "choices")


def name_for(label: str, taken: Iterable[str]) -> str:
    """Return a name of a variable made of the question's words: «Ваш город» → `ваш_город`."""
    base = re.sub(r"\W+", "_", label.lower()).strip("_")[: MAX_NAME - 3] or "answer"
    base = f"_{base}" if not is_name(base) else base
    names, number = {*taken, *RESERVED}, 2
    name = base
    while name in names:
        name, number = f"{base}_{number}", number + 1
    return name
