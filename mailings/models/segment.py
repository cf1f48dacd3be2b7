"""Clients by what is known of them: a segment keeps the question, not the answer."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _


class Segment(models.Model):
    """A named question to one owner’s clients, asked anew at each run of a mailing.

    `conditions` is what `mailings.clients.segments.reading` reads and writes, with its version.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="segments", editable=False
    )
    name = models.CharField(_("name"), max_length=120)
    conditions: Any = models.JSONField(_("conditions"), default=dict, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("segment")
        verbose_name_plural = _("segments")
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="segment_name_unique_per_owner"),
        ]
        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("mailings:segment_detail", args=[self.pk])
