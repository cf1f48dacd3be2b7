"""Was it a person who opened or clicked, or a machine that looks at every letter? One table, and
three rules about time. No Django.

Nobody can know for sure: who uses a scanner's address may be a person behind it, and a scanner that
takes the name of a browser and its time counts as one. So both are counted, apart, and nothing but
figures follows from either.

A proxy that fetches pictures *when* a letter is opened (Gmail's, Yahoo's) is a person; one that
fetches them *before* (Apple's Mail Privacy Protection, Gmail's prefetching) is a machine.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache


class Why(StrEnum):
    """By what a machine was known."""

    HEAD = "head"
    PREFETCH = "prefetch"
    NAMELESS = "nameless"
    PRIVACY_PROXY = "privacy_proxy"
    SCANNER = "scanner"
    PREVIEW = "preview"
    ROBOT = "robot"
    PROGRAM = "program"
    TOO_SOON = "too_soon"
    BURST = "burst"
    UNSENT = "unsent"


TOO_SOON = timedelta(seconds=3)
"""After the mail server took the letter: nobody has read it by then, but a gateway has."""
BURST = timedelta(seconds=1)
"""Two different links of a letter within this: nobody reads so fast."""


@dataclass(frozen=True, slots=True)
class Row:
    """A User-Agent, as a pattern in small letters, and whose it is; `why` None: a person's. The
    first row that fits holds."""

    why: Why | None
    pattern: str
    source: str


W = Why

# Sources
SPARKPOST = "bird.com/blog/gmail-prefetching-images"
MAILGUN = "mailgun.com/blog/product/bot-detection"
PROXY = "as the proxy calls itself: it fetches when the letter is shown"
GATEWAYS = "as site owners met them: mautic #9162, #16263; gophish #2961; mail-tracker #228, #255"
VENDORS = "as the vendor's crawler calls itself"
CRAWLERS = "github.com/monperrus/crawler-user-agents"
PROGRAMS = "what the program calls itself when nobody names it"

ROWS = (
    # People, though the words of a machine stand in their names.
    Row(None, r"googleimageproxy", PROXY),
    Row(None, r"yahoomailproxy", PROXY),
    Row(None, r"\bcubot\b", CRAWLERS),  # a telephone
    # Fetched before anybody looks.
    Row(W.PRIVACY_PROXY, r"^mozilla/5\.0$", MAILGUN),
    Row(W.PREFETCH, r"edge/12\.246 mozilla/5\.0$", SPARKPOST),
    # Gateways that look into letters.
    Row(W.SCANNER, r"barracuda", VENDORS),
    Row(W.SCANNER, r"proofpoint", VENDORS),
    Row(W.SCANNER, r"mimecast", VENDORS),
    Row(W.SCANNER, r"safelinks|microsoft office protection|ms-defender|mdatp", GATEWAYS),
    Row(W.SCANNER, r"ironport|cisco.?talos|cisco-secure", VENDORS),
    Row(W.SCANNER, r"trend ?micro|tmurl|messagelabs|symantec|fireeye|sophos", GATEWAYS),
    Row(W.SCANNER, r"forcepoint|websense|zscaler|fortinet|fortiguard|checkpoint", GATEWAYS),
    Row(W.SCANNER, r"(?:kaspersky|drweb|dr\.web|avast|bitdefender|eset)\b", GATEWAYS),
    Row(W.SCANNER, r"virustotal|urlscan|phishtank|netcraft|cloudmark|vade", GATEWAYS),
    Row(W.SCANNER, r"link ?check|linkvalid|w3c-checklink|url ?scan|scanner", CRAWLERS),
    # Pictures of a page, drawn in a chat or a list of mails.
    Row(W.PREVIEW, r"preview", CRAWLERS),
    Row(W.PREVIEW, r"facebookexternalhit|whatsapp/|slackbot|telegrambot", CRAWLERS),
    Row(W.PREVIEW, r"vkshare|viber|discordbot|linkedinbot|twitterbot", CRAWLERS),
    # Everybody who says so.
    Row(W.ROBOT, r"bot\b|crawl|spider|slurp|archiver|fetcher", CRAWLERS),
    Row(W.ROBOT, r"headlesschrome|phantomjs|puppeteer|playwright|selenium", CRAWLERS),
    # Programs by the name that they have when nobody gave them one.
    Row(W.PROGRAM, r"^(?:curl|wget|python|aiohttp|httpx|go-http-client|java)\b", PROGRAMS),
    Row(W.PROGRAM, r"^(?:apache-httpclient|libwww-perl|lwp|ruby|php|guzzlehttp)\b", PROGRAMS),
    Row(W.PROGRAM, r"^(?:node-fetch|axios|undici|got|winhttp|powershell|postman)", PROGRAMS),
    Row(W.PROGRAM, r"^(?:scrapy|mechanize|httpie|restsharp|dart|reqwest)\b", PROGRAMS),
)

_ROWS = [(row.why, re.compile(row.pattern).search) for row in ROWS]
LONGEST = 512  # characters of a User-Agent that are looked at
_PURPOSES = ("prefetch", "preview", "prerender")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says of whoever made it."""

    method: str = "GET"
    user_agent: str = ""
    purpose: str = ""
    """`Sec-Purpose` (Fetch), `Purpose`, `X-Purpose` and `X-Moz`, together."""


def why_machine(asked: Asked) -> Why | None:
    """Return by what a machine is known from its request; None: it is taken for a person, unless
    it came too soon or in a burst, which only the rows know (`hits`)."""
    if asked.method == "HEAD":
        return Why.HEAD
    if any(word in asked.purpose.lower() for word in _PURPOSES):
        return Why.PREFETCH
    return _by_name(asked.user_agent)


@lru_cache(maxsize=1024)
def _by_name(user_agent: str) -> Why | None:
    name = " ".join(user_agent[:LONGEST].lower().split())
    if not name:
        return Why.NAMELESS
    return next((why for why, found in _ROWS if found(name)), None)
