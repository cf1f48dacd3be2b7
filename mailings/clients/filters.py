"""What the pages of clients can be narrowed to and sorted by."""

from typing import Any, ClassVar

from django import forms
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from mailings import permissions
from mailings.clients import searching
from mailings.clients.segments import compiling, reading, references
from mailings.models import Client, ClientList, Delivery, Segment
from mailings.models.suppression import SuppressionReason
from mailings.states import DeliveryStatus
from mailings.suppression import stop_list
from mailings.timing import clock
from mailings.web import words
from mailings.web.filters import Filter, search_field

GETS_MAIL = "active"
STATES = [
    ("", _("Any state")),
    (GETS_MAIL, _("Gets mail")),
    *((reason.value, words.SUPPRESSED[reason]) for reason in SuppressionReason),
]


class ClientFilter(Filter):
    q = search_field(_("Name or address"))
    on = forms.ModelChoiceField(
        ClientList.objects.none(), required=False, label=_("List"), empty_label=_("Any list")
    )
    segment = forms.ModelChoiceField(
        Segment.objects.none(),
        required=False,
        label=_("Segment"),
        empty_label=_("Any segment"),
    )
    state = forms.ChoiceField(label=_("State"), required=False, choices=STATES)
    consent = forms.ChoiceField(
        label=_("Consent"),
        required=False,
        choices=[
            ("", _("Any consent")),
            ("yes", _("Consent is recorded")),
            ("no", _("Consent is not recorded")),
        ],
    )

    ORDERS: ClassVar[dict[str, tuple[str, ...]]] = {
        "name": ("full_name", "id"),
        "-name": ("-full_name", "-id"),
        "address": ("email_normalised",),
        "-address": ("-email_normalised",),
        "added": ("created_at", "id"),
        "-added": ("-created_at", "-id"),
    }
    """Each has an index that begins with the owner."""

    def __init__(self, *args: Any, owner: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.owner = owner
        self.fields["on"].queryset = permissions.owned(ClientList, owner)  # type: ignore[attr-defined]
        self.fields["segment"].queryset = permissions.owned(Segment, owner).select_related("owner")  # type: ignore[attr-defined]
        self.full_clean()

    @property
    def may_be_segment(self) -> bool:
        """Return whether what is asked for can be kept as a segment: something, and not one."""
        return self.is_narrowed and not self.value("segment")

    def apply(self, clients: QuerySet[Client]) -> QuerySet[Client]:
        if text := self.value("q"):
            clients = clients.filter(searching.found_by(text))
        if on := self.value("on"):
            member = ClientList.clients.through.objects.filter(clientlist=on, client=OuterRef("pk"))
            clients = clients.filter(Exists(member))
        if segment := self.value("segment"):
            clients = self.in_segment(clients, segment)
        if consent := self.value("consent"):
            nothing = Q(consent_source="", consent_at=None)
            clients = clients.filter(nothing if consent == "no" else ~nothing)
        return self.in_state(clients)

    def in_segment(self, clients: QuerySet[Client], segment: Segment) -> QuerySet[Client]:
        """Return those in the segment; nobody, where it cannot be asked."""
        try:
            found = compiling.clients_of(segment, clock.now())
        except (reading.Unreadable, references.Missing):
            return clients.none()
        return clients.filter(Exists(found.filter(pk=OuterRef("pk"))))

    def in_state(self, clients: QuerySet[Client]) -> QuerySet[Client]:
        state = self.value("state")
        if not state:
            return clients
        if state == GETS_MAIL:
            return clients.exclude(stop_list.is_suppressed(self.owner.pk))
        return clients.filter(stop_list.is_suppressed(self.owner.pk, reason=state))


class DeliveryStatusFilter(Filter):
    status = forms.ChoiceField(
        label=_("Status"), required=False, choices=[("", _("Any status")), *DeliveryStatus.choices]
    )

    def apply(self, deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
        if status := self.value("status"):
            indexed = "status" if status in Delivery.USUAL else "unusual_status"
            deliveries = deliveries.filter(**{indexed: status})
        return deliveries
