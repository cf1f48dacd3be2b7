"""Who runs a recipient's mailboxes: told by its servers' words, else by the address's domain."""

from functools import lru_cache

_DOMAINS = {
    "gmail": "gmail.com googlemail.com",
    "mail.ru": "mail.ru bk.ru inbox.ru list.ru internet.ru xmail.ru",
    "yandex": "yandex.ru yandex.com yandex.by yandex.kz yandex.ua ya.ru narod.ru",
    "rambler": "rambler.ru lenta.ru autorambler.ru myrambler.ru ro.ru rambler.ua",
    "yahoo": "yahoo.com ymail.com rocketmail.com aol.com aim.com verizon.net myyahoo.com",
    "microsoft": "outlook.com hotmail.com live.com msn.com passport.com windowslive.com",
    "icloud": "icloud.com me.com mac.com",
    "gmx": "gmx.de gmx.net gmx.com gmx.at gmx.ch web.de mail.com email.de",
    "t-online": "t-online.de magenta.de",
    "freenet": "freenet.de",
    "ionos": "online.de onlinehome.de",
    "proton": "proton.me protonmail.com protonmail.ch pm.me",
    "zoho": "zoho.com zohomail.com zoho.eu zohomail.eu",
    "fastmail": "fastmail.com fastmail.fm messagingengine.com",
    "orange": "orange.fr wanadoo.fr",
    "free.fr": "free.fr aliceadsl.fr",
    "sfr": "sfr.fr neuf.fr",
    "laposte": "laposte.net",
    "comcast": "comcast.net xfinity.com",
    "att": "att.net bellsouth.net sbcglobal.net",
    "charter": "charter.net spectrum.net roadrunner.com",
    "cox": "cox.net",
    "libero": "libero.it virgilio.it inwind.it iol.it blu.it",
    "seznam": "seznam.cz email.cz post.cz spoluzaci.cz",
    "wp.pl": "wp.pl o2.pl tlen.pl",
    "onet": "onet.pl onet.eu op.pl poczta.onet.pl vp.pl",
    "ukr.net": "ukr.net",
    "qq": "qq.com foxmail.com vip.qq.com",
    "netease": "163.com 126.com yeah.net vip.163.com 188.com",
    "naver": "naver.com",
}
_BY_DOMAIN = {domain: name for name, domains in _DOMAINS.items() for domain in domains.split()}
_BY_LABEL = {"yahoo": "yahoo", "hotmail": "microsoft", "live": "microsoft", "outlook": "microsoft",
             "yandex": "yandex", "gmx": "gmx"}  # fmt: skip
"""Those with a domain for each country, by its first label."""

_MARKS = (
    ("gsmtp", "gmail"),
    ("support.google.com", "gmail"),
    ("mail.ru", "mail.ru"),
    ("invalid mailbox. local mailbox", "mail.ru"),
    ("yandex", "yandex"),
    ("rambler", "rambler"),
    ("yahoo", "yahoo"),
    ("postmaster.aol.com", "yahoo"),
    ("hotmail", "microsoft"),
    ("outlook.com", "microsoft"),
    ("postmaster.live.com", "microsoft"),
    ("office365", "microsoft"),
    ("microsoft", "microsoft"),
    ("recipient address rejected: access denied", "microsoft"),  # its edge, Exchange Online
    ("icloud", "icloud"),
    ("apple.com", "icloud"),
    ("gmx", "gmx"),
    ("web.de", "gmx"),
    ("mail.com", "gmx"),
    ("t-online", "t-online"),
    ("toda@", "t-online"),
    ("proton", "proton"),
    ("zoho", "zoho"),
    ("messagingengine", "fastmail"),
    ("orange.fr", "orange"),
    ("ofr_", "orange"),
    ("free.fr", "free.fr"),
    ("sfr.fr", "sfr"),
    ("laposte.net", "laposte"),
    ("lpn", "laposte"),
    ("comcast", "comcast"),
    ("libero", "libero"),
    ("seznam", "seznam"),
    ("mail.qq.com", "qq"),
    ("mail.163.com", "netease"),
    ("naver", "naver"),
)
"""What a server's words hold, in small letters and without addresses."""


def receiver_of(words: str, domain: str) -> str:
    """Return who it is; empty: not known. `words` in small letters."""
    for mark, name in _MARKS:
        if mark in words:
            return name
    return receiver_of_domain(domain)


@lru_cache(maxsize=4096)
def receiver_of_domain(domain: str) -> str:
    """Return whose domain it is by its name alone; empty: not known."""
    domain = domain.lower().rstrip(".")
    return _BY_DOMAIN.get(domain) or _BY_LABEL.get(domain.partition(".")[0], "")
