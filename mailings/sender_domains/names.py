"""Which names may be a sender domain: one's own, not a mail provider's and not a registry's."""

from django.utils.translation import gettext as _

from mailings.addressing import domains
from mailings.errors import Refused
from mailings.refusals import receiver_of_domain

_LABELS = {
    "ac", "asn", "biz", "co", "com", "edu", "go", "gob", "gov", "id", "info", "int", "ltd", "me",
    "mil", "msk", "ne", "net", "nov", "or", "org", "plc", "pp", "sch", "spb", "web",
}  # fmt: skip
"""What countries have below them for everybody: `com.ru`, `co.uk`."""
_TWO = 2  # labels of such a name, letters of a country's
_REGISTRIES = {
    "azurewebsites.net", "blogspot.com", "com.de", "com.se", "de.com", "eu.com", "firebaseapp.com",
    "gb.net", "github.io", "gitlab.io", "herokuapp.com", "in.net", "insales.ru", "livejournal.com",
    "myshopify.com", "narod.ru", "nethouse.ru", "netlify.app", "onrender.com", "pages.dev",
    "ru.com", "tilda.ws", "ucoz.ru", "uk.com", "us.com", "vercel.app", "web.app", "wixsite.com",
    "wordpress.com", "workers.dev",
}  # fmt: skip
"""Registries below others, and services that give names away. No complete list: whoever has one of
these names has no say over its records, so the check in DNS refuses them as well."""


def read(typed: str) -> str:
    """Return the domain in ASCII and lower case. `Refused` says what is wrong with it.

    An address or a link is forgiven: the domain in it is meant.
    """
    text = typed.strip().lower()
    text = text.partition("://")[2] or text
    text = text.partition("/")[0].rpartition("@")[2].partition(":")[0]
    text = text.strip().rstrip(".").rstrip("\N{IDEOGRAPHIC FULL STOP}")
    try:
        domain = domains.to_ascii(text)
        readable = domains.readable(domain)
    except UnicodeError:
        domain = readable = ""
    if not domains.is_name(domain):
        raise Refused(_("This is no domain. Write it like shop.example.org."))
    if domains.mixed(readable):
        raise Refused(_("Letters of several alphabets are mixed in this name. Type it anew."))
    if _is_providers(domain):
        said = _(
            "%(domain)s belongs to a mail service: letters in its name can only leave from there."
            " Add a domain of your own, like that of your shop."
        )
        raise Refused(said % {"domain": readable})
    if _is_registry(domain):
        said = _("%(domain)s is not one owner’s: names are registered below it. Add yours in full.")
        raise Refused(said % {"domain": readable})
    return domain


def _is_providers(domain: str) -> bool:
    """Return whether everybody's mailboxes are there; `live.shop.example.org` is a shop's."""
    rest = domain.partition(".")[2]
    return bool(receiver_of_domain(domain)) and ("." not in rest or _is_registry(rest))


def _is_registry(domain: str) -> bool:
    """Return whether it is a name below which anybody may have one."""
    labels = domain.split(".")
    below_country = len(labels) == _TWO and len(labels[1]) == _TWO and labels[0] in _LABELS
    return below_country or domain in _REGISTRIES
