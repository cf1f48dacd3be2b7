"""The library of pictures: uploaded, shown, used in messages, deleted – and served to everybody."""

import io
from contextlib import closing

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from PIL import Image

from mailings.messages import pictures
from mailings.models import Message, Picture
from tests import factories

LIBRARY = reverse("mailings:picture_list")
NEW = reverse("mailings:message_create")
IN_EDITOR = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def own_media(settings, tmp_path) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def signed_in(client, owner):
    client.force_login(owner)
    return client


def photo(name: str = "Вид из окна.jpg") -> SimpleUploadedFile:
    output = io.BytesIO()
    Image.radial_gradient("L").convert("RGB").resize((1500, 1000)).save(output, "JPEG")
    return SimpleUploadedFile(name, output.getvalue(), content_type="text/html")


def body_with(picture: Picture) -> dict[str, str]:
    return {"subject": "s", "body": f'<p>a</p><img src="{picture.address}" alt="b">'}


# --------------------------------------------------------------------------- adding
def test_a_picture_is_added_on_the_page(signed_in, owner):
    page = signed_in.post(LIBRARY, {"file": photo()}, follow=True)
    picture = Picture.objects.get()
    assert (picture.owner, picture.name) == (owner, "Вид из окна.jpg")
    assert (picture.width, picture.height) == (1200, 800)
    assert picture.size == picture.file.size
    assert pictures.is_name(picture.file_name)
    assert picture.address in page.content.decode()


def test_a_picture_is_added_in_the_editor_and_stands_first(signed_in, owner):
    factories.make_picture(owner)
    page = signed_in.post(LIBRARY, {"file": photo()}, headers=IN_EDITOR)
    newest = Picture.objects.latest("pk")
    shown = page.content.decode()
    assert shown.index(newest.address) < shown.index(Picture.objects.earliest("pk").address)
    assert f'data-src="{newest.address}" data-width="1200" data-new' in shown
    assert "<html" not in shown


@pytest.mark.parametrize("headers", [{}, IN_EDITOR])
def test_what_is_no_picture_is_refused_with_a_word(signed_in, headers):
    evil = SimpleUploadedFile("a.png", b"<svg onload=alert(1)>", content_type="image/png")
    page = signed_in.post(LIBRARY, {"file": evil}, headers=headers)
    assert page.status_code == 422
    assert page.context["form"].errors["file"]
    assert 'role="alert"' in page.content.decode() or "invalid-feedback" in page.content.decode()
    assert not Picture.objects.exists()
    assert signed_in.post(LIBRARY, headers=headers).status_code == 422


def test_a_full_library_takes_no_more(signed_in, owner, monkeypatch):
    monkeypatch.setattr(pictures, "MOST", 1)
    factories.make_picture(owner)
    page = signed_in.post(LIBRARY, {"file": photo()})
    assert page.status_code == 422
    assert Picture.objects.count() == 1


@pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\x\\evil.png", "<b>.png", "a\x00b.png"])
def test_the_name_of_a_file_decides_nothing(owner, name):
    picture = factories.make_picture(owner, name=name)
    assert picture.file.name.startswith("letters/")
    assert pictures.is_name(picture.file_name)
    assert "/" not in picture.name
    assert "\x00" not in picture.name


def test_two_names_are_never_alike(owner):
    names = {factories.make_picture(owner).file_name for _ in range(20)}
    assert len(names) == 20


# --------------------------------------------------------------------------- the file
def test_everybody_gets_the_file_and_keeps_it(client, owner):
    picture = factories.make_picture(owner)
    response = client.get(picture.address)
    assert b"".join(response.streaming_content) == factories.PIXEL
    assert response["Content-Type"] == "image/png"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert "sandbox" in response["Content-Security-Policy"]
    assert "Set-Cookie" not in response
    with closing(client.head(picture.address)) as response:
        assert response.status_code == 200
    assert client.post(picture.address).status_code == 405


def test_the_file_asks_the_database_nothing(client, owner, django_assert_num_queries):
    picture = factories.make_picture(owner)
    with django_assert_num_queries(0), closing(client.get(picture.address)) as response:
        assert response.status_code == 200


@pytest.mark.parametrize(
    "name",
    ["abcdefghijklmnopqrstuv.png", "abcdefghijklmnopqrstuv.svg", "a.png", "..%2Fdb.sqlite3", "%00"],
)
def test_there_is_no_other_file_to_be_had(client, db, name):
    assert client.get(f"/media/letters/{name}").status_code == 404


# --------------------------------------------------------------------------- in messages
def test_a_message_shows_a_picture_of_its_own_library(signed_in, owner):
    signed_in.post(NEW, body_with(factories.make_picture(owner)))
    assert "<img" in Message.objects.get().body


@pytest.mark.parametrize("whose", ["stranger", "nobody"])
def test_a_message_takes_no_other_picture(signed_in, owner, stranger, whose):
    picture = factories.make_picture(stranger if whose == "stranger" else owner)
    data = body_with(picture)
    if whose == "nobody":
        picture.delete()
    page = signed_in.post(NEW, data)
    assert page.context["form"].errors["body"]
    assert not Message.objects.exists()


def test_a_letter_names_its_picture_by_the_sites_address(signed_in, owner, site_at):
    site_at("https://vestnik.example")
    picture = factories.make_picture(owner)
    signed_in.post(NEW, body_with(picture))
    url = reverse("mailings:message_preview", args=[Message.objects.get().pk])
    assert f'src="https://vestnik.example{picture.address}"' in signed_in.get(url).content.decode()


# --------------------------------------------------------------------------- deleting
def test_before_a_picture_goes_its_messages_are_named(signed_in, owner):
    picture = factories.make_picture(owner)
    factories.make_message(owner, subject="Новинки", body=body_with(picture)["body"])
    factories.make_message(owner, subject="Другое")
    page = signed_in.get(reverse("mailings:picture_delete", args=[picture.pk]))
    said = page.content.decode()
    assert "Новинки" in said
    assert "Другое" not in said


def test_before_a_picture_goes_letters_that_were_sent_are_spoken_of(signed_in, owner):
    picture, unused = factories.make_picture(owner), factories.make_picture(owner)
    mailing = factories.make_mailing(owner)
    factories.make_run(mailing, html=f'<img src="https://x.org{picture.address}">')
    with_it, without = (
        signed_in.get(reverse("mailings:picture_delete", args=[one.pk])).context["consequences"]
        for one in (picture, unused)
    )
    assert with_it[0] != without[0]


def test_a_deleted_picture_leaves_no_file(signed_in, owner, django_capture_on_commit_callbacks):
    picture = factories.make_picture(owner)
    with django_capture_on_commit_callbacks(execute=True):
        signed_in.post(reverse("mailings:picture_delete", args=[picture.pk]))
    assert not Picture.objects.exists()
    assert not default_storage.exists(picture.file.name)
    assert signed_in.get(picture.address).status_code == 404


def test_the_library_comes_in_pages(signed_in, owner):
    for _ in range(30):
        factories.make_picture(owner)
    page = signed_in.get(LIBRARY, headers=IN_EDITOR)
    assert page.content.decode().count("<img") == 25
    assert "data-page=" in page.content.decode()
    following = page.context["page"].following
    rest = signed_in.get(LIBRARY, {"after": following}, headers=IN_EDITOR)
    assert rest.content.decode().count("<img") == 5
