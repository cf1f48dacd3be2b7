"""A form as HTML for somebody else's page: without script, style or frame, so that any page's
content policy lets it stand. It leads to the form's own page, where the consent is asked for in
its present words; what was typed stands there already."""

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation

from accounts import site_address
from mailings.models import SubscribeForm
from mailings.subscribing.public_forms import TRAP, VisitorForm


def address_of(form: SubscribeForm) -> str:
    """Return the address of the form's page."""
    return site_address.url() + reverse("subscribe", args=[form.slug])


def html(form: SubscribeForm) -> str:
    """Return the HTML to be put into a page."""
    with translation.override(form.language):
        made = render_to_string(
            "subscribe/snippet.html",
            {
                "form": form,
                "fields": VisitorForm(form=form, auto_id=False).asked(),
                "address": address_of(form),
                "trap": TRAP,
                "language": form.language,
            },
        )
    return "\n".join(line for line in made.splitlines() if line.strip()) + "\n"
