"""Rows of the product. What may be seen by whom: `mailings.permissions`."""

from mailings.models.content import Client, ClientList, Message
from mailings.models.delivery import Attempt, Delivery, WorkerLease
from mailings.models.importing import Import, ImportFile, ImportPart
from mailings.models.mailing import Mailing, Run
from mailings.models.suppression import Suppression
from mailings.models.transport import Transport

__all__ = [
    "Attempt",
    "Client",
    "ClientList",
    "Delivery",
    "Import",
    "ImportFile",
    "ImportPart",
    "Mailing",
    "Message",
    "Run",
    "Suppression",
    "Transport",
    "WorkerLease",
]
