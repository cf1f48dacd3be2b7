"""What was uploaded, on its way in and out: nothing of it may run in the site's origin."""

import io
import zipfile
from pathlib import Path

import pytest
from django.conf import settings as product
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image as Pillow
from wagtail.documents.models import Document
from wagtail.images.models import Image
from wagtail.models import Collection, CollectionViewRestriction

from accounts.models import User
from tests.articles import make_image

ADD = "/cms/documents/add/"
MANY = "/cms/documents/multiple/add/"
CHOOSER = "/cms/documents/chooser/create/"
SCRIPT = b"<script>fetch('/cms/users/edit/1/')</script>"
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


@pytest.fixture(autouse=True)
def own_folders(settings, tmp_path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.PRIVATE_ROOT = tmp_path / "private"


@pytest.fixture
def desk(editor: User, blog) -> Client:
    client = Client()
    client.force_login(editor)
    return client


def drawing(kind: str, **options: object) -> bytes:
    output = io.BytesIO()
    Pillow.new("RGB", (8, 8), "teal").save(output, kind, **options)
    return output.getvalue()


def archive(*names: str, before: bytes = b"", mimetype: str = "") -> bytes:
    output = io.BytesIO(before)
    output.seek(len(before))
    with zipfile.ZipFile(output, "w") as file:
        if mimetype:
            file.writestr("mimetype", mimetype)
        for name in names:
            file.writestr(name, "x")
    return output.getvalue()


DOCX = archive("[Content_Types].xml", "word/document.xml")
ODT = archive("content.xml", mimetype="application/vnd.oasis.opendocument.text")

GOOD = {
    "price.pdf": PDF,
    "Прайс.docx": DOCX,
    "letter.odt": ODT,
    "all.zip": archive("a.txt"),
    "list.csv": "имя;почта\nАнна;anna@example.org\n".encode(),
    "old.csv": "имя;почта\nАнна;anna@example.org\n".encode("cp1251"),
    "sheet.txt": "a < b, b > a\n".encode("utf-16"),
    "photo.jpg": drawing("JPEG"),
    "photo.PNG": drawing("PNG"),
}
BAD = {
    "page.html": SCRIPT,
    "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
    "feed.xml": b"<?xml version='1.0'?><x/>",
    "code.js": b"alert(1)",
    "page.xhtml": b"<html/>",
    "page.shtml": SCRIPT,
    "page.pdf.html": PDF,
    "nothing": PDF,
    "page.pdf": SCRIPT,
    "late.pdf": b"\n\n" + SCRIPT + PDF,
    "both.pdf": b"%PDF-1.7\n" + SCRIPT + PDF,
    "page.txt": b"   \n<!DOCTYPE html>" + SCRIPT,
    "drawing.csv": b"\xef\xbb\xbf<svg onload=alert(1)>",
    "wide.txt": "<script>alert(1)</script>".encode("utf-16"),
    "program.txt": b"MZ\x00\x01",
    "photo.png": b"\x89PNG\r\n\x1a\n" + SCRIPT,
    "other.gif": drawing("PNG"),
    "comment.png": drawing("PNG") + SCRIPT,
    "drawing.jpg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "page.zip": archive("a", before=SCRIPT),
    "empty.docx": archive("a.txt"),
    "page.docx": SCRIPT,
    "other.odt": archive("content.xml", mimetype="text/html"),
    "empty.pdf": b"",
}


def post(desk: Client, url: str, name: str, content: bytes) -> None:
    root = Collection.get_first_root_node().pk
    field = "files[]" if url == MANY else "document-chooser-upload-file"
    file = SimpleUploadedFile(name, content, content_type="application/pdf")
    if url == ADD:
        desk.post(url, {"title": "t", "collection": root, "file": file})
    elif url == MANY:
        desk.post(url, {"title": "t", "collection": root, field: file})
    else:
        prefix = "document-chooser-upload"
        desk.post(url, {f"{prefix}-title": "t", f"{prefix}-collection": root, field: file})


@pytest.mark.parametrize("name", GOOD)
def test_an_editor_adds_documents_of_known_kinds(desk, name):
    for url in (ADD, MANY, CHOOSER):
        post(desk, url, name, GOOD[name])
    assert Document.objects.count() == 3


@pytest.mark.parametrize("name", BAD)
def test_what_could_run_is_refused_at_every_door(desk, name):
    for url in (ADD, MANY, CHOOSER):
        post(desk, url, name, BAD[name])
    assert not Document.objects.exists()
    assert not [path for path in Path(product.PRIVATE_ROOT).glob("**/*") if path.is_file()]


def content_of(document: Document) -> bytes:
    with document.file.open() as file:
        return file.read()


def test_a_document_is_not_replaced_by_a_page(desk, editor):
    post(desk, ADD, "price.pdf", PDF)
    document = Document.objects.get()
    file = SimpleUploadedFile("price.pdf", SCRIPT)
    root = Collection.get_first_root_node().pk
    url = f"/cms/documents/edit/{document.pk}/"
    answer = desk.post(url, {"title": "t", "collection": root, "file": file})
    assert "file" in answer.context["form"].errors
    assert content_of(Document.objects.get()) == PDF


# ---------------------------------------------------------------- on the way out
def old(name: str, content: bytes) -> Document:
    """A document that came in before there was a list of kinds."""
    return Document.objects.create(title="t", file=ContentFile(content, name=name))


@pytest.mark.parametrize(
    "name", ["a.html", "a.svg", "a.xml", "a.js", "a.pdf", "a.png", "a.txt", "a"]
)
def test_a_document_is_handed_out_to_be_saved_and_runs_nowhere(client, blog, name):
    document = old(name, SCRIPT)
    response = client.get(document.url)
    assert response.status_code == 200
    assert response["Content-Disposition"].startswith("attachment")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert b"".join(response) == SCRIPT
    known = {"a.pdf": "application/pdf", "a.png": "image/png", "a.txt": "text/plain"}
    assert response["Content-Type"] == known.get(name, "application/octet-stream")


def test_documents_and_originals_lie_outside_of_the_folder_of_media(client, blog):
    document, image = old("a.pdf", PDF), make_image()
    assert document.file.name == "documents/a.pdf"
    assert content_of(document) == PDF
    for file in (document.file, image.file):
        assert Path(file.path).is_relative_to(product.PRIVATE_ROOT)
        assert not (Path(product.MEDIA_ROOT) / file.name).exists()
        assert client.get(f"/media/{file.name}").status_code == 404
    again = old("a.pdf", PDF)
    assert again.file.name != document.file.name
    assert default_storage.exists(again.file.name)
    path = Path(again.file.path)
    again.file.delete()
    assert not path.exists()


@pytest.mark.parametrize(
    "path",
    [
        "documents/a.pdf", "images/../documents/a.pdf", "images/%2e%2e/documents/a.pdf",
        "images//documents/a.pdf", "images/..%2fdocuments%2fa.pdf", "images/a.html", "images/a.svg",
        "images/a.png/", "images/", "", "avatars/a.svg", "other/a.png", "a.png",
    ],
)  # fmt: skip
def test_nothing_but_pictures_is_under_media(client, blog, path):
    root = Path(product.MEDIA_ROOT)
    names = ("documents/a.pdf", "images/a.html", "images/a.svg", "avatars/a.svg", "other/a.png")
    for name in (*names, "a.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(SCRIPT)
    response = client.get(f"/media/{path}", follow=True)
    assert response.status_code in (400, 404)
    assert SCRIPT not in response.content


@pytest.mark.parametrize("folder", ["images", "avatars"])
@pytest.mark.parametrize("suffix", ["png", "JPG", "webp", "gif", "avif"])
def test_a_picture_is_shown_as_a_picture_and_runs_nowhere(client, db, folder, suffix):
    file = Path(product.MEDIA_ROOT) / folder / f"a.{suffix}"
    file.parent.mkdir(parents=True)
    file.write_bytes(SCRIPT)  # whatever is in it
    response = client.get(f"/media/{folder}/a.{suffix}")
    assert response.status_code == 200
    assert b"".join(response) == SCRIPT
    assert response["Content-Type"].startswith("image/")
    assert response["X-Content-Type-Options"] == "nosniff"
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "allow-" not in policy
    since = {"If-Modified-Since": response["Last-Modified"]}
    assert client.get(f"/media/{folder}/a.{suffix}", headers=since).status_code == 304


# ---------------------------------------------------------------- private collections
@pytest.fixture
def private(blog) -> Collection:
    collection = Collection.get_first_root_node().add_child(name="Для своих")
    CollectionViewRestriction.objects.create(
        collection=collection, restriction_type=CollectionViewRestriction.LOGIN
    )
    return collection


def test_a_document_of_a_private_collection_is_for_those_it_is_meant_for(client, private, owner):
    document = old("a.pdf", PDF)
    document.collection = private
    document.save()
    assert client.get(document.url).url.startswith("/accounts/login/")
    assert client.get(f"/media/{document.file.name}").status_code == 404
    client.force_login(owner)
    assert b"".join(client.get(document.url)) == PDF


def status(client: Client, address: str) -> int:
    response = client.get(address)
    if response.streaming:
        assert b"".join(response)  # to its end, which closes the file
    return response.status_code


def test_a_picture_of_a_private_collection_too(client, private, owner):
    hidden, shown = make_image(collection=private), make_image()
    addresses = [image.get_rendition("max-100x100").url for image in (hidden, shown)]
    assert [status(client, address) for address in addresses] == [404, 200]
    client.force_login(owner)
    assert [status(client, address) for address in addresses] == [200, 200]


def test_nobody_is_offered_one_password_for_all_readers(superuser, private, blog):
    client = Client()
    client.force_login(superuser)
    for url in (f"/cms/collections/{private.pk}/privacy/", f"/cms/pages/{blog.pk}/privacy/"):
        shown = client.get(url).json()["html"]
        assert 'value="login"' in shown
        assert 'value="password"' not in shown


@pytest.mark.parametrize("name", ["a.svg", "a.html", "a.png.svg"])
def test_an_image_that_is_no_raster_is_refused(desk, name):
    root = Collection.get_first_root_node().pk
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><script/></svg>'
    for content in (svg, drawing("PNG")):
        file = SimpleUploadedFile(name, content, content_type="image/png")
        desk.post("/cms/images/add/", {"title": "t", "collection": root, "file": file})
    png = SimpleUploadedFile("a.png", svg, content_type="image/png")
    desk.post("/cms/images/add/", {"title": "t", "collection": root, "file": png})
    assert not Image.objects.exists()
