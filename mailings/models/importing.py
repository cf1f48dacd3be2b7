"""A file of clients: what it holds, what is to be done with it, and what became of each row.

File and report lie in the database: every web and worker host sees them, nothing is public, a
part of the report is committed together with the clients it speaks of, and both go with the row.
"""

import itertools
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import BinaryField, F, Func, Q, Value
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from mailings.models.client import ClientList
from mailings.models.stateful import StatefulQuerySet
from mailings.models.suppression import SuppressionReason
from mailings.states import FINAL, ImportStatus

PIECE = 256 * 1024  # bytes


class ImportKind(models.TextChoices):
    """What a file is for."""

    CLIENTS = "clients", _("Clients")
    STOP_LIST = "stop_list", _("Addresses that must never get mail")


class Import(models.Model):
    """A file of clients on its way: uploaded, looked at, checked, imported; and its report."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="imports", editable=False
    )
    file_name = models.CharField(_("file"), max_length=200)
    size = models.PositiveIntegerField(_("size"))
    layout = models.JSONField(default=dict)
    heads = models.JSONField(default=list)
    sample = models.JSONField(default=list)
    # What the first look found beside them: `looking.Look.as_json`.
    look = models.JSONField(default=dict)
    row_count = models.PositiveIntegerField(_("rows"), default=0)
    mapping = models.JSONField(default=list)
    kind = models.CharField(
        _("what the file is"),
        max_length=12,
        choices=ImportKind,
        default=ImportKind.CLIENTS,
        db_default=ImportKind.CLIENTS,
    )
    # Of a file for the suppression list: why, where a row does not say it.
    reason = models.CharField(
        _("reason"),
        max_length=16,
        choices=SuppressionReason,
        default=SuppressionReason.MANUAL,
        db_default=SuppressionReason.MANUAL,
    )
    # Whom the file says not to write to: left out, or put on the suppression list.
    leaves_out = models.BooleanField(default=False, db_default=False)
    # Column → word → `mail_states.Says`, as the owner answered.
    answers = models.JSONField(default=dict, db_default={})
    # What the dry run found out about the columns: `meaning.Findings`.
    findings = models.JSONField(default=dict, db_default={})
    target = models.ForeignKey(
        ClientList, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("list")
    )
    new_list = models.CharField(_("name of the new list"), max_length=120, blank=True)
    consent = models.CharField(_("how they agreed"), max_length=200, blank=True)
    updates = models.BooleanField(_("change those who are there already"), default=True)
    status = models.CharField(
        _("status"), max_length=12, choices=ImportStatus, default=ImportStatus.NEW
    )
    status_at = models.DateTimeField(_("status since"), auto_now_add=True)
    # Rows of the file that are dealt with, and what became of them: `plan.Kind` → number.
    position = models.PositiveIntegerField(default=0)
    counts = models.JSONField(default=dict)
    # Of the dry run: the first rows of each kind, [number, address, detail].
    examples = models.JSONField(default=dict)
    problem = models.TextField(blank=True)
    lease_owner = models.UUIDField(null=True, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    lease_losses = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(_("uploaded"), auto_now_add=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = StatefulQuerySet["Import"].as_manager()

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=ImportStatus.values), name="import_status_known"
            ),
            # The basis of consent is part of every import of people who are to get mail.
            models.CheckConstraint(
                condition=Q(status=ImportStatus.NEW)
                | ~Q(consent="")
                | Q(kind=ImportKind.STOP_LIST),
                name="import_has_consent",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=ImportKind.values), name="import_kind_known"
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "-id"], name="import_by_age"),
            models.Index(fields=["status", "status_at"], name="import_by_status"),
        ]

    WAITING: ClassVar[tuple[ImportStatus, ...]] = (ImportStatus.CHECKING, ImportStatus.IMPORTING)
    """What a worker has to do."""

    def __str__(self) -> str:
        return self.file_name

    def get_absolute_url(self) -> str:
        return reverse("mailings:import_detail", args=[self.pk])

    @property
    def is_final(self) -> bool:
        return self.status in FINAL[ImportStatus]

    @property
    def is_stop_list(self) -> bool:
        return self.kind == ImportKind.STOP_LIST

    @property
    def barred_count(self) -> int:
        """Return how many rows put an address on the suppression list."""
        return sum(self.counts.get(reason, 0) for reason in SuppressionReason.values)

    @property
    def left_out_count(self) -> int:
        """Rows that become no clients: faulty, forbidden by the file, or never answered for."""
        return sum(self.counts.get(kind, 0) for kind in ("invalid", "out", "asked"))

    @property
    def is_waiting(self) -> bool:
        return self.status in self.WAITING

    @property
    def head_number(self) -> int:
        """The row of the file that is its head; 0: it has none."""
        if not self.layout.get("has_header", True):
            return 0
        least = self.layout.get("head", 1)
        return next((n for n, _cells in self.look.get("top", []) if n >= least), least)

    @property
    def numbered_sample(self) -> list[tuple[int | str, list[str]]]:
        """The first rows with the numbers that the spreadsheet shows."""
        numbers = self.look.get("numbers") or [""] * len(self.sample)
        return list(zip(numbers, self.sample, strict=False))

    @property
    def percent(self) -> int:
        """How much of the file was dealt with, 0 to 100."""
        return min(100, self.position * 100 // self.row_count) if self.row_count else 0


class ImportFile(models.Model):
    """The file's bytes, until the import is over; packed, for they pass through as hexadecimal."""

    of = models.OneToOneField(Import, models.CASCADE, primary_key=True, related_name="file")
    packed = models.BinaryField()

    @classmethod
    def keep(cls, of: Import, content: bytes) -> Self:
        """Pack and store the bytes."""
        return cls.objects.create(of=of, packed=zlib.compress(content, 1))

    @classmethod
    @contextmanager
    def unpacked(cls, of: Import) -> Iterator[IO[bytes]]:
        """Lend the file's bytes as a temporary file; raises `DoesNotExist`.

        Neither they nor what is stored are ever in memory as a whole.
        """
        with tempfile.TemporaryFile() as file:
            unpacker = zlib.decompressobj()
            for piece in cls._pieces(of):
                file.write(unpacker.decompress(piece))
            file.write(unpacker.flush())
            yield file

    @classmethod
    def _pieces(cls, of: Import) -> Iterator[bytes]:
        for start in itertools.count(1, PIECE):  # SQL counts from 1
            piece = Func(
                F("packed"), Value(start), Value(PIECE), function="substr",
                output_field=BinaryField(),
            )  # fmt: skip
            found = bytes(cls.objects.values_list(piece, flat=True).get(pk=of.pk))
            yield found
            if len(found) < PIECE:
                return

    def __str__(self) -> str:
        return f"{self.of_id}"


class ImportPart(models.Model):
    """What became of some rows: one part of the report, packed."""

    of = models.ForeignKey(Import, models.CASCADE, related_name="parts")
    position = models.PositiveIntegerField()
    lines = models.BinaryField()

    class Meta:
        constraints = [
            # Two workers at one import: the second cannot do the same rows again.
            models.UniqueConstraint(fields=["of", "position"], name="import_part_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.of_id} from {self.position}"
