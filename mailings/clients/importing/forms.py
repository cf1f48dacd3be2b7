"""The steps of an import: a file, how it is written down, what its columns are."""

from dataclasses import replace
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailings import permissions
from mailings.clients import attributes
from mailings.clients.importing.columns import (
    ATTRIBUTE,
    SKIPPED,
    Target,
    suggested_name,
)
from mailings.models import ClientList, Import
from mailings.models.importing import ImportKind
from mailings.models.suppression import SuppressionReason
from mailings.rendering.variables import is_name
from mailings.spreadsheets import delimited, encodings, tables

NEW = "new"
"""A choice that asks for a name beside it: of a variable, of a list."""


ENCODINGS = [
    ("utf-8", "UTF-8"),
    ("cp1251", "Windows-1251"),
    ("utf-16", "UTF-16"),
    ("cp1252", gettext_lazy("Windows-1252, Western")),
    ("cp866", "DOS (866)"),
    ("koi8-r", "KOI8-R"),
    ("mac-cyrillic", gettext_lazy("Mac, Cyrillic")),
    ("utf-16-le", "UTF-16 LE"),
    ("utf-16-be", "UTF-16 BE"),
    ("utf-32", "UTF-32"),
    ("cp1250", gettext_lazy("Windows-1250, Central European")),
]
DELIMITERS = [
    (",", gettext_lazy("comma")),
    (";", gettext_lazy("semicolon")),
    ("\t", gettext_lazy("tab")),
    ("|", gettext_lazy("vertical bar")),
    (tables.LINES, gettext_lazy("none: one column")),
]
QUOTES = [('"', '"…"'), ("'", "'…'"), (delimited.CURLY, "“…”")]
MENDS = [
    ("", gettext_lazy("as they are")),
    *((name, mend.shown) for name, mend in encodings.MENDS.items()),
]
HEAD_SHOWN = 60  # characters


class UploadForm(forms.Form):
    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy("CSV, TXT, XLSX or VCF, up to 10 MB and 100 000 rows."),
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,.xlsx,.vcf"}),
        error_messages={
            "required": gettext_lazy("Choose a file."),
            "empty": gettext_lazy("The file is empty."),
        },
    )

    def clean_file(self) -> UploadedFile:
        file: UploadedFile = self.cleaned_data["file"]
        if (file.size or 0) > tables.MAX_BYTES:
            raise ValidationError(
                _("The file is larger than 10 MB. Divide it, or remove what is not needed."),
                "size",
            )
        return file


class LayoutForm(forms.Form):
    """How the file is written down, when we guessed wrong."""

    head = forms.TypedChoiceField(label=gettext_lazy("Head"), coerce=int, required=False)
    encoding = forms.ChoiceField(label=gettext_lazy("Encoding"), choices=ENCODINGS)
    mend = forms.ChoiceField(
        label=gettext_lazy("Spoilt letters"),
        choices=MENDS,
        required=False,
        help_text=gettext_lazy("If names look like “РђРЅРЅР°”: choose what turns them into words."),
    )
    delimiter = forms.ChoiceField(label=gettext_lazy("Delimiter"), choices=DELIMITERS)
    quote = forms.ChoiceField(label=gettext_lazy("Quotation marks"), choices=QUOTES, required=False)

    WITHOUT: ClassVar[dict[str, tuple[str, ...]]] = {
        tables.XLSX: ("encoding", "delimiter", "quote"),
        tables.VCARD: ("head", "delimiter", "quote"),
    }

    def __init__(self, *args: Any, row: Import, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = tables.Layout(**row.layout)
        top = row.look.get("top") or [[self.now.head, row.heads]]
        self.initial = row.layout | {"head": row.head_number}
        self.fields["head"].choices = [  # type: ignore[attr-defined]
            (0, _("no head: every row is a client")),
            *((number, _row_in_words(number, cells)) for number, cells in top),
        ]
        for name in self.WITHOUT.get(self.now.kind, ()):
            del self.fields[name]
        for field in self.fields.values():
            field.widget.attrs["class"] = "form-select"

    def layout(self) -> tables.Layout:
        data = {name: value for name, value in self.cleaned_data.items() if value}
        head = int(data.pop("head", 0))
        if self.now.kind != tables.VCARD:
            data |= {"has_header": head > 0, "head": max(head, 1)}
        return replace(self.now, **{"mend": ""} | data)


def _row_in_words(number: int, cells: list[str]) -> str:
    shown = ", ".join(cell for cell in cells if cell)
    shown = f"{shown[:HEAD_SHOWN]}…" if len(shown) > HEAD_SHOWN else shown
    return _("row %(number)d: %(cells)s") % {"number": number, "cells": shown}


class ColumnsForm(forms.Form):
    """What the file is, a choice for each column, the list, and the basis of consent."""

    kind = forms.ChoiceField(
        label=gettext_lazy("What the file is"),
        choices=ImportKind,
        required=False,
        widget=forms.RadioSelect,
    )
    reason = forms.ChoiceField(
        label=gettext_lazy("Why they get no mail"),
        choices=SuppressionReason,
        required=False,
        help_text=gettext_lazy("Where a row says it itself, the row counts."),
    )
    leaves_out = forms.ChoiceField(
        label=gettext_lazy("Whom the file says not to write to"),
        choices=[
            ("", gettext_lazy("Put on the suppression list")),
            ("yes", gettext_lazy("Leave out")),
        ],
        required=False,
        widget=forms.RadioSelect,
    )
    target = forms.ChoiceField(label=gettext_lazy("Add to a list"), required=False)
    new_list = forms.CharField(
        label=gettext_lazy("Name of the new list"), required=False, max_length=120
    )
    consent = forms.CharField(
        label=gettext_lazy("How they agreed"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("It is kept with each new client of this file."),
    )
    updates = forms.BooleanField(
        label=gettext_lazy("Change names and details of those who are there already"),
        required=False,
    )

    def __init__(self, *args: Any, row: Import, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.row = row
        names = attributes.names_of(row.owner)
        lists = permissions.owned(ClientList, row.owner)
        self.fields["target"].choices = [  # type: ignore[attr-defined]
            ("", _("To no list")),
            *((str(one.pk), one.name) for one in lists),
            (NEW, _("New list…")),
        ]
        for index, (head, chosen) in enumerate(zip(row.heads, row.mapping, strict=True)):
            self.add_column(index, head, chosen, names)
        self.initial = {
            "kind": row.kind,
            "reason": row.reason,
            "leaves_out": "yes" if row.leaves_out else "",
            "target": NEW if row.new_list else str(row.target_id or ""),
            "new_list": row.new_list,
            "consent": row.consent,
            "updates": row.updates,
        }
        for name in ("target", "new_list", "consent", "updates", "reason"):
            widget = self.fields[name].widget
            kind = {"Select": "form-select", "CheckboxInput": "form-check-input"}
            widget.attrs["class"] = kind.get(type(widget).__name__, "form-control")
            if self.is_bound and self[name].errors:
                widget.attrs["class"] += " is-invalid"

    def add_column(self, index: int, head: str, chosen: str, names: list[str]) -> None:
        own = chosen.removeprefix(ATTRIBUTE) if chosen.startswith(ATTRIBUTE) else ""
        known = [*names, own] if own and own not in names else names
        label = head or _("Column %(number)d") % {"number": index + 1}
        self.fields[f"c{index}"] = forms.ChoiceField(
            label=label,
            required=False,
            initial=chosen,
            choices=[
                (SKIPPED, _("Do not import")),
                *Target.choices,
                (_("Variables"), [(f"{ATTRIBUTE}{name}", name) for name in known]),
                (NEW, _("New variable…")),
            ],
            widget=forms.Select(attrs={"class": "form-select form-select-sm"}),
        )
        self.fields[f"n{index}"] = forms.CharField(
            label=_("Name of the variable for “%(head)s”") % {"head": label},
            required=False,
            max_length=64,
            initial=suggested_name(head),
            widget=forms.TextInput(
                attrs={"class": "form-control form-control-sm", "spellcheck": "false"}
            ),
        )

    def columns(self) -> list[dict[str, Any]]:
        """Return what the head of the preview needs."""
        return [
            {"choice": self[f"c{i}"], "name": self[f"n{i}"], "head": head, "number": i + 1}
            for i, head in enumerate(self.row.heads)
        ]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        is_stop_list = data.get("kind") == ImportKind.STOP_LIST
        if not is_stop_list and "consent" in data and not data["consent"].strip():
            self.add_error(
                "consent",
                _("Write where these people agreed to get mail: a form on the site, a contract."),
            )
        if not is_stop_list and data.get("target") == NEW and not data.get("new_list", "").strip():
            self.add_error("new_list", _("Give the new list a name."))
        for index in range(len(self.row.heads)):
            name = data.get(f"n{index}", "").strip()
            if data.get(f"c{index}") == NEW and not is_name(name):
                self.add_error(
                    f"n{index}", _("A name of a variable is letters, digits and underscores.")
                )
        return data

    def mapping(self) -> list[str]:
        data = self.cleaned_data
        return [
            f"{ATTRIBUTE}{data[f'n{i}'].strip()}" if data[f"c{i}"] == NEW else data[f"c{i}"]
            for i in range(len(self.row.heads))
        ]

    def order(self) -> dict[str, Any]:
        """Return what `imports.check` wants beside the row and who asks."""
        data = self.cleaned_data
        chosen = data["target"]
        lists = permissions.owned(ClientList, self.row.owner)
        return {
            "mapping": self.mapping(),
            "target": lists.filter(pk=chosen).first() if chosen.isdecimal() else None,
            "new_list": data["new_list"].strip() if chosen == NEW else "",
            "consent": data["consent"].strip(),
            "updates": data["updates"],
            "kind": data["kind"] or ImportKind.CLIENTS,
            "reason": data["reason"] or SuppressionReason.MANUAL,
            "leaves_out": data["leaves_out"] == "yes",
        }
