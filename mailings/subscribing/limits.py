"""How often a form may be filled in, and whom it may write to: counted in the rows of requests
themselves, so that a lost cache or a second host forgets nothing.

Whoever counts holds the form's row, the network and the mailbox until the new row is committed, in
this order: fifty posts at once are counted one after the other.
"""

from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from django.db import connection
from django.db.models import Q

from mailings.models import SubscribeForm, SubscribeRequest

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PER_ADDRESS = 20
"""Posts an hour from one address: a family or an office behind one router."""
PER_NETWORK = 60
"""From one /24 or /64: what one provider gives to many, or one attacker has for nothing."""
PER_FORM = 500
"""Of one form, whoever fills it in: a crowd after a concert, not a flood."""
LETTERS_OF_FORM = 1
"""Letters a day to one mailbox because of one form."""
LETTERS_OF_ALL = 5
"""Letters a day to one mailbox because of all forms of all owners."""

_PURPOSES = {"network": 0x6E65, "mailbox": 0x6D62}  # of the pairs that advisory locks have


def network_of(ip: str) -> str:
    """Return the network that an attacker may have as a whole: /24, of IPv6 /64."""
    address = ip_address(ip)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    bits = 64 if isinstance(address, IPv6Address) else 24
    return str(ip_network(f"{address}/{bits}", strict=False))


def hold(what: str, name: str) -> None:
    """Let nobody else count of this network or mailbox until the transaction ends. SQLite needs
    no lock: its transactions are IMMEDIATE, one writes at a time."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_PURPOSES[what], name]
            )


def is_too_often(form: SubscribeForm, ip: str, network: str, now: datetime) -> bool:
    """Return whether one more post from there is too much; form and network are held."""
    recent = SubscribeRequest.objects.filter(requested_at__gt=now - HOUR)
    counts = (
        (recent.filter(network=network, ip=ip), PER_ADDRESS),
        (recent.filter(network=network), PER_NETWORK),
        (recent.filter(form=form), PER_FORM),
    )
    return any(rows.count() >= most for rows, most in counts)


def may_write_to(form: SubscribeForm, mailbox: str, now: datetime) -> bool:
    """Return whether the mailbox may get one more letter; it is held. A letter that still waits
    for the mail service counts until a day after it left."""
    counted = SubscribeRequest.objects.filter(mailbox=mailbox).exclude(letter="")
    counted = counted.filter(
        Q(requested_at__gt=now - DAY)
        | Q(letter_due_at__isnull=False)
        | Q(letter_sent_at__gt=now - DAY)
    )
    return counted.filter(form=form).count() < LETTERS_OF_FORM and counted.count() < LETTERS_OF_ALL
