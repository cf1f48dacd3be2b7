"""Letters about an account: sign-up, password, second factor.

One template a letter, `templates/emails/<name>.html`, names the parts (subject, title, text,
action); three frames set them as a subject line, as plain text and as HTML, so that text and HTML
cannot differ. allauth decides when a letter is due, `accounts.adapter` hands it over.
"""

import logging
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from accounts import site_address, zones
from accounts.models import User
from accounts.templatetags.browsers import browser

log = logging.getLogger(__name__)

HEADERS = {
    "Auto-Submitted": "auto-generated",  # RFC 3834: no “out of office” in reply
    "X-Auto-Response-Suppress": "All",
}

PARAGRAPH = (
    "<p class=\"ink\" style=\"margin:0 0 16px;font:400 17px/1.6 Georgia,'PT Serif','Noto Serif',"
    "'Times New Roman',serif;color:#16242a\">"
)
"""Mail programs want the style in the element; Django's `linebreaks` makes bare paragraphs."""


def render(
    name: str, to: str, user: User | None, context: dict[str, Any]
) -> EmailMultiAlternatives:
    """Return the letter in the reader's language and time zone (without `user`: the request's)."""
    language = user.language if user else translation.get_language()
    zone = user.zone if user else timezone.get_current_timezone()
    with translation.override(language), timezone.override(zone):
        parts = context | {
            "browser": browser(context.get("user_agent", "")),
            "site_name": settings.SITE_NAME or _("Vestnik"),
            "site_url": site_address.url(),
            "address": to,
            "language": language,
            "zone": zones.city(str(zone)),
            "link": _link(context),
        }
        letter = EmailMultiAlternatives(
            subject=_set(name, "subject.txt", parts).strip(),
            body=_set(name, "body.txt", parts),
            to=[to],
            headers=HEADERS,
        )
        html = _set(name, "body.html", parts)
    letter.attach_alternative(html.replace("<p>", PARAGRAPH), "text/html")
    return letter


def send(letter: EmailMultiAlternatives, name: str) -> bool:
    """Hand the letter over; say False when the mail service did not take it."""
    try:
        letter.send()
    except Exception:  # each backend has errors of its own
        log.exception("account_mail_failed", extra={"mail": name})
        return False
    return True


def _set(name: str, frame: str, parts: dict[str, Any]) -> str:
    context = parts | {"frame": f"emails/frames/{frame}"}
    return render_to_string(f"emails/{name}.html", context).strip() + "\n"


def _link(context: dict[str, Any]) -> str:
    """Return where the letter's button leads; a notification leads to a new password."""
    for key in ("activate_url", "password_reset_url", "signup_url", "subscribe_url"):
        if url := context.get(key):
            return site_address.on_site(str(url))  # allauth takes the host from the request
    return site_address.url() + reverse("account_reset_password")
