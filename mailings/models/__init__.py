"""Rows of the product. What may be seen by whom: `mailings.permissions`."""

from mailings.models.client import Client, ClientDeletion, ClientList
from mailings.models.delivery import Attempt, Chunk, Delivery, WorkerLease
from mailings.models.feedback import Event, UnmatchedNotice
from mailings.models.importing import Import, ImportFile, ImportPart
from mailings.models.mailing import Mailing, Run
from mailings.models.message import Message, MessageDraft, Picture, Proof
from mailings.models.past import PastMailing, PastRun
from mailings.models.segment import Segment
from mailings.models.sender_domain import SenderDomain
from mailings.models.subscribing import Consent, ConsentText, SubscribeForm, SubscribeRequest
from mailings.models.suppression import Suppression
from mailings.models.tracking import Hit, TrackedLink
from mailings.models.transport import Transport

__all__ = [
    "Attempt",
    "Chunk",
    "Client",
    "ClientDeletion",
    "ClientList",
    "Consent",
    "ConsentText",
    "Delivery",
    "Event",
    "Hit",
    "Import",
    "ImportFile",
    "ImportPart",
    "Mailing",
    "Message",
    "MessageDraft",
    "PastMailing",
    "PastRun",
    "Picture",
    "Proof",
    "Run",
    "Segment",
    "SenderDomain",
    "SubscribeForm",
    "SubscribeRequest",
    "Suppression",
    "TrackedLink",
    "Transport",
    "UnmatchedNotice",
    "WorkerLease",
]
