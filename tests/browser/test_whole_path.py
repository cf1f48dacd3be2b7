"""From an empty account to the log, as a person goes, on the embedded default."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from playwright.sync_api import Page, expect

from tests.browser.people import schedule, sign_in, sign_up, submit

OWNER = "olga@studio.example"
CLIENTS = {
    "anna@client.example": "Анна Щёголева",
    "boris@client.example": "Борис Ёлкин-Подъячев",
    "zoya@client.example": "Зоя Юрьевна Ким",
}
SUBJECT = "Для вас, {{ first_name }}: съёмка со скидкой"
SUBJECT_AS_READ = "Для вас, [имя]: съёмка со скидкой"


def home_figures(page: Page) -> list[int]:
    """Return the figures of the home page: mailings, active ones, unique clients."""
    page.goto("/")
    texts = page.locator("main .v-figures.is-big dd").all_text_contents()
    return [int(re.sub(r"\D", "", text)) for text in texts]


def add_client(page: Page, email: str, full_name: str) -> None:
    page.goto("/app/clients/new/")
    page.fill("[name=email]", email)
    page.fill("[name=full_name]", full_name)
    submit(page)
    expect(page.locator("main")).to_contain_text(email)


def write_message(page: Page) -> None:
    page.goto("/app/messages/new/")
    page.fill("[name=subject]", SUBJECT)
    page.locator(".ProseMirror[role=textbox]").click()
    page.keyboard.type("Здравствуйте, {{ full_name }}! Ждём вас в студии.")
    submit(page)
    page.wait_for_url(re.compile(r"/app/messages/\d+/$"))


def make_mailing(page: Page, name: str, start: datetime | None = None) -> None:
    """Fill in the form, find the three clients, schedule; without `start`: at once."""
    page.goto("/app/mailings/new/")
    page.fill("[name=name]", name)
    page.select_option("[name=message]", label=SUBJECT_AS_READ)
    page.fill("[name=find]", "client.example")
    expect(page.locator("#client-picks [name=clients]")).to_have_count(len(CLIENTS))
    for box in page.locator("#client-picks [name=clients]").all():
        box.check()
    if start:
        page.fill("[name=start_at]", f"{start:%Y-%m-%dT%H:%M:%S}")
    schedule(page, f"{start:%H:%M}" if start else str(len(CLIENTS)))


def expect_in_log(page: Page, replies: list[str]) -> None:
    """The mailing's page leads to a run whose log has each address with the server's reply."""
    # A mail is in the mailbox a moment before its attempt is in the log.
    for _ in range(40):
        if "Завершена" in page.locator("#head .v-status").first.inner_text():
            break
        page.wait_for_timeout(500)
        page.reload()
    page.locator("main a[href*='/app/runs/']").first.click()
    page.wait_for_url(re.compile(r"/app/runs/\d+/"))
    rows = page.locator("main table tbody tr")
    expect(rows).to_have_count(len(CLIENTS))
    for address in CLIENTS:
        row = rows.filter(has_text=address)
        expect(row.locator(".v-status.is-go")).to_be_visible()
        expect(row).to_contain_text("250")
    for reply in replies:
        expect(page.locator("main")).to_contain_text(reply)


def test_from_sign_up_to_the_log(page, site, smtp):
    before = home_figures(page)
    sign_up(page, smtp, OWNER, "Ольга Орлова")
    for email, full_name in CLIENTS.items():
        add_client(page, email, full_name)
    write_message(page)
    make_mailing(page, "Съёмка со скидкой")

    for email, full_name in CLIENTS.items():
        [letter] = smtp.wait_for(email)
        assert letter.recipients == [email]
        first_name = full_name.split()[0]
        assert letter.subject == f"Для вас, {first_name}: съёмка со скидкой"
        for kind in ("plain", "html"):
            assert f"Здравствуйте, {full_name}!" in letter.body(kind)
        others = set(CLIENTS.values()) - {full_name}
        assert not any(other in letter.body("html") for other in others)

    page.reload()
    expect(page.locator("main .v-status.is-go").first).to_be_visible()
    expect_in_log(page, [f"queued as {letter.number:06d}" for letter in letters_of(smtp)])

    mailings, active, clients = home_figures(page)
    assert mailings == before[0] + 1
    assert active <= before[1]  # it has completed, and one of the demo may have too
    assert clients == before[2] + len(CLIENTS)


def letters_of(smtp):
    return [letter for email in CLIENTS for letter in smtp.to(email)]


def test_a_mailing_starts_by_itself_at_its_time(page, smtp):
    """Uses the account of the test before."""
    sign_in(page, OWNER)
    seen = len(letters_of(smtp))
    active_before = home_figures(page)[1]
    start = datetime.now(ZoneInfo("Europe/Moscow")).replace(microsecond=0) + timedelta(seconds=8)
    make_mailing(page, "Съёмка по времени", start)
    assert home_figures(page)[1] == active_before + 1
    assert len(letters_of(smtp)) == seen, "it started before its time"

    arrived = [smtp.wait_for(email, count=2)[1].received for email in CLIENTS]
    late = [at - start.timestamp() for at in arrived]
    assert min(late) >= 0
    assert max(late) <= 2, "it started late"
