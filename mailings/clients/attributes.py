"""What is known of a client beside name and address: name → value, for messages to ask for."""

from collections.abc import Collection, Mapping

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import BooleanField, Q
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext as _

from accounts.models import User
from mailings.addressing import unseen
from mailings.models import Client
from mailings.rendering.variables import is_name

MAX_ATTRIBUTES = 50
MAX_VALUE = 1000  # characters


def tidied(attributes: Mapping[str, str]) -> dict[str, str]:
    """Return them without what cannot be seen."""
    return {
        unseen.tidy(name).strip(): unseen.tidy(text).strip() for name, text in attributes.items()
    }


def require_sound(attributes: Mapping[str, str]) -> None:
    """Raise `ValidationError` unless these may be a client's attributes."""
    if not all(is_name(name) for name in attributes):
        raise ValidationError(_("A name of a variable is letters, digits and underscores."), "name")
    for name, text in attributes.items():
        if len(text) > MAX_VALUE:
            values = {"name": name, "most": MAX_VALUE}
            said = _("“%(name)s” is longer than %(most)d characters.")
            raise ValidationError(said % values, "value")
    if len(attributes) > MAX_ATTRIBUTES:
        said = _("No more than %(most)d details.") % {"most": MAX_ATTRIBUTES}
        raise ValidationError(said, "details")


def names_of(owner: User) -> list[str]:
    """Return every attribute name among the owner's clients: what messages may ask for."""
    with connection.cursor() as cursor:
        cursor.execute(_NAMES[connection.vendor], [owner.pk])
        return [name for (name,) in cursor.fetchall()]


LATELY = 5_000
"""Clients whose attributes are looked at where waiting for all of them would be felt."""


def names_lately(owner: User) -> list[str]:
    """Return the attribute names among the clients added last: what conditions may ask for."""
    with connection.cursor() as cursor:
        cursor.execute(_NAMES_LATELY[connection.vendor], [owner.pk, LATELY])
        return [name for (name,) in cursor.fetchall()]


def among(owner: User, names: Collection[str]) -> list[str]:
    """Return those of the names that some client of the owner has: a look for each, not at all."""
    rows = Client.objects.filter(owner=owner)
    return [name for name in names if rows.filter(_has(name)).exists()]


def _has(name: str) -> Q | RawSQL:
    if connection.vendor != "sqlite":
        return Q(attributes__has_key=name)
    # To a path a name as imports write it and one with Django's escapes are two; here they are one.
    found = "EXISTS (SELECT 1 FROM json_each(mailings_client.attributes) AS pair WHERE key = %s)"
    return RawSQL(found, [name], output_field=BooleanField())  # noqa: S611 - a constant


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
_LAST = (
    "(SELECT attributes FROM mailings_client WHERE owner_id = %s"
    " ORDER BY created_at DESC LIMIT %s) AS last"
)
_NAMES_LATELY = {
    "postgresql": f"SELECT DISTINCT jsonb_object_keys(attributes) AS name FROM {_LAST}"  # noqa: S608 - constants
    " ORDER BY name",
    "sqlite": "SELECT DISTINCT pair.key AS name"  # noqa: S608 - constants
    f" FROM {_LAST}, json_each(last.attributes) AS pair ORDER BY name",
}
"""The ORM cannot unfold the keys of a JSON column on both databases."""
