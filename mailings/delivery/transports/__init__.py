"""Ways out: each module speaks one protocol, all answer with a `SendResult`."""

from dataclasses import replace
from typing import assert_never

from mailings.delivery.transports import memory
from mailings.delivery.transports.http.config import ApiConfig
from mailings.delivery.transports.http.connection import HttpConnection
from mailings.delivery.transports.kinds import TransportKind, kind_of
from mailings.delivery.transports.mail import Connect, Connection
from mailings.delivery.transports.smtp.config import Policy, SmtpConfig
from mailings.delivery.transports.smtp.connection import SmtpConnection

__all__ = ["Connect", "Connection", "connector"]


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
