"""The form of a segment: its name, and the rows of its conditions with what may be chosen there."""

from collections.abc import Iterable
from typing import Any

from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from mailings import permissions
from mailings.clients import attributes
from mailings.clients.segments import builder, compiling, counting, reading, references, services
from mailings.clients.segments import conditions as c
from mailings.clients.segments import words as in_words
from mailings.clients.segments.builder import Draft
from mailings.clients.segments.conditions import Definition
from mailings.clients.segments.services import SegmentInput
from mailings.errors import Invalid
from mailings.models import ClientList, Mailing, Run, Segment
from mailings.models.client import ClientOrigin
from mailings.models.suppression import SuppressionReason
from mailings.web import words
from mailings.web.forms import OwnedForm

MAILINGS_OFFERED = 50
RUNS_OFFERED = 20

Choices = list[tuple[str, str]]


class SegmentForm(OwnedForm[Segment]):
    class Meta:
        model = Segment
        fields = ("name",)

    def __init__(self, *args: Any, begin: Definition | None = None, **kwargs: Any) -> None:
        """`begin`: what a new segment begins with."""
        super().__init__(*args, **kwargs)
        self.is_unreadable = False
        self.definition: Definition | None = None
        if self.is_bound:
            self.draft = builder.posted(self.data)
        else:
            self.draft = self._kept(begin)
        self.fields["name"].help_text = _("Only you see it.")

    def _kept(self, begin: Definition | None) -> Draft:
        if self.instance.pk is None:
            return builder.of(begin) if begin else Draft()
        try:
            return builder.of(reading.read(self.instance.conditions))
        except reading.Unreadable:
            self.is_unreadable = True
            return Draft()

    # ------------------------------------------------------------ checking and writing

    def clean(self) -> dict[str, Any]:
        super().clean()
        self.definition = self.draft.read()
        self._find_gone()
        if self.definition is not None:
            try:
                services.check_segment(self.instance, self.input())
            except Invalid as refusal:
                self.add_faults(refusal.faults.error_dict)
        elif self.draft.faults:
            for said in self.draft.faults:
                self.add_error(None, said)
        else:
            self.add_error(None, _("Some conditions are not complete: look at the rows below."))
        return self.cleaned_data

    def _find_gone(self) -> None:
        """Say at its row that what a condition names is not there."""
        if self.definition is None:
            return
        rows = [row for box in self.draft.boxes for row in box.rows]
        for row, condition in zip(rows, self.definition.conditions, strict=True):
            if not references.is_there(condition, self._named):
                row.fault = in_words.gone()

    @cached_property
    def _named(self) -> references.Named:
        return references.named([self.definition] if self.definition else [], self.owner)

    def input(self) -> SegmentInput:
        assert self.definition is not None
        given = {"name": self.cleaned_data["name"]} if "name" in self.cleaned_data else {}
        return SegmentInput(definition=self.definition, **given)

    def save(self, commit: bool = True) -> Segment:
        data = self.input()
        if self.instance.pk is None:
            return services.create_segment(data=data, owner=self.owner, by=self.owner)
        return services.change_segment(segment=self.instance, data=data, by=self.owner)

    def tidy(self) -> None:
        """Give rows whose subject was changed a way to compare that fits it."""
        for box in self.draft.boxes:
            box.rows = [row.tidied() for row in box.rows]

    # ------------------------------------------------------------ what it would find

    @cached_property
    def readable(self) -> Definition | None:
        """Return the conditions as they stand in the rows, if they are whole."""
        faults = [[row.fault for row in box.rows] for box in self.draft.boxes]
        said, found = self.draft.faults, self.draft.read()
        self.draft.faults = said
        for box, kept in zip(self.draft.boxes, faults, strict=True):
            for row, fault in zip(box.rows, kept, strict=True):
                row.fault = fault
        return found

    @cached_property
    def _there(self) -> references.Named | None:
        """Return what the readable conditions name; None: there are none, or it is gone."""
        if self.readable is None:
            return None
        try:
            return references.require(self.readable, self.owner)
        except references.Missing:
            return None

    @cached_property
    def sentence(self) -> str:
        if self.readable is None or self._there is None:
            return ""
        return in_words.sentence(self.readable, self._there)

    @cached_property
    def found(self) -> int | None:
        """Return how many clients there are; None: it takes too long, or is not clear yet."""
        if self.readable is None or self._there is None:
            return None
        rows = compiling.clients_matching(self.readable, self.owner, timezone.now())
        return counting.count(rows)

    # ------------------------------------------------------------ what may be chosen

    @cached_property
    def subjects(self) -> list[tuple[str, Choices]]:
        """Return what may be looked at, in groups."""
        groups = [
            (str(label), [(name, str(text)) for name, text in choices])
            for label, choices in builder.SUBJECTS
        ]
        details = {f"{c.DETAIL}{name}": name for name in attributes.names_lately(self.owner)}
        for box in self.draft.boxes:
            for row in box.rows:
                if name := c.detail_of(row.what):
                    details.setdefault(row.what, name)
        if details:
            groups.insert(1, (_("Details"), list(details.items())))
        return groups

    @cached_property
    def lists(self) -> Choices:
        rows = permissions.owned(ClientList, self.owner)
        return [(str(pk), name) for pk, name in rows.values_list("pk", "name")]

    @property
    def origins(self) -> Choices:
        return [(value, str(label)) for value, label in ClientOrigin.choices]

    @property
    def reasons(self) -> Choices:
        return [(reason.value, words.suppressed(reason)) for reason in SuppressionReason]

    @cached_property
    def mailings(self) -> list[tuple[str, Choices]]:
        """Return mailings and runs, the newest first; also older ones that a row names."""
        values = {row.value for box in self.draft.boxes for row in box.rows}
        own = permissions.owned(Mailing, self.owner).order_by("-created_at")
        runs = permissions.owned(Run, self.owner).filter(targeted__gt=0)
        runs = runs.select_related("mailing").defer("html", "text").order_by("-scheduled_for")
        mailings: dict[str, str] = {}
        for mailing in (*own[:MAILINGS_OFFERED], *own.filter(pk__in=_ids(values, "mailing"))):
            mailings[f"mailing:{mailing.pk}"] = mailing.name
        single: dict[str, str] = {}
        for run in (*runs[:RUNS_OFFERED], *runs.filter(pk__in=_ids(values, "run"))):
            single[f"run:{run.pk}"] = in_words.run_name(run)
        groups = [(_("Mailings"), list(mailings.items())), (_("Single runs"), list(single.items()))]
        return [(label, choices) for label, choices in groups if choices]


def _ids(values: Iterable[str], named: str) -> list[int]:
    found = [value.partition(":") for value in values]
    return [
        int(number)
        for name, _colon, number in found
        if name == named and number.isascii() and number.isdecimal() and len(number) < 19  # noqa: PLR2004
    ]
