"""A message while it is written: the live preview, and what there is to say about it."""

import re
from email import message_from_bytes, policy

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mailings.delivery.runs import composing, planning
from mailings.messages import preview, proofreading
from mailings.models import Message, Run
from mailings.states import Layout
from tests import factories
from tests.integration.cabinet import in_language, speak

DRAFT = reverse("mailings:message_draft")
CHECK = reverse("mailings:message_check")
NEW = reverse("mailings:message_create")
SOUND = {"subject": "Новости", "preheader": "Коротко", "body": "<p>Вам, {{ full_name }}</p>"}


@pytest.fixture
def signed_in(client, owner):
    speak(owner, "en")
    client.force_login(owner)
    return client


def said(owner, **fields) -> list[str]:
    """Return what is said about a message that the first client reads."""
    message = Message(owner=owner, **(SOUND | fields))
    client = owner.clients.first()
    found = proofreading.proofread(message, preview.of(message, client))
    return [problem.message for problem in found.problems]


# --------------------------------------------------------------------------- the frame
def test_the_draft_is_shown_as_the_chosen_client_gets_it_and_stored_nowhere(signed_in, owner):
    factories.make_client(owner, full_name="Анна")
    boris = factories.make_client(owner, full_name="Борис <b>")
    page = signed_in.post(DRAFT, SOUND | {"client": boris.pk})
    assert "Вам, Борис &lt;b&gt;" in page.content.decode()
    assert "Вам, Анна" in signed_in.post(DRAFT, SOUND).content.decode()
    assert not Message.objects.exists()


def test_a_client_with_a_name_is_shown_before_those_without(signed_in, owner):
    factories.make_client(owner, full_name="")
    factories.make_client(owner, full_name="Яна")
    assert "Вам, Яна" in signed_in.post(DRAFT, SOUND).content.decode()


def test_the_draft_may_run_nothing(signed_in):
    page = signed_in.post(DRAFT, {"body": "<script>alert(1)</script><p onclick=x()>a</p>"})
    assert "alert" not in page.content.decode()
    assert "onclick" not in page.content.decode()
    policy_of = page["Content-Security-Policy"]
    assert "default-src 'none'" in policy_of
    assert "sandbox" in policy_of
    assert "allow-scripts" not in policy_of
    assert "frame-ancestors 'self'" in policy_of
    assert page["X-Frame-Options"] == "SAMEORIGIN"


def test_the_draft_needs_the_forms_own_token(owner):
    from django.test import Client

    careful = Client(enforce_csrf_checks=True)
    careful.force_login(owner)
    assert careful.post(DRAFT, SOUND).status_code == 403
    assert careful.post(CHECK, SOUND).status_code == 403


@pytest.mark.parametrize("scheme", ["light", "dark", "", "<script>"])
def test_the_theme_changes_nothing_but_when_the_dark_one_holds(signed_in, scheme):
    html = signed_in.post(DRAFT, SOUND | {"scheme": scheme}).content.decode()
    plain = signed_in.post(DRAFT, SOUND).content.decode()
    query = {"light": "@media not all", "dark": "@media all"}.get(scheme, "")
    if query:
        assert query in html
        html = html.replace(query, "@media (prefers-color-scheme:dark)")
    assert html == plain


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"subject": "\r\nBcc: x@y.ru", "layout": "nonsense", "body": "{{" * 5000},
        {"subject": "s" * 5000, "text": "\x00\ud7ff", "body": "<div>" * 20_000},
        {"body": "<p>%%body%% %%name%%</p>", "layout": "promotion"},
    ],
)
def test_whatever_is_typed_the_editor_gets_an_answer(signed_in, data):
    assert signed_in.post(DRAFT, data).status_code == 200
    assert signed_in.post(CHECK, data).status_code == 200


@pytest.mark.parametrize("layout", Layout.values)
def test_a_layout_is_shown_with_its_sample(signed_in, layout):
    url = reverse("mailings:message_sample")
    html = signed_in.get(url, {"layout": layout}).content.decode()
    assert "example.org" in html
    form = signed_in.get(NEW, {"layout": layout}).context["form"]
    assert form["layout"].value() == layout
    assert "example.org" in form["body"].value()


def test_an_unknown_layout_is_the_plain_one(signed_in):
    assert signed_in.get(NEW, {"layout": "<b>"}).context["form"]["layout"].value() == "letter"


# --------------------------------------------------------------------------- the same as is sent
@pytest.mark.parametrize("layout", Layout.values)
@pytest.mark.parametrize("text", ["", "Своими словами, {{ city }}"])
def test_what_is_shown_is_byte_for_byte_what_is_sent(owner, layout, text):
    client = factories.make_client(
        owner, full_name="Орлова <Ольга> Петровна", attributes={"city": "Тверь & Ко"}
    )
    message = factories.make_message(
        owner,
        layout=layout,
        text=text,
        subject="{{ first_name }}, {{ city }} ждёт",
        body="<h2>{{ city }}</h2><ul><li><p><strong>Кому</strong> {{ full_name }}</p></li></ul>"
        '<blockquote><p>{{ nothing|default:"x" }}</p></blockquote>'
        '<p class="button"><a href="https://x.org/?c={{ city }}">Да</a></p>',
    )
    mailing = factories.make_mailing(owner, message=message, clients=[client], status="created")
    mailing.next_run_at = mailing.start_at
    mailing.save(update_fields=["next_run_at"])
    assert planning.plan(timezone.now()) == 1
    run = Run.objects.get()
    delivery = run.deliveries.get()
    mail = composing.render(composing.compile_run(run), delivery, timezone.now())
    sent = message_from_bytes(mail, policy=policy.default)
    shown = preview.of(message, client)
    assert sent["Subject"] == shown.subject
    assert decoded(sent, "html") == to_anybody(shown.html)
    assert decoded(sent, "plain") == to_anybody(shown.text)


def decoded(mail, kind: str) -> str:
    part = mail.get_body((kind,))
    data = part.get_payload(decode=True)
    return to_anybody(data.decode().replace("\r\n", "\n").removesuffix("\n") + "\n")


def to_anybody(letter: str) -> str:
    """Return the letter without what is secret in the link to unsubscribe: a preview has none."""
    return re.sub(r"/u/[^\s\"')<>]+", "/u/", letter)


# --------------------------------------------------------------------------- remarks
def test_the_parts_of_the_page_come_by_their_ids(signed_in, owner):
    client = factories.make_client(owner, full_name="Анна")
    page = signed_in.post(
        CHECK, SOUND | {"subject": "{{ full_name }}, привет", "client": client.pk}
    )
    answer = page.content.decode()
    form = signed_in.get(NEW).content.decode()
    for part in re.findall(r'id="([\w-]+)"', answer):
        assert f'id="{part}"' in form
    assert "Анна, привет" in answer
    assert "Вам, Анна" in answer  # the text version


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"subject": " "}, "The subject is empty."),
        ({"subject": "{{ city }}"}, "For this client the subject is empty."),
        ({"subject": "s" * 91}, "The subject has 91 characters."),
        ({"body": '<p><a href="http://x.org">тут</a></p>'}, "“тут” begins with http://"),
        ({"body": '<p><a href="https://example.org/">a</a></p>'}, "the sample’s address"),
        ({"body": f"<p>{'я' * 20_000}</p>"}, "Gmail cuts off"),
        ({"body": "<p></p>"}, "The letter is empty."),
        ({"body": "<p>{{ zzqq }}</p>"}, "No client has “zzqq”"),
        ({"text": "{{ zzqq }}"}, "No client has “zzqq”"),
        ({"body": "<p>{{ card }}</p>"}, "1 client has no “card”"),
        ({"subject": "{{ city }}!"}, "2 clients have no “city”"),
        ({"body": "<p>{{ first_name }}</p>"}, "1 client has no “first_name”"),
    ],
)
def test_what_would_arrive_badly_is_said(signed_in, owner, fields, words):
    factories.make_client(owner, full_name="Анна", attributes={"card": "7"})
    factories.make_client(owner, full_name="", attributes={"card": "", "city": "Тверь"})
    factories.make_client(owner, full_name="Борис", attributes={"card": "8", "city": None})
    assert any(words in message for message in english(owner, **fields))


def english(owner, **fields) -> list[str]:
    from django.utils import translation

    with translation.override("en"):
        return said(owner, **fields)


def test_a_picture_without_a_description_is_said_and_one_with_it_is_not(signed_in, owner):
    picture = factories.make_picture(owner)
    bare = f'<p>a</p><img src="{picture.address}">'
    described = f'<p>a</p><img src="{picture.address}" alt="Вид">'
    assert ["description" in m for m in english(owner, body=bare)] == [True]
    assert english(owner, body=described) == []
    [alone] = english(owner, body=described.removeprefix("<p>a</p>"))
    assert "All is in pictures" in alone


def test_a_variable_with_a_default_lacks_nothing(signed_in, owner):
    factories.make_client(owner, full_name="")
    assert english(owner, body='<p>{{ full_name|default:"друг" }}</p>') == []


def test_clients_of_somebody_else_are_not_counted(signed_in, owner, stranger):
    factories.make_client(owner, attributes={"card": "7"})
    factories.make_client(stranger, attributes={})
    assert english(owner, body="<p>{{ card }}</p>") == []


@pytest.mark.parametrize("language", ["ru", "en"])
def test_remarks_are_made_in_the_authors_language(signed_in, owner, language):
    speak(owner, language)
    page = signed_in.post(CHECK, SOUND | {"subject": ""})
    assert in_language(language, "The subject is empty.") in page.content.decode()


def test_the_check_asks_few_questions_however_much_there_is(signed_in, owner):
    for number in range(30):
        factories.make_client(owner, attributes={f"name{number}": "x"})
    body = "".join(f"<p>{{{{ name{n} }}}}</p>" for n in range(30))
    signed_in.post(CHECK, SOUND)
    with CaptureQueriesContext(connection) as captured:
        assert signed_in.post(CHECK, SOUND | {"body": body}).status_code == 200
    assert len(captured) <= 10


# --------------------------------------------------------------------------- copies
def test_a_copy_begins_with_what_the_pattern_says_and_changes_nothing(signed_in, owner):
    pattern = factories.make_message(owner, layout="event", text="t", preheader="p")
    form = signed_in.get(NEW, {"copy": pattern.pk}).context["form"]
    values = {name: form[name].value() for name in form.fields}
    assert values == {name: getattr(pattern, name) for name in form.fields}
    signed_in.post(NEW, values | {"subject": "Другая тема"})
    pattern.refresh_from_db()
    assert (Message.objects.count(), pattern.layout) == (2, "event")
    assert Message.objects.get(subject="Другая тема").body == pattern.body


def test_layout_and_text_version_are_saved(signed_in):
    signed_in.post(NEW, SOUND | {"layout": "digest", "text": "Словами"})
    written = Message.objects.get()
    assert (written.layout, written.text) == ("digest", "Словами")
    assert signed_in.post(NEW, SOUND | {"layout": "nonsense"}).context["form"].errors["layout"]


def test_a_mailing_shows_its_letter_with_the_name_it_sends_under(client, owner, stranger):
    mailing = factories.make_mailing(owner, sender_name="Книжный двор")
    foreign = factories.make_mailing(stranger)
    client.force_login(owner)
    frame = reverse("mailings:message_preview", args=[mailing.message_id])
    assert f"{frame}?mailing={mailing.pk}" in client.get(mailing.get_absolute_url()).text
    assert ">Книжный двор<" in client.get(frame, {"mailing": mailing.pk}).text
    assert ">Книжный двор<" not in client.get(frame).text
    for asked in (foreign.pk, "x"):
        assert client.get(frame, {"mailing": asked}).status_code == 404
