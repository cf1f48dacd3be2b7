"""What a person does on the site, in steps that several tests need."""

import re

from playwright.sync_api import Page, expect

from tests.site import RecordingServer

PASSWORD = "vier-Fluesse-7"


def submit(page: Page) -> None:
    """Send the page's own form (those of the masthead and the foot stand outside `main`)."""
    page.click("main form button[type=submit] >> nth=0")


def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    page.goto("/accounts/login/")
    page.fill("[name=login]", email)
    page.fill("[name=password]", password)
    submit(page)
    page.wait_for_url("**/app/")


def sign_up(page: Page, smtp: RecordingServer, email: str, full_name: str) -> None:
    """Sign up, read the letter of confirmation, follow its link, sign in. Modules share the site:
    each needs addresses of its own."""
    assert not smtp.to(email), f"{email} signed up before"
    page.goto("/accounts/signup/")
    page.fill("[name=email]", email)
    if page.locator("[name=full_name]").count():
        page.fill("[name=full_name]", full_name)
    page.fill("[name=password1]", PASSWORD)
    page.check("[name=promise]")
    submit(page)
    page.wait_for_url("**/confirm-email/")
    page.goto(link_in(smtp.wait_for(email)[0].body()))
    submit(page)
    page.wait_for_url(lambda url: "/confirm-email/" not in url)
    if "/login/" in page.url:
        sign_in(page, email)


def schedule(page: Page, promise: str) -> None:
    """Press the button of the mailing's form once it says `promise` (how many, or when) and come to
    the mailing's page. The button follows the form; who is quicker than it is asked again."""
    button = page.locator("button[name=action][value=schedule]")
    expect(button).to_contain_text(promise)
    button.click()
    page.wait_for_url(re.compile(r"/app/mailings/\d+/$"))


def link_in(text: str) -> str:
    found = re.search(r"http://localhost:\d+/accounts/confirm-email/\S+", text)
    assert found, f"no link in: {text}"
    return found[0]
