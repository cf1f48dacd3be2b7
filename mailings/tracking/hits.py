"""What is written when a letter is opened or one of its links followed.

In the database before the request is answered, so nothing that was answered is lost, whatever dies.
The rows of a delivery are bounded, and so are their counts: who loads a picture ten thousand times
changes one number. A token that is not of a delivery of ours, or comes long after the letter,
changes nothing.

An opening is one statement, a click three, and by hand: the ORM takes longer to write one than the
database needs for it, and a mailing's readers come all at once. Times are this host's: it is about
seconds, and nothing but figures follows.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from django.db import connection, transaction

from mailings.models import Delivery, Hit
from mailings.states import DeliveryStatus, HitKind
from mailings.tracking import machines
from mailings.tracking.links import Token
from mailings.tracking.machines import Asked, Why

COUNTED_WITHIN = timedelta(days=90)
"""After a letter was sent. Its links lead on for as long as their rows are there."""


class Target(NamedTuple):
    """Where a link leads, and what may follow of it."""

    url: str
    owner_is_active: bool
    opens_count: bool
    """A person who follows a link has opened the letter, whether pictures are shown or not."""


# Not by a join with the run: the link outlives it.
_TARGET = """
SELECT link.url, owner.is_active,
  (SELECT run.track_opens FROM mailings_run run WHERE run.id = link.run_id)
FROM mailings_trackedlink link JOIN accounts_user owner ON owner.id = link.owner_id
WHERE link.run_id = %s AND link.position = %s
"""


def target(token: Token, position: int) -> Target | None:
    """Return where a link of the token's letter leads; None where it has no such link, or nobody
    knows any more."""
    with connection.cursor() as cursor:
        cursor.execute(_TARGET, [token.run_id, position])
        found = cursor.fetchone()
    return Target(found[0], bool(found[1]), bool(found[2])) if found else None


def opened(token: Token, asked: Asked) -> None:
    """Write that the letter's picture was loaded."""
    _write(token, machines.why_machine(asked), [(HitKind.OPENED, 0)])


def followed(token: Token, position: int, asked: Asked, *, opens_count: bool) -> None:
    """Write that a link of the letter was followed."""
    why = machines.why_machine(asked)
    what = [(HitKind.CLICKED, 0), (HitKind.CLICKED, position)]
    _write(token, why, what, opens=opens_count)
    # After that is committed: of two at the same moment one sees the other.
    if why is None and _is_burst(token, position):
        _take_back(token)


# ---------------------------------------------------------------- one statement for all

_HANDED_OVER = f"('{DeliveryStatus.SENT.value}', '{DeliveryStatus.UNCERTAIN.value}')"


@cache
def _statement(rows: int) -> str:
    """Return what adds so many hits of a delivery, or one to the count of each that is there.

    By the delivery's row, which is held, so that neither it nor its client goes meanwhile: those
    who let them go have it before they look for hits. Of a client who is gone nothing is written,
    nor for an owner who is blocked. What was being handed over, or was refused after its last byte,
    a gateway has seen and nobody else.
    """
    hold = "FOR NO KEY UPDATE" if connection.vendor == "postgresql" else ""
    what = " UNION ALL ".join(["SELECT %s AS kind, %s AS link, %s AS by_people"] * rows)
    return f"""
INSERT INTO mailings_hit (delivery_id, run_id, kind, link, is_machine, why, first_at, count)
SELECT held.id, held.run_id, what.kind, what.link, held.why <> '', held.why, %s, 1
FROM (
  SELECT id, run_id, CASE
      WHEN %s <> '' THEN %s
      WHEN status NOT IN {_HANDED_OVER} THEN '{Why.UNSENT.value}'
      WHEN status = '{DeliveryStatus.SENT.value}' AND finished_at > %s THEN '{Why.TOO_SOON.value}'
      ELSE '' END AS why
  FROM mailings_delivery
  WHERE id = %s AND run_id = %s AND client_id IS NOT NULL
  AND (finished_at IS NULL OR finished_at > %s)
  AND EXISTS (
    SELECT 1 FROM mailings_run run JOIN mailings_mailing mailing ON mailing.id = run.mailing_id
    JOIN accounts_user owner ON owner.id = mailing.owner_id
    WHERE run.id = mailings_delivery.run_id AND owner.is_active
  ) {hold}
) held CROSS JOIN ({what}) what
WHERE held.why = '' OR NOT what.by_people
ON CONFLICT (delivery_id, kind, link, is_machine)
DO UPDATE SET count = mailings_hit.count + 1 WHERE mailings_hit.count < {Hit.MOST_COUNTED}
"""  # noqa: S608 - constants


def _write(
    token: Token, why: Why | None, what: list[tuple[HitKind, int]], *, opens: bool = False
) -> None:
    """Write these hits; `opens`: and an opening, if it was a person."""
    now = datetime.now(UTC)
    rows = [(kind.value, link, False) for kind, link in what]
    if opens:
        rows.append((HitKind.OPENED.value, 0, True))
    by_name = why.value if why else ""
    parameters = [
        _instant(now), by_name, by_name, _instant(now - machines.TOO_SOON),
        token.delivery_id, token.run_id, _instant(now - COUNTED_WITHIN),
        *(value for row in rows for value in row),
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_statement(len(rows)), parameters)


def _instant(at: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(at)


# ---------------------------------------------------------------- bursts

_OTHERS = f"""
SELECT 1 FROM mailings_hit WHERE delivery_id = %s AND kind = '{HitKind.CLICKED.value}'
AND link <> 0 AND link <> %s AND first_at > %s LIMIT 1
"""  # noqa: S608 - constants


def _is_burst(token: Token, position: int) -> bool:
    """Return whether another link of the letter was followed just before."""
    with connection.cursor() as cursor:
        since = _instant(datetime.now(UTC) - machines.BURST)
        cursor.execute(_OTHERS, [token.delivery_id, position, since])
        return cursor.fetchone() is not None


@transaction.atomic
def _take_back(token: Token) -> None:
    """Make a machine's of what a person seemed to do since the burst began."""
    held = Delivery.objects.filter(pk=token.delivery_id).select_for_update(no_key=True)
    if not held.values_list("pk").first():
        return
    theirs = Hit.objects.filter(delivery=token.delivery_id, is_machine=False)
    since = datetime.now(UTC) - machines.BURST
    clicks = theirs.filter(kind=HitKind.CLICKED, link__gt=0, first_at__gt=since)
    found = dict(clicks.values_list("link", "first_at"))
    if not found:
        return
    clicks.delete()
    # That anything was clicked at all, and so opened, was known by these clicks only.
    theirs.filter(link=0, first_at__gte=min(found.values())).delete()
    _write(token, Why.BURST, [(HitKind.CLICKED, link) for link in (0, *found)])
