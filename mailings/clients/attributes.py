"""A client's attributes, as the owner writes them: one `name = value` a line."""

import re
from collections.abc import Collection
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils.translation import gettext as _

from accounts.models import User
from mailings.addressing import unseen
from mailings.models import Client

MAX_ATTRIBUTES = 50
MAX_VALUE = 1000  # characters

_NAME = re.compile(r"[^\W\d]\w{0,63}")


class AttributesField(forms.CharField):
    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return "\n".join(f"{name} = {text}" for name, text in value.items())
        return value

    def to_python(self, value: Any) -> dict[str, str]:  # type: ignore[override]
        attributes: dict[str, str] = {}
        lines = unseen.tidy(super().to_python(value) or "").splitlines()
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            name, equals, text = (part.strip() for part in line.partition("="))
            if not equals or not _NAME.fullmatch(name):
                raise ValidationError(
                    _(
                        "Line %(number)d: write “name = value”;"
                        " a name is letters, digits and underscores."
                    )
                    % {"number": number}
                )
            if len(text) > MAX_VALUE:
                raise ValidationError(_("Line %(number)d is too long.") % {"number": number})
            attributes[name] = text
        if len(attributes) > MAX_ATTRIBUTES:
            raise ValidationError(_("No more than %(most)d details.") % {"most": MAX_ATTRIBUTES})
        return attributes

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool((initial or {}) != self.to_python(data))
        except ValidationError:
            return True

    def validate(self, value: Any) -> None:
        return None

    def run_validators(self, value: Any) -> None:
        return None


def names_of(owner: User) -> list[str]:
    """Return every attribute name among the owner's clients: what messages may ask for."""
    with connection.cursor() as cursor:
        cursor.execute(_NAMES[connection.vendor], [owner.pk])
        return [name for (name,) in cursor.fetchall()]


def among(owner: User, names: Collection[str]) -> list[str]:
    """Return those of the names that some client of the owner has: a look for each, not at all."""
    rows = Client.objects.filter(owner=owner)
    return [name for name in names if rows.filter(attributes__has_key=name).exists()]


_NAMES = {
    "postgresql": (
        "SELECT DISTINCT jsonb_object_keys(attributes) AS name FROM mailings_client"
        " WHERE owner_id = %s AND attributes <> '{}' ORDER BY name"
    ),
    "sqlite": (
        "SELECT DISTINCT pair.key AS name FROM mailings_client, json_each(attributes) AS pair"
        " WHERE owner_id = %s AND attributes <> '{}' ORDER BY name"
    ),
}
"""The ORM cannot unfold the keys of a JSON column on both databases."""
