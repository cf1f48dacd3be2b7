"""Ways out: each module speaks one protocol, all answer with a `SendResult`."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, assert_never

from mailings.delivery.transports import memory
from mailings.delivery.transports.http.config import ApiConfig
from mailings.delivery.transports.http.connection import HttpConnection
from mailings.delivery.transports.kinds import TransportKind, kind_of
from mailings.delivery.transports.smtp.config import Policy, SmtpConfig
from mailings.delivery.transports.smtp.connection import SmtpConnection
from mailings.delivery.transports.smtp.mail import Source


class Connection(Protocol):
    """A connection to a mail service that asks its source for mails; lives in an event loop.

    docs/adding_a_transport.md tells what is expected of one, and a test suite holds all to it.
    """

    accepted: int
    """Mails the service took from this connection."""

    def start(self) -> None:
        """Open the session, then ask the source for mails until told to stop."""

    def wake(self) -> None:
        """Ask the source again: it has mails now."""

    def release_body(self) -> None:
        """Send the body that waited for this."""

    def stop(self) -> None:
        """Take no new mail; end as soon as the body in flight is answered."""

    def abort(self) -> None:
        """End at once; a body in flight becomes uncertain."""


Connect = Callable[[Source], Connection]
"""Makes a connection for a source, in the running event loop."""


def connector(
    url: str, *, local_name: str, mails_per_connection: int = 200, policy: Policy | None = None
) -> Connect:
    """Return what makes connections to the URL; raise `ValueError` for one that cannot be used.

    `policy` holds other deadlines than the usual ones.
    """
    policy = policy or Policy()
    kind = kind_of(url)
    match kind:
        case TransportKind.MEMORY:
            return memory.connect
        case TransportKind.HTTP_API:
            api = ApiConfig.from_url(url, mails_per_connection=mails_per_connection)
            api = replace(api, deadline=min(api.deadline, policy.whole_mail))
            return lambda source: HttpConnection(api, source)
        case TransportKind.SMTP:
            config = SmtpConfig.from_url(
                url, mails_per_connection=mails_per_connection, policy=policy
            )
            if not config.local_name:
                config = replace(config, local_name=local_name)
            return lambda source: SmtpConnection(config, source)
        case _:
            assert_never(kind)
