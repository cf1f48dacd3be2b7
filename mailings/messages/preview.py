"""A message as one client would read it: by the same code that makes the mail itself."""

from email.utils import parseaddr

from django.conf import settings

from accounts.models import User
from mailings.addressing import senders
from mailings.messages import content
from mailings.models import Client, Message
from mailings.rendering import compiler
from mailings.suppression import unsubscribe_links

SAMPLE_ID = "preview@localhost"  # a Message-ID; a preview is never sent


def of(message: Message, client: Client | None, *, sender_name: str = "") -> compiler.Preview:
    """Return what `client` would get; without one, what the owner would get of themselves.
    `sender_name`: as the mailing says it."""
    compiled = compiler.compile_content(content_of(message, sender_name=sender_name))
    return compiled.preview(recipient_of(message.owner, client))


def content_of(message: Message, *, mark: str = "", sender_name: str = "") -> compiler.Content:
    """Return what a run begun now would freeze; `mark` stands before the subject."""
    html = content.frozen_html(message, sender_name=sender_name)
    return compiler.Content(
        subject=mark + message.subject,
        preheader=message.preheader,
        html=html,
        text=content.frozen_text(message, html),
        sender_name=senders.name_of(sender_name, message.owner),
        sender_email=sender_address(),
    )


def recipient_of(owner: User, client: Client | None) -> compiler.Recipient:
    """The foot is there as in a real letter, but its link unsubscribes nobody."""
    nobody = unsubscribe_links.sample_url()
    if client is None:
        return compiler.Recipient(owner.email, owner.full_name, {}, SAMPLE_ID, nobody)
    return compiler.Recipient(client.wire, client.full_name, client.attributes, SAMPLE_ID, nobody)


def sender_address() -> str:
    """Return the address that all letters come from, without a name."""
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
