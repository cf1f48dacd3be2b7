"""Proves who we are with what the server offers. A password crosses the wire only inside TLS, or
to this very machine when the URL says so."""

import base64
import binascii
import hmac
import ipaddress
from collections.abc import Awaitable, Callable

from mailings.delivery.transports.base import Step
from mailings.delivery.transports.smtp.config import SmtpConfig
from mailings.delivery.transports.smtp.protocol import SmtpProtocol
from mailings.delivery.transports.smtp.replies import Reply, SessionError

_SUCCESS = 235
_CHALLENGE = 334
_MECHANISM_REFUSED = frozenset({500, 501, 502, 504, 534})
"""The mechanism is not to the server's liking: another may be. A 535 is about the password, and
trying it again in another wrapping locks accounts."""


async def authenticate(
    protocol: SmtpProtocol, config: SmtpConfig, *, is_private: bool, is_local: bool
) -> None:
    """Log in. `is_private`: inside TLS; `is_local`: the other end is this machine.

    Raises `SessionError`; nothing secret was sent if no safe way was offered.
    """
    offered = protocol.extensions.get("AUTH", "").upper().split()
    if not offered:
        raise SessionError(Step.AUTH, "The mail service offers no AUTH.")
    is_safe = is_private or (config.allows_plaintext_auth and is_local)
    ways = [way for way in _ways(config, is_safe=is_safe) if way in offered]
    if not ways:
        raise SessionError(
            Step.AUTH, f"No safe way to log in among those offered: {', '.join(offered)}."
        )
    for way in ways:
        reply = await _MECHANISMS[way](protocol, config)
        if reply.code == _SUCCESS:
            return
        if reply.code not in _MECHANISM_REFUSED:
            break
    raise SessionError(Step.AUTH, reply=reply)


def _ways(config: SmtpConfig, *, is_safe: bool) -> list[str]:
    """Return the mechanisms we may use, the preferred first; CRAM-MD5 shows no password."""
    if config.uses_token:
        return ["XOAUTH2"] if is_safe else []
    return ["PLAIN", "LOGIN", "CRAM-MD5"] if is_safe else ["CRAM-MD5"]


def is_loopback_peer(peer: object) -> bool:
    """Whether the other end of the socket, whatever its name was, is this machine."""
    if not isinstance(peer, tuple) or not peer:
        return False
    return ipaddress.ip_address(str(peer[0]).partition("%")[0]).is_loopback


async def _plain(protocol: SmtpProtocol, config: SmtpConfig) -> Reply:
    token = f"\0{config.user}\0{config.password}".encode()
    return await protocol.command(Step.AUTH, b"AUTH PLAIN " + base64.b64encode(token))


async def _login(protocol: SmtpProtocol, config: SmtpConfig) -> Reply:
    reply = await protocol.command(Step.AUTH, b"AUTH LOGIN")
    for secret in (config.user, config.password):
        if reply.code != _CHALLENGE:
            return reply
        reply = await protocol.command(Step.AUTH, base64.b64encode(secret.encode()))
    return reply


async def _cram_md5(protocol: SmtpProtocol, config: SmtpConfig) -> Reply:
    reply = await protocol.command(Step.AUTH, b"AUTH CRAM-MD5")
    if reply.code != _CHALLENGE:
        return reply
    try:
        challenge = base64.b64decode(reply.raw[4:].strip(), validate=True)
    except binascii.Error:
        raise SessionError(Step.AUTH, "The challenge is not base64.") from None
    digest = hmac.new(config.password.encode(), challenge, "md5").hexdigest()
    return await protocol.command(Step.AUTH, base64.b64encode(f"{config.user} {digest}".encode()))


async def _xoauth2(protocol: SmtpProtocol, config: SmtpConfig) -> Reply:
    token = f"user={config.user}\1auth=Bearer {config.password}\1\1".encode()
    reply = await protocol.command(Step.AUTH, b"AUTH XOAUTH2 " + base64.b64encode(token))
    if reply.code == _CHALLENGE:  # the reason, as JSON; the refusal follows an empty line
        reply = await protocol.command(Step.AUTH, b"")
    return reply


_MECHANISMS: dict[str, Callable[[SmtpProtocol, SmtpConfig], Awaitable[Reply]]] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
    "XOAUTH2": _xoauth2,
}
