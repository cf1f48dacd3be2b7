"""From a run's frozen content to the bytes of one delivery's mail."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr
from functools import cache
from typing import Protocol

from django.conf import settings

from mailings.models import Run
from mailings.rendering import compiler
from mailings.suppression import unsubscribe_links
from mailings.tracking import links as tracking_links

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Addressed(Protocol):
    """What of a delivery goes into its mail."""

    @property
    def pk(self) -> int: ...
    @property
    def run_id(self) -> int: ...
    @property
    def owner_id(self) -> int: ...
    @property
    def address(self) -> str: ...
    @property
    def full_name(self) -> str: ...
    @property
    def variables(self) -> Mapping[str, object]: ...


def sender_domain() -> str:
    """Return the domain in which this service names its messages and lists."""
    return _domain_of(settings.DEFAULT_FROM_EMAIL)


@cache
def _domain_of(sender: str) -> str:  # parsing takes as long as rendering a mail
    return parseaddr(sender)[1].rpartition("@")[2] or "localhost"


def compile_run(run: Run) -> compiler.Compiled:
    """Raise `RenderError` when no mail can be made of the run's content."""
    return compiler.compile_content(
        compiler.Content(
            subject=run.subject,
            preheader=run.preheader,
            html=run.html,
            text=run.text,
            sender_name=run.sender_name,
            sender_email=run.sender_email,
            reply_to=run.reply_to,
            list_id=f"mailing-{run.mailing_id}.{sender_domain()}",
            # Gmail: up to three names, no two alike, and at the end the sender's own, 5 to 15 long.
            feedback_id=f"run{run.pk}:mailing{run.mailing_id}:bulk:vestnik",
            message_id_tail=message_id_tail(run),
            is_tracked=run.is_tracked,
        )
    )


def message_id(delivery: Addressed, tail: str) -> str:
    """Return the same Message-ID for every try of a delivery; `tail` is its run's."""
    return f"<{delivery.pk}.{tail}>"


def message_id_tail(run: Run) -> str:
    """Return what the Message-IDs of a run end with: its number and the microsecond in which it was
    made, which no other database knows by that number, and the domain."""
    return f"{run.pk}.{unique_instant(run.created_at)}@{sender_domain()}"


def unique_instant(at: datetime) -> str:
    """Return an instant to the microsecond as a word. Numbers of rows begin anew in a database that
    is built anew, and are the same in two services of one domain; times are not."""
    return f"{(at - _EPOCH) // _MICROSECOND:x}"


def render(compiled: compiler.Compiled, delivery: Addressed, now: datetime) -> bytes:
    variables = delivery.variables
    if compiled.content.is_tracked:
        token = tracking_links.token(delivery.run_id, delivery.pk)
        variables = {**variables, tracking_links.VARIABLE: token}
    return compiled.render(
        compiler.Recipient(
            address=delivery.address,
            full_name=delivery.full_name,
            variables=variables,
            message_id=message_id(delivery, compiled.content.message_id_tail),
            unsubscribe_url=unsubscribe_links.url(delivery.owner_id, delivery.pk, delivery.address),
        ),
        now,
    )
