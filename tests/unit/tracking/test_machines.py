"""People and machines, told apart by what they call themselves and by the time they take."""

from datetime import timedelta

import pytest

from mailings.tracking.machines import BURST, ROWS, TOO_SOON, Asked, Why, why_machine
from mailings.tracking.words import KNOWN_BY

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/131.0.0.0 Safari/537.36"
)
PEOPLE = (
    CHROME,
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15"
        " (KHTML, like Gecko) Mobile/15E148"
    ),
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.4.0",
    "Mozilla/4.0 (compatible; ms-office; MSOffice 16)",
    "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17928; Pro)",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
    "FastmailUA/1.0",
    "okhttp/4.12.0",
    "Mozilla/5.0 (Linux; Android 12; CUBOT NOTE 30) AppleWebKit/537.36 Chrome/120.0 Mobile Safari",
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0 YaBrowser/24.12"
        " Safari/537.36"
    ),
    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/120.0 Safari/537.36 Edg/120.0",
)
MACHINES = (
    ("", Why.NAMELESS),
    ("Mozilla/5.0", Why.PRIVACY_PROXY),
    (
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
            " Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0"
        ),
        Why.PREFETCH,
    ),
    ("Barracuda Sentinel (EE)", Why.SCANNER),
    ("Mozilla/5.0 (compatible; BarracudaCentral)", Why.SCANNER),
    ("Mozilla/5.0 (Proofpoint URL Defense)", Why.SCANNER),
    ("Mimecast-URL-Protect/1.0", Why.SCANNER),
    ("Mozilla/5.0 (compatible; SafeLinks)", Why.SCANNER),
    ("W3C-checklink/4.5 libwww-perl/5.8", Why.SCANNER),
    ("LinkChecker/10.1 (+https://linkchecker.github.io)", Why.SCANNER),
    ("Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5", Why.PREVIEW),
    ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", Why.PREVIEW),
    ("TelegramBot (like TwitterBot)", Why.PREVIEW),
    ("WhatsApp/2.23.20.0", Why.PREVIEW),
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", Why.ROBOT),
    ("Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)", Why.ROBOT),
    ("Mozilla/5.0 (X11) AppleWebKit/537.36 HeadlessChrome/131.0 Safari/537.36", Why.ROBOT),
    ("curl/8.5.0", Why.PROGRAM),
    ("Wget/1.21.4", Why.PROGRAM),
    ("python-requests/2.32.3", Why.PROGRAM),
    ("Python-urllib/3.11", Why.PROGRAM),
    ("Go-http-client/2.0", Why.PROGRAM),
    ("Java/17.0.1", Why.PROGRAM),
    ("Apache-HttpClient/4.5.13 (Java/11)", Why.PROGRAM),
)


@pytest.mark.parametrize("name", PEOPLE)
def test_people(name):
    assert why_machine(Asked(user_agent=name)) is None


@pytest.mark.parametrize(("name", "why"), MACHINES)
def test_machines_by_their_names(name, why):
    assert why_machine(Asked(user_agent=name)) is why


@pytest.mark.parametrize("purpose", ["prefetch", "prefetch;prerender", "  Preview ", "x prefetch"])
def test_what_is_fetched_ahead_is_a_machines(purpose):
    assert why_machine(Asked(user_agent=CHROME, purpose=purpose)) is Why.PREFETCH


def test_whoever_asks_for_the_head_only_reads_nothing():
    assert why_machine(Asked("HEAD", CHROME)) is Why.HEAD


def test_nobody_follows_two_links_at_once_nor_reads_within_seconds():
    assert timedelta() < BURST <= timedelta(seconds=2)
    assert timedelta() < TOO_SOON <= timedelta(seconds=10)


def test_a_long_name_is_looked_at_in_bounded_time():
    assert why_machine(Asked(user_agent="a " * 200_000)) is None


def test_each_row_has_a_source_and_each_reason_has_words():
    assert all(row.source for row in ROWS)
    assert KNOWN_BY.keys() == set(Why)
