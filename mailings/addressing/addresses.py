"""E-mail addresses: checked, and normalised so that one mailbox has one spelling.

Two addresses are one mailbox when they differ in the case of their letters, in how their domain is
written (IDNA 2008), or in signs that nobody sees. The spelling typed is kept beside: only the
receiving host may interpret the case of a local part (RFC 5321 2.4), so mail is sent to that one.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from mailings.addressing import domains, unseen

MAX_LENGTH = 254  # RFC 5321 4.5.3.1.3 less the angle brackets
MAX_LOCAL = 64  # RFC 5321 4.5.3.1.1

# Most addresses are plain: a file of 100 000 is checked in a tenth of the time.
_PLAIN_LOCAL = re.compile(
    r"[A-Za-z0-9_+][A-Za-z0-9_+-]{0,19}(?:\.[A-Za-z0-9_+-]{1,20}){0,2}", re.A
).fullmatch
# RFC 5322 3.2.3. In quotation marks anything could stand; no mailbox that people have is so.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*", re.A).fullmatch
_ODD = re.compile(r"[\s\x00-\x1f\x7f-\x9f,;<>()\"@]").search
_NOT_ASCII = re.compile(r"[^\x00-\x7f]").search


class Address(NamedTuple):
    """An address that `read` found good, in both of its spellings."""

    typed: str
    """As it was typed, but for what cannot be seen."""
    mailbox: str
    """In lower case, the domain in ASCII: what addresses are compared by."""

    @property
    def wire(self) -> str:
        """The local part as typed, the domain in ASCII: what a server is told."""
        return f"{self.typed.rpartition('@')[0]}@{self.mailbox.rpartition('@')[2]}"


def read(text: str) -> Address:
    """Return the address. Raises `ValidationError` for anything that is not exactly one, or to
    which no mail can go; its code says what is wrong."""
    typed = clean(text)
    local, _at, domain = typed.rpartition("@")
    if _PLAIN_LOCAL(local) and len(typed) <= MAX_LENGTH and (known := _known_domain(domain)):
        return Address(typed, f"{local.lower()}@{known}")
    return _read(typed)


def normalise(text: str) -> str:
    """Return the mailbox. Raises `ValidationError` like `read`."""
    return read(text).mailbox


def mailbox(address: str) -> str:
    """Return the mailbox of an address that is known already; it need not be one that `read` takes:
    there are older ones."""
    if address.isascii():
        return address.strip().lower()
    try:
        return read(address).mailbox
    except ValidationError:
        return address.strip().lower()


def as_in_2003(mailbox: str) -> str:
    """Return how the mailbox was written before IDNA 2008; nothing: the same."""
    local, _at, domain = mailbox.rpartition("@")
    older = domains.as_in_2003(domain)
    return f"{local}@{older}" if older else ""


def sought(text: str) -> str:
    """Return a piece of an address that somebody looks for as it would stand in a mailbox."""
    local, at, domain = clean(text).rpartition("@")
    try:
        return f"{local}{at}{domains.to_ascii(domain)}".lower() if at else domain.lower()
    except UnicodeError:
        return f"{local}{at}{domain}".lower()


def clean(text: str) -> str:
    """Return the text of an address trimmed, and without what cannot be seen."""
    if text.isascii():
        return text.strip()
    visible = unseen.without(text).strip()
    if any(joiner in text for joiner in unseen.JOINERS):
        # In some languages they tell domains apart; IDNA 2008 knows where they may stand.
        domain = unseen.without(text, but_joiners=True).strip().rpartition("@")[2]
        try:
            domains.to_ascii(domain)
        except UnicodeError:
            return visible
        return f"{visible.rpartition('@')[0]}@{domain}"
    return visible


@lru_cache(maxsize=4096)
def _known_domain(domain: str) -> str:
    """Return the domain as it is normalised, or nothing if there is anything special about it."""
    try:
        known = _domain_of(domain)
    except ValidationError:
        return ""
    return known if len(known) <= len(domain) else ""


def _read(typed: str) -> Address:
    local, _at, domain = typed.rpartition("@")
    _require_local(local)
    found = Address(typed, f"{local.lower()}@{_domain_of(domain)}")
    if max(len(typed), len(found.mailbox)) > MAX_LENGTH:
        raise _not_one()
    return found


def _require_local(local: str) -> None:
    if (strange := _NOT_ASCII(local)) and _LOCAL(local.encode("ascii", "ignore").decode() or "a"):
        raise ValidationError(
            _("“%(letter)s” before the @ is not a Latin letter. Type the address anew."),
            code="alphabet",
            params={"letter": strange[0]},
        )
    # A hyphen in front is taken for an option by programs that the address is handed to; “=?” is
    # how headers of letters hide other letters (RFC 2047).
    is_odd = local.startswith("-") or "=?" in local or "?=" in local
    if is_odd or len(local) > MAX_LOCAL or not _LOCAL(local):
        raise _not_one()


def _domain_of(domain: str) -> str:
    """Return the domain in ASCII. Raises `ValidationError`."""
    if domain.isascii() and domains.is_name(known := domain.lower()) and "xn--" not in known:
        return known
    if not domain or _ODD(domain):
        raise _not_one()
    try:
        known = domains.to_ascii(domain)
        letters = domains.readable(known)
    except UnicodeError as error:
        raise ValidationError(
            _("The domain “%(domain)s” cannot exist."), code="domain", params={"domain": domain}
        ) from error
    if found := domains.mixed(letters):
        label, letter = found
        raise ValidationError(
            _(
                "“%(label)s” mixes letters of two alphabets: “%(letter)s” is not of the same one"
                " as the others. Type the address anew."
            ),
            code="alphabet",
            params={"label": label, "letter": letter},
        )
    if not domains.is_name(known):
        raise ValidationError(
            _("An address ends in a whole domain, like mail.ru. “%(domain)s” is not one."),
            code="domain",
            params={"domain": domain},
        )
    return known


def _not_one() -> ValidationError:
    return ValidationError(_("This is not an e-mail address."), code="invalid")
