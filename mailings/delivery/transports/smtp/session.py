"""Opens a session: address, connection, TLS, greeting, log-in. Whatever goes wrong here says
nothing about any mail: it ends in a `SessionError`, which is the mail service's fault."""

import asyncio
import os
import socket
import ssl

from mailings.delivery.transports.base import Step
from mailings.delivery.transports.smtp.auth import authenticate, is_loopback_peer
from mailings.delivery.transports.smtp.config import Security, SmtpConfig, tls_context
from mailings.delivery.transports.smtp.dns import resolve
from mailings.delivery.transports.smtp.protocol import SmtpProtocol
from mailings.delivery.transports.smtp.replies import Reply, SessionError, is_accepting

SPOKE_TOO_SOON = "The mail service spoke before TLS had begun."

_READY = 220
_NO_ESMTP = frozenset({500, 501, 502, 504})


async def open_session(protocol: SmtpProtocol) -> None:
    """Bring the connection to where mails can be sent. Raises `SessionError`."""
    config = protocol.config
    is_private = config.security is not Security.NONE
    # Expected before anything can arrive: a banner may come with the connection.
    banner = protocol.expect_answer(Step.BANNER)
    if config.security is Security.TLS:
        protocol.begin_step(Step.TLS)
        transport = await _connect(protocol)
        # Nothing that comes before TLS is a greeting: nobody has shown who they are. From here to
        # where `start_tls` takes over nothing can arrive.
        if banner.done() or protocol.has_unread_bytes:
            protocol.raise_failure()
            raise SessionError(Step.TLS, SPOKE_TOO_SOON)
        transport = await _start_tls(protocol, transport)
        protocol.begin_step(Step.BANNER)
    else:
        transport = await _connect(protocol)
    reply = await banner
    if reply.code != _READY:
        raise SessionError(Step.BANNER, reply=reply)
    await _greet(protocol, transport)
    if config.security is Security.STARTTLS:
        transport = await _upgrade(protocol, transport)
        await _greet(protocol, transport)
    if config.user:
        is_local = is_loopback_peer(transport.get_extra_info("peername"))
        await authenticate(protocol, config, is_private=is_private, is_local=is_local)
    protocol.raise_failure()


async def _connect(protocol: SmtpProtocol) -> asyncio.Transport:
    config = protocol.config
    try:
        async with asyncio.timeout(config.policy.connect):
            addresses = await resolve(config.host, config.port)
            return await _first_that_answers(protocol, addresses)
    except TimeoutError:
        raise SessionError(Step.CONNECT, "The mail service does not answer.") from None
    except OSError as error:
        raise SessionError(Step.CONNECT, _reason(error)) from error


def _reason(error: OSError) -> str:
    """Return the system's words: asyncio's own name the address instead."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)


async def _first_that_answers(protocol: SmtpProtocol, addresses: list[str]) -> asyncio.Transport:
    """Try each address in turn, with an equal share of the time."""
    config = protocol.config
    loop = asyncio.get_running_loop()
    failure = OSError(f"{config.host} has no address")
    for address in addresses:
        try:
            async with asyncio.timeout(config.policy.connect / len(addresses)):
                transport, _ = await loop.create_connection(
                    lambda: protocol, address, config.port, family=socket.AF_UNSPEC
                )
        except TimeoutError:
            failure = OSError("The mail service does not answer.")
        except OSError as error:
            failure = error
        else:
            return transport
    raise failure


async def _greet(protocol: SmtpProtocol, transport: asyncio.Transport) -> None:
    """Say EHLO and remember what is offered; a server before 1995 gets HELO."""
    name = _local_name(protocol.config, transport).encode("ascii", "replace")
    reply = await protocol.command(Step.EHLO, b"EHLO " + name)
    protocol.extensions = {}
    if is_accepting(reply.code):
        protocol.extensions = _extensions(reply)
        return
    if reply.code in _NO_ESMTP:
        reply = await protocol.command(Step.EHLO, b"HELO " + name)
    if not is_accepting(reply.code):
        raise SessionError(Step.EHLO, reply=reply)


def _extensions(reply: Reply) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in reply.raw.split(b"\n")[1:]:
        # Some servers still write AUTH=LOGIN, as before RFC 2554.
        keyword, _, parameters = (
            line[4:].decode("ascii", "replace").strip().replace("=", " ", 1).partition(" ")
        )
        known = found.get(keyword.upper(), "")
        found[keyword.upper()] = f"{known} {parameters}".strip()
    return found


def _local_name(config: SmtpConfig, transport: asyncio.Transport) -> str:
    """Return our name for EHLO: the configured one, the host's if it is full, or our address."""
    name = config.local_name or socket.gethostname()
    if config.local_name or "." in name.strip("."):
        return name
    address = str(transport.get_extra_info("sockname", ("127.0.0.1",))[0])
    return f"[IPv6:{address.partition('%')[0]}]" if ":" in address else f"[{address}]"


async def _upgrade(protocol: SmtpProtocol, transport: asyncio.Transport) -> asyncio.Transport:
    if "STARTTLS" not in protocol.extensions:
        raise SessionError(Step.TLS, "The mail service offers no STARTTLS.")
    reply = await protocol.command(Step.TLS, b"STARTTLS")
    if reply.code != _READY:
        raise SessionError(Step.TLS, reply=reply)
    if protocol.has_unread_bytes:  # put in by somebody on the way, to be believed inside TLS
        raise SessionError(Step.TLS, SPOKE_TOO_SOON)
    return await _start_tls(protocol, transport)


async def _start_tls(protocol: SmtpProtocol, transport: asyncio.Transport) -> asyncio.Transport:
    config = protocol.config
    loop = asyncio.get_running_loop()
    limit = config.policy.tls
    try:
        async with asyncio.timeout(limit):
            encrypted = await loop.start_tls(
                transport,
                protocol,
                tls_context(config.ca_file),
                server_hostname=config.host,
                ssl_handshake_timeout=limit + 1,  # ours comes first
                ssl_shutdown_timeout=config.policy.quit,
            )
    except TimeoutError:
        raise SessionError(Step.TLS, "The TLS handshake did not end in time.") from None
    except ssl.SSLCertVerificationError as error:
        raise SessionError(Step.TLS, f"Certificate refused: {error.verify_message}") from error
    except (OSError, RuntimeError) as error:
        raise SessionError(Step.TLS, f"The TLS handshake failed: {error}") from error
    if encrypted is None:
        raise SessionError(Step.TLS, "The connection was lost during the TLS handshake.")
    protocol.use(encrypted)
    return encrypted
