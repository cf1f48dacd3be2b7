"""“Is one of these thousands of values”, as one parameter: the ORM's `__in` makes one of each,
which costs more than the query itself."""

import json
from collections.abc import Iterable

from django.db import connection, models
from django.db.models.expressions import RawSQL

VALUES = {
    "postgresql": "SELECT jsonb_array_elements_text(%s::jsonb)",
    "sqlite": "SELECT value FROM json_each(%s)",
}
"""A query for the texts in a JSON parameter."""


def is_among(model: type[models.Model], field: str, values: Iterable[str]) -> RawSQL:
    """Return the condition that a text column of `model` holds one of `values`."""
    meta = model._meta
    column = f'"{meta.db_table}"."{meta.get_field(field).column}"'  # type: ignore[union-attr]
    return RawSQL(  # noqa: S611 - names of the model's own
        f"{column} IN ({VALUES[connection.vendor]})",
        [json.dumps(list(values))],
        output_field=models.BooleanField(),
    )
