"""The home page's three figures, over everybody's mailings."""

from dataclasses import dataclass

from django.db.models import Count, Q

from mailings.models import Client, Mailing, PastMailing
from mailings.states import ACTIVE_MAILINGS, MailingStatus


@dataclass(frozen=True, slots=True)
class SiteFigures:
    mailings: int
    """In all, deleted ones too; a draft is not one yet."""
    active: int
    unique_clients: int
    """Different addresses, whoever writes to them."""


def site_figures() -> SiteFigures:
    """Count what the home page shows, in three queries."""
    mailings = Mailing.objects.aggregate(
        total=Count("pk", filter=~Q(status=MailingStatus.DRAFT)),
        active=Count("pk", filter=Q(status__in=ACTIVE_MAILINGS)),
    )
    # With those that are being deleted, for minutes: an index alone tells the addresses of all.
    addresses = Client._base_manager.values("email_normalised").distinct()
    total = mailings["total"] + PastMailing.objects.count()
    return SiteFigures(total, mailings["active"], addresses.count())
