"""axe-core finds no fault on any screen, in both themes, at a desk and on a phone.

What can be walked to is walked to; states a walk does not meet – forms with errors, error pages,
windows, a second factor, print – are made.
"""

import re
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote, unquote

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.contrib.auth.models import AnonymousUser
from django.template.loader import render_to_string
from django.test import RequestFactory
from playwright.sync_api import Page, expect

from accounts.models import User
from tests.browser.axe import Inspection
from tests.browser.people import PASSWORD, sign_in, submit
from tests.browser.test_pages import PUBLIC, demo_user
from tests.browser.walk import walk
from tests.site import Site

A4 = 718  # px between the margins
RICH, NEW = "rich@volume.example", "new@bare.example"
LETTERS = re.compile(r"/(preview|sample)/$")  # mails in a sandbox, where axe cannot run
FORMS = (
    "/app/clients/new/", "/app/lists/new/", "/app/messages/new/", "/app/mailings/new/",
    "/app/imports/new/", "/app/stop-list/add/", "/app/domains/new/", "/app/forms/new/",
    "/accounts/password/change/", "/accounts/email/",
)  # fmt: skip
ENTRANCES = (
    "/accounts/inactive/", "/accounts/confirm-email/", "/accounts/confirm-email/faulty/",
    "/accounts/password/reset/done/", "/accounts/password/reset/key/done/",
    "/accounts/password/reset/key/1-faulty/",
)  # fmt: skip
ERRORS = (
    "403.html", "403_csrf.html", "404.html", "429.html", "500.html", "503.html",
    "account/signup_closed.html", "account/verified_email_required.html",
)  # fmt: skip


@pytest.fixture(scope="module")
def people(site: Site) -> None:
    """A newcomer, and somebody with a thousand clients and every outcome in the log."""
    for email in (RICH, NEW):
        site.manage("cu", "--email", email, "--password", PASSWORD)
    site.manage("create_volume", "--email", RICH, "--clients", "1000", "--deliveries", "4000")


@pytest.fixture
def inspection(new_page: Callable[..., Page]) -> Iterator[Inspection]:
    page = new_page()
    page.emulate_media(reduced_motion="reduce")  # a colour on its way to another is neither
    inspection = Inspection(page)
    yield inspection
    assert inspection.screens
    assert inspection.violations == []


def look_around(inspection: Inspection, *starts: str, within: str) -> list[str]:
    """Walk, looking at one page of each kind; return the paths."""

    def visit(path: str) -> None:
        if not LETTERS.search(path):
            inspection.look()

    return walk(inspection.page, *starts, within=within, visit=visit)


def test_pages_for_everybody(inspection):
    paths = look_around(inspection, *PUBLIC, within="/(?!app/|blog/tag/)")
    assert len(paths) > len(PUBLIC)
    inspection.visit("/blog/?q=письмо", "/blog/?q=такого-нет", *ENTRANCES)


def test_forms_of_the_entrance_with_errors(inspection):
    for path in ("/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"):
        inspection.page.goto(path)
        submit(inspection.page)
        expect(inspection.page.locator(".invalid-feedback, .v-note.is-bad").first).to_be_visible()
        inspection.look()


def test_the_cabinet_of_the_demo(inspection):
    sign_in(inspection.page, *demo_user())
    paths = look_around(inspection, "/app/", "/accounts/profile/", within="/(app|accounts)/")
    assert "/app/mailings/new/" in paths


def test_the_cabinet_of_a_newcomer(inspection, people):
    page = inspection.page
    sign_in(page, NEW)
    pages = ("", "mailings/", "messages/", "clients/", "lists/", "imports/", "pictures/", "report/")
    pages += ("stop-list/", "forms/")
    inspection.visit(*(f"/app/{each}" for each in pages))
    for path in FORMS:
        page.goto(path)
        if page.locator("main form").count():  # that of a mailing says first what it lacks
            page.locator("main form button[type=submit]").first.click()
            told = page.locator(".invalid-feedback, .v-note.is-bad")
            expect(told.filter(visible=True).first).to_be_visible()
        inspection.look()


def test_the_cabinet_of_somebody_with_much_in_it(inspection, people):
    page = inspection.page
    sign_in(page, RICH)
    page.goto("/app/mailings/")
    mailing = page.get_by_role("link", name="Утренний отрывок").get_attribute("href")
    page.goto(f"{mailing}?tab=runs")
    run = page.locator("main table a[href*='/runs/']").last.get_attribute("href")
    inspection.visit(
        "/app/?weeks=4", "/app/clients/", mailing, f"{mailing}?tab=runs",
        f"{mailing}send-to-added/", f"{run}?tab=deliveries", f"{run}retry/", "/app/report/",
        "/app/report/?period=90&table=runs", "/app/report/?q=такого-нет",
    )  # fmt: skip


def test_the_stop_list(inspection, people):
    page = inspection.page
    sign_in(page, RICH)
    page.goto("/app/stop-list/add/")
    page.fill("[name=addresses]", "\n".join(f"gone{n}@bare.example" for n in range(30)))
    page.check("[name=reason][value=complained]")
    submit(page)
    page.wait_for_url("**/app/stop-list/")
    inspection.visit(
        "/app/stop-list/?reason=complained&since=2020-01-01", "/app/stop-list/?q=такого-нет"
    )
    page.goto("/app/stop-list/?q=gone")
    page.check("[data-bulk-page]")
    expect(page.locator("[data-bulk-count]")).to_contain_text("25")
    inspection.look()
    page.get_by_role("link", name="gone7@bare.example").click()
    inspection.look()
    page.locator("a[href*='take-off']").click()
    submit(page)  # without a reason
    expect(page.locator(".invalid-feedback").first).to_be_visible()
    inspection.look()
    page.fill("[name=reason]", "сама попросила")
    submit(page)  # without the confirmation
    expect(page.locator("#id_confirmed_error")).to_be_visible()
    inspection.look()
    page.check("[name=confirmed]")
    submit(page)
    page.wait_for_url("**/app/stop-list/")
    page.goto("/app/stop-list/?q=gone7@bare.example")
    expect(page.locator("main tbody")).to_have_count(0)
    inspection.look()


def test_paper(inspection, people):
    page = inspection.page
    sign_in(page, RICH)
    page.emulate_media(media="print")
    page.goto("/app/mailings/")
    mailing = page.get_by_role("link", name="Утренний отрывок").get_attribute("href")
    inspection.visit("/app/report/", mailing)
    page.set_viewport_size({"width": A4, "height": 1000})
    for path in ("/app/report/", mailing):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= A4, path


@pytest.mark.parametrize("tool", ["link", "variable", "picture"])
def test_windows_of_the_editor(inspection, tool):
    page = inspection.page
    sign_in(page, *demo_user())
    page.goto("/app/messages/new/")
    page.click(f"[data-tool={tool}]")
    expect(page.locator("dialog[open]")).to_be_visible()
    if tool == "picture":
        expect(page.locator("dialog[open] button.v-picture").first).to_be_visible()
    inspection.look(f"window {tool}")


def test_the_page_that_unsubscribes(inspection, link):
    page = inspection.page
    inspection.visit("/u/sample/", link)
    for said in ("Вы отписаны", "Вы снова получаете письма"):
        page.click("main form[action^='/u/'] button")
        expect(page.locator("h1")).to_have_text(said)
        inspection.look(said)


def test_error_pages(inspection, site):
    """Rendered here and shown in the service's place: there they come with its faults only."""
    inspection.page.route("**/shown/*", lambda route: route.fulfill(
        body=rendered(route.request.url.rpartition("/")[2]),
        content_type="text/html; charset=utf-8",
    ))  # fmt: skip
    for template in ERRORS:
        inspection.visit(f"/shown/{quote(template, safe='')}")


def rendered(template: str) -> str:
    """Return the page as a visitor sees it; what is for the signed-in only, as one of them."""
    request = RequestFactory().get("/app/clients/7/")
    stranger = template.startswith(("429", "account"))
    request.user = AnonymousUser() if stranger else User(full_name="Ольга Орлова")
    request.csp_nonce = ""
    return render_to_string(unquote(template), {}, request)


def test_the_second_factor(inspection, people):
    page = inspection.page
    sign_in(page, NEW)
    page.goto("/accounts/2fa/totp/activate/")
    if "/reauthenticate/" in page.url:
        page.fill("[name=password]", PASSWORD)
        submit(page)
    page.fill("[name=code]", "000000")
    submit(page)
    inspection.look("a wrong code")
    page.fill("[name=code]", code_for(page.locator("main code").inner_text().strip()))
    submit(page)
    page.wait_for_url("**/recovery-codes/**")
    inspection.look()
    add_key(page)
    inspection.visit(
        "/accounts/2fa/", "/accounts/2fa/webauthn/", "/accounts/2fa/recovery-codes/generate/",
        "/accounts/2fa/totp/deactivate/", "/accounts/2fa/reauthenticate/", "/accounts/logout/",
        "/accounts/2fa/webauthn/reauthenticate/",
    )  # fmt: skip
    page.goto("/accounts/2fa/webauthn/")
    for link in page.locator("main a[href*='/keys/']").all():
        inspection.visit(str(link.get_attribute("href")))
        page.goto("/accounts/2fa/webauthn/")
    page.context.clear_cookies(name="sessionid")
    page.goto("/accounts/login/")
    page.fill("[name=login]", NEW)
    page.fill("[name=password]", PASSWORD)
    submit(page)
    page.wait_for_url("**/2fa/authenticate/**")
    inspection.look()


def code_for(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def add_key(page: Page) -> None:
    """Add a security key, played by the browser."""
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": {
        "protocol": "ctap2", "transport": "internal", "hasUserVerification": True,
        "hasResidentKey": True, "isUserVerified": True, "automaticPresenceSimulation": True,
    }})  # fmt: skip
    page.goto("/accounts/2fa/webauthn/add/")
    page.fill("[name=name]", "Ключ")
    page.click("#mfa_webauthn_add")
    page.wait_for_url("**/2fa/")
