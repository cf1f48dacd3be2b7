"""A row is deleted, in another tab or in bulk, between the look at it and the saving of a form."""

import pytest
from django.urls import reverse

from mailings.clients.forms import ClientForm, ListForm
from mailings.models import Client, ClientList
from tests import factories


@pytest.mark.parametrize(
    ("form", "model", "address", "typed"),
    [
        (ClientForm, Client, "client_update", {"email": "new@example.org", "full_name": "Нина"}),
        (ListForm, ClientList, "list_update", {"name": "Нина"}),
    ],
    ids=["client", "list"],
)
def test_what_was_typed_is_shown_again_with_a_word(
    client, owner, monkeypatch, form, model, address, typed
):
    row = factories.make_client(owner) if model is Client else factories.make_list(owner, [])
    is_valid = form.is_valid

    def then_deleted(self):
        valid = is_valid(self)
        model.objects.filter(pk=row.pk).delete()
        return valid

    monkeypatch.setattr(form, "is_valid", then_deleted)
    client.force_login(owner)
    page = client.post(reverse(f"mailings:{address}", args=[row.pk]), typed)
    assert page.status_code < 500
    assert page.context["form"].non_field_errors()
    assert "Нина" in page.content.decode()
