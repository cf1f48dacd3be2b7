"""The search among clients finds whom people mean, on both databases."""

import pytest

from mailings.clients import searching
from mailings.clients.segments import compiling, examples
from mailings.models import Client
from tests import factories

pytestmark = pytest.mark.django_db

FOUND = [
    # what is typed, whom it finds
    ("Алена", ["Алёна Орлова"]),
    ("АЛЁНА", ["Алёна Орлова"]),
    ("орл ал", ["Алёна Орлова"]),  # parts, in any order
    ("орлова пётр", []),  # every word has to be there
    ("петр", ["Пётр Ёлкин"]),
    ("ёлк", ["Пётр Ёлкин"]),
    ("fktyf", ["Алёна Орлова"]),  # «алена» in the Latin layout
    ("gtnh tkrby", ["Пётр Ёлкин"]),
    ("фттф", ["Anna Smith"]),  # “anna” in the Cyrillic one
    ("smith@mail", ["Anna Smith"]),
    ("SMITH@MAIL.EXAMPLE", ["Anna Smith"]),
    ("ыьшер", ["Anna Smith"]),  # “smith”, in name and address
    ("пример.рф", ["Пётр Ёлкин"]),
    ("xn--e1afmkfd", ["Пётр Ёлкин"]),
    ("ПИСЬМО.РФ", []),
    ("магазин.рф", ["Ксения"]),
    ("100%", ["100% скидка"]),
    ("%", ["100% скидка"]),
    (".*", []),
    ("никто", []),
]


@pytest.fixture
def people(owner, stranger) -> None:
    factories.make_client(owner, full_name="Алёна Орлова", email="a@knigi.example")
    factories.make_client(owner, full_name="Пётр Ёлкин", email="p@Пример.рф")
    factories.make_client(owner, full_name="Anna Smith", email="smith@mail.example")
    factories.make_client(owner, full_name="Ксения", email="k@xn--80aairftm.xn--p1ai")
    factories.make_client(owner, full_name="100% скидка", email="x@knigi.example")


@pytest.mark.parametrize(("text", "names"), FOUND, ids=[text for text, _ in FOUND])
def test_a_text_finds_whom_people_mean(owner, people, text, names):
    found = Client.objects.filter(searching.found_by(text), owner=owner)
    assert sorted(found.values_list("full_name", flat=True)) == names


def test_the_page_and_the_mailings_form_search_alike(client, owner, people):
    client.force_login(owner)
    assert "Алёна Орлова" in client.get("/app/clients/?q=орлова алена").content.decode()
    factories.make_message(owner)
    posted = {"action": "find", "find": "орлова алена"}
    assert "Алёна Орлова" in client.post("/app/mailings/new/", posted).content.decode()


def test_a_search_kept_as_a_segment_asks_for_every_word(owner, people):
    from django.utils import timezone

    definition = examples.of_filter(text="орлова алё")
    found = compiling.clients_matching(definition, owner, timezone.now())
    assert [one.full_name for one in found] == ["Алёна Орлова"]
