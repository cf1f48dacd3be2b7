"""From the choice to the reader: what a run freezes, what leaves, and where its links lead."""

import re
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from html import unescape
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from django.test import override_settings
from django.urls import reverse
from django.utils import timezone

from accounts import site_address
from mailings.campaigns import editing, services
from mailings.campaigns.editing import MailingInput
from mailings.campaigns.follow_ups import retry_failed
from mailings.delivery import worker
from mailings.delivery.runs import composing, invariants, planning
from mailings.delivery.session.circuit_breaker import default_transport
from mailings.errors import Invalid
from mailings.models import Delivery, Hit, Mailing, Run, TrackedLink, Transport
from mailings.tracking import links
from mailings.tracking.machines import TOO_SOON, Why
from tests import factories
from tests.smtpd import SmtpServer

BODY = (
    '<p>Здравствуйте! <a href="https://shop.example/new?a=1&amp;b=2#top">Новинки</a>,'
    ' <a href="https://кафе.рф/меню">меню</a>, <a href="mailto:shop@shop.example">почта</a>,'
    ' <a href="tel:+74951234567">звоните</a>,'
    ' <a href="https://shop.example/{{ email }}">ваше</a></p>'
    '<p class="button"><a href="https://shop.example/new?a=1&amp;b=2#top">Купить</a></p>'
)
UTM = "utm_source=vestnik&utm_campaign={{ mailing }}&utm_content={{ date }}"

pytestmark = pytest.mark.django_db


def planned(owner, **fields) -> Run:
    """Return the run that has begun of a mailing with these choices."""
    message = factories.make_message(owner, body=BODY, text=fields.pop("text", ""))
    mailing = factories.make_mailing(
        owner, clients=[factories.make_client(owner)], message=message, **fields
    )
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    return mailing.runs.get()


def letter(run: Run) -> EmailMessage:
    delivery = run.deliveries.get()
    claimed = Claimed(delivery)
    mail = composing.render(composing.compile_run(run), claimed, timezone.now())
    return message_from_bytes(mail, policy=policy.default)


class Claimed:
    """What a session knows of a delivery."""

    def __init__(self, delivery: Delivery) -> None:
        self.pk, self.run_id = delivery.pk, delivery.run_id
        self.owner_id = delivery.run.mailing.owner_id
        self.address, self.full_name = delivery.address, delivery.full_name
        self.variables = delivery.variables


def html_of(mail: EmailMessage) -> str:
    return mail.get_body(["html"]).get_content()


def text_of(mail: EmailMessage) -> str:
    return mail.get_body(["plain"]).get_content()


def hrefs(html: str) -> list[str]:
    return [unescape(href) for href in re.findall(r'<a\b[^>]*?href="([^"]*)"', html)]


def test_nothing_is_tracked_unless_somebody_chose_it(owner):
    run = planned(owner)
    mail = letter(run)
    assert not run.is_tracked
    assert not TrackedLink.objects.exists()
    assert "https://shop.example/new?a=1&b=2#top" in hrefs(html_of(mail))
    for part in (html_of(mail), text_of(mail)):
        assert "/r/" not in part
        assert "/o/" not in part
        assert links.VARIABLE not in part
        assert "Отправитель узнает" not in part


def test_links_to_pages_lead_through_us_and_all_others_stay(owner):
    run = planned(owner, track_clicks=True)
    delivery = run.deliveries.get()
    html = html_of(letter(run))
    own = f"{site_address.url()}/r/{links.token(run.pk, delivery.pk)}"
    found = hrefs(html)
    assert found[:6] == [
        f"{own}/1", f"{own}/2", "mailto:shop@shop.example", "tel:+74951234567",
        f"https://shop.example/{delivery.address}", f"{own}/1",
    ]  # fmt: skip
    assert "/u/" in found[6]
    assert len(found) == 7
    assert list(run.links.order_by("position").values_list("position", "url", "label")) == [
        (1, "https://shop.example/new?a=1&b=2#top", "Новинки"),
        (2, "https://xn--80akn5b.xn--p1ai/%D0%BC%D0%B5%D0%BD%D1%8E", "меню"),
    ]
    assert "/o/" not in html
    assert run.track_clicks
    assert not run.track_opens


def test_a_manager_sees_where_links_lead(client, superuser, owner):
    run = planned(owner, track_clicks=True)
    client.force_login(superuser)
    html = client.get(reverse("cms_run:inspect", args=[run.pk])).context["preview"]
    plain = hrefs(planned(owner, name="Plain").html)
    target = "https://xn--80akn5b.xn--p1ai/%D0%BC%D0%B5%D0%BD%D1%8E"
    assert hrefs(html) == [target if "меню" in href else href for href in plain]
    assert links.HOLE not in html


def test_the_plain_text_keeps_its_links_as_they_were_written(owner):
    text = text_of(letter(planned(owner, track_clicks=True, track_opens=True)))
    assert "https://shop.example/new?a=1&b=2#top" in text
    assert "/r/" not in text
    written = planned(owner, track_clicks=True, text="Здесь: https://shop.example/new", name="B")
    assert "https://shop.example/new" in text_of(letter(written))


def test_the_picture_stands_where_openings_are_counted(owner):
    run = planned(owner, track_opens=True)
    token = links.token(run.pk, run.deliveries.get().pk)
    html = html_of(letter(run))
    assert html.count(f'<img src="{site_address.url()}/o/{token}.gif" width="1" height="1"') == 1
    assert "/r/" not in html


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize(
    "chosen", [("track_opens",), ("track_clicks",), ("track_opens", "track_clicks")]
)
def test_a_letter_says_in_its_foot_what_it_tells(owner, language, chosen):
    owner.language = language
    owner.save()
    mail = letter(planned(owner, **dict.fromkeys(chosen, True)))
    words = {
        "ru": {"track_opens": "открыто ли", "track_clicks": "каким ссылкам"},
        "en": {"track_opens": "whether it was opened", "track_clicks": "links were followed"},
    }[language]
    for part in (html_of(mail), text_of(mail)):
        one_line = " ".join(part.split())
        assert {name for name, said in words.items() if said in one_line} == set(chosen)


def test_a_letter_without_links_does_not_say_that_they_are_counted(owner):
    message = factories.make_message(owner)
    mailing = factories.make_mailing(
        owner, clients=[factories.make_client(owner)], message=message, track_clicks=True
    )
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    run = mailing.runs.get()
    assert not run.is_tracked
    assert "Отправитель узнает" not in html_of(letter(run))


def test_what_a_run_tells_is_frozen_with_it(owner):
    run = planned(owner, track_opens=True, track_clicks=True, frequency="daily")
    before = html_of(letter(run))
    changed = MailingInput(track_opens=False, track_clicks=False, link_parameters="a=b")
    editing.change_mailing(mailing=Mailing.objects.get(), data=changed, by=owner)
    run = Run.objects.get(pk=run.pk)
    assert run.track_opens
    assert run.track_clicks
    assert html_of(letter(run)) == before


@override_settings(TRACKING="forbidden")
def test_the_operator_may_forbid_what_was_chosen_before(owner):
    run = planned(owner, track_opens=True, track_clicks=True, link_parameters=UTM)
    assert not run.is_tracked
    html = html_of(letter(run))
    assert "/r/" not in html
    assert "/o/" not in html
    assert "utm_source=vestnik" in html, "parameters tell us nothing"


def test_parameters_work_without_tracking_and_with_it(owner):
    day = timezone.now().date().isoformat()
    plain = planned(owner, name="Осень", link_parameters=UTM, time_zone="UTC")
    added = f"utm_source=vestnik&utm_campaign=%D0%9E%D1%81%D0%B5%D0%BD%D1%8C&utm_content={day}"
    for part in (hrefs(html_of(letter(plain))), text_of(letter(plain)).replace("\n", "")):
        assert f"https://shop.example/new?a=1&b=2&{added}#top" in part
    assert f"https://shop.example/{plain.deliveries.get().address}?{added}" in hrefs(
        html_of(letter(plain))
    )
    tracked = planned(owner, name="Осень", link_parameters=UTM, track_clicks=True, time_zone="UTC")
    assert tracked.links.get(position=1).url == f"https://shop.example/new?a=1&b=2&{added}#top"


def test_a_follow_up_keeps_the_choice(owner):
    run = planned(owner, track_opens=True, link_parameters="utm_source=a")
    Delivery.objects.filter(run=run).update(
        status="failed", attempt_count=1, finished_at=timezone.now()
    )
    factories.make_attempt(run.deliveries.get(), outcome="permanent", code=554, step="dot")
    now = timezone.now()
    Run.objects.filter(pk=run.pk).update(failed_count=1, status="done", finished_at=now)
    run.refresh_from_db()
    made = retry_failed(run=run, by=owner)
    assert (made.track_opens, made.track_clicks) == (True, False)
    assert made.link_parameters == "utm_source=a"


@pytest.mark.parametrize(
    ("setting", "expected"), [("forbidden", False), ("allowed", False), ("on", True)]
)
def test_a_new_mailing_begins_as_the_operators_rule_has_it(owner, settings, setting, expected):
    settings.TRACKING = setting
    data = MailingInput(name="A", message=factories.make_message(owner), start_at=None)
    made = editing.create_mailing(data=data, owner=owner, by=owner)
    assert (made.track_opens, made.track_clicks) == (expected, expected)


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        (MailingInput(track_opens=True), {"track_opens"}),
        (MailingInput(track_clicks=True), {"track_clicks"}),
        (MailingInput(link_parameters="no pairs"), {"link_parameters"}),
    ],
)
def test_what_may_not_be_chosen_is_refused_by_every_door(owner, settings, data, fields):
    settings.TRACKING = "forbidden"
    mailing = factories.make_mailing(owner)
    with pytest.raises(Invalid) as refusal:
        editing.change_mailing(mailing=mailing, data=data, by=owner)
    assert refusal.value.faults.error_dict.keys() == fields


@pytest.mark.django_db(transaction=True)
def test_a_letter_that_left_by_smtp_has_links_that_work(owner, live_server):
    """From a real mail server, over real HTTP, as a mail program and a browser would."""
    site_address.remember(live_server.url, lasts=60)
    with SmtpServer() as server:
        default_transport()
        Transport.objects.update(url=server.url)
        run = planned(owner, track_opens=True, track_clicks=True)
        worker.send_due(stopping=lambda: False)
    assert len(server.messages) == 1
    mail = message_from_bytes(server.messages[0].content, policy=policy.default)
    html = html_of(mail)
    shown = next(src for src in re.findall(r'<img src="([^"]*)"', html) if "/o/" in src)
    followed = hrefs(html)[1]

    assert ask(shown) == (200, None)
    assert Hit.objects.get().why == Why.TOO_SOON, "the server has it since a moment"
    Delivery.objects.update(finished_at=timezone.now() - 2 * TOO_SOON)
    assert ask(shown) == (200, None)
    target = "https://xn--80akn5b.xn--p1ai/%D0%BC%D0%B5%D0%BD%D1%8E"
    assert ask(followed) == (302, target)
    assert ask(followed, "HEAD") == (302, target)
    rows = Hit.objects.filter(is_machine=False).order_by("kind", "link")
    assert [(row.kind, row.link, row.count) for row in rows] == [
        ("clicked", 0, 1), ("clicked", 2, 1), ("opened", 0, 2),
    ]  # fmt: skip
    assert run.deliveries.get().status == "sent"
    later = timezone.now() + timedelta(minutes=5)
    assert list(invariants.broken(later)) == []


def ask(url: str, method: str = "GET") -> tuple[int, str | None]:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=30)
    try:
        connection.request(method, parts.path, headers={"User-Agent": "Thunderbird/128.0"})
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("Location")
    finally:
        connection.close()
