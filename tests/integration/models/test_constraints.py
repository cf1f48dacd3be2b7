import pytest
from django.db import IntegrityError, transaction

from mailings.models import Client


def test_one_mailbox_is_one_client_of_an_owner(owner, stranger):
    Client.objects.create(owner=owner, email="anna@Example.org")
    Client.objects.create(owner=stranger, email="anna@example.org")
    with pytest.raises(IntegrityError), transaction.atomic():
        Client.objects.create(owner=owner, email=" anna@example.ORG")
