"""A message as one client would read it: by the same code that makes the mail itself."""

from collections.abc import Mapping
from email.utils import parseaddr

from django.conf import settings

from accounts.models import User
from mailings import content, unsubscribe_links
from mailings.delivery import rendering
from mailings.models import Client, Message

SAMPLE_ID = "preview@localhost"  # a Message-ID; a preview is never sent


def of(message: Message, client: Client | None) -> rendering.Preview:
    """Return what `client` would get; without one, what the owner would get of themselves."""
    html = content.frozen_html(message)
    compiled = rendering.compile_content(
        rendering.Content(
            subject=message.subject,
            preheader=message.preheader,
            html=html,
            text=content.text_from(html),
            sender_name=message.owner.full_name,
            sender_email=parseaddr(settings.DEFAULT_FROM_EMAIL)[1],
        )
    )
    return compiled.preview(_recipient(client) if client else _owner_as_recipient(message.owner))


def _recipient(client: Client) -> rendering.Recipient:
    return _sample(client.email_normalised, client.full_name, client.attributes)


def _owner_as_recipient(owner: User) -> rendering.Recipient:
    return _sample(owner.email, owner.full_name, {})


def _sample(address: str, full_name: str, variables: Mapping[str, object]) -> rendering.Recipient:
    """The foot is there as in a real letter, but its link unsubscribes nobody."""
    return rendering.Recipient(
        address, full_name, variables, SAMPLE_ID, unsubscribe_links.sample_url()
    )
