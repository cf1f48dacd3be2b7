"""The profile: what may be stored, pictures that must not, language and time zone."""

import io
import struct
import zlib

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import translation
from PIL import Image

from accounts import avatars, rasters, services, zones
from accounts.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_media(settings, tmp_path) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def client(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


def fields(**changes: object) -> dict[str, object]:
    return {
        "full_name": "Ольга Орлова", "phone": "", "language": "ru", "time_zone": "Europe/Moscow",
    } | changes  # fmt: skip


def picture(size: tuple[int, int] = (900, 600), kind: str = "PNG", mode: str = "RGB") -> bytes:
    output = io.BytesIO()
    Image.new(mode, size, "teal" if mode == "RGB" else 0).save(output, kind)
    return output.getvalue()


def upload(content: bytes, name: str = "me.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, content_type="image/png")


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims to be huge: a bomb before it is unpacked."""
    data = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + data
    crc = struct.pack(">I", zlib.crc32(chunk))
    idat = b"IDAT" + zlib.compress(b"\0" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(data)) + chunk + crc
        + struct.pack(">I", len(idat) - 4) + idat + struct.pack(">I", zlib.crc32(idat))
    )  # fmt: skip


def test_profile_is_saved_and_shown(client: Client, owner: User) -> None:
    data = fields(full_name="Ольга Новая", phone="+7 (912) 345-67-89", time_zone="Asia/Omsk")
    assert client.post("/accounts/profile/", data).status_code == 302
    owner.refresh_from_db()
    assert (owner.full_name, owner.phone, owner.time_zone) == (
        "Ольга Новая", "+7 (912) 345-67-89", "Asia/Omsk",
    )  # fmt: skip
    assert "Ольга Новая" in client.get("/accounts/profile/").content.decode()


def test_profile_is_closed_to_strangers() -> None:
    assert Client().get("/accounts/profile/").url.startswith("/accounts/login/")


def test_rank_and_address_cannot_be_set_through_the_profile(client: Client, owner: User) -> None:
    client.post(
        "/accounts/profile/", fields(is_superuser="on", is_staff="on", email="x@example.org")
    )
    owner.refresh_from_db()
    assert not owner.is_superuser
    assert owner.email == "owner@example.org"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("time_zone", "Mars/Olympus"),
        ("time_zone", "../../etc/passwd"),
        ("time_zone", ""),
        ("language", "xx"),
        ("phone", "call me"),
        ("phone", "+7\r\n912"),
        ("full_name", "Olga\nBcc: x@example.org"),
    ],
)
def test_faulty_field_is_refused_beside_the_field(
    client: Client, owner: User, field: str, value: str
) -> None:
    response = client.post("/accounts/profile/", fields(**{field: value}))
    assert response.status_code == 200
    assert f'id="id_{field}_error"' in response.content.decode()
    owner.refresh_from_db()
    assert owner.full_name == "Ольга Орлова"
    assert owner.time_zone == "Europe/Moscow"


def test_language_is_switched_at_once(client: Client, owner: User) -> None:
    page = client.post("/accounts/profile/", fields(language="en"), follow=True)
    assert '<html lang="en"' in page.content.decode()
    client.post("/accounts/logout/")
    assert '<html lang="en"' in client.get("/accounts/login/").content.decode()


def test_language_button_works_for_visitors_and_users(client: Client, owner: User) -> None:
    visitor = Client()
    visitor.post("/accounts/language/", {"language": "en", "next": "/accounts/login/"})
    assert '<html lang="en"' in visitor.get("/accounts/login/").content.decode()
    client.post("/accounts/language/", {"language": "en"})
    owner.refresh_from_db()
    assert owner.language == "en"
    client.post("/accounts/language/", {"language": "xx"})
    owner.refresh_from_db()
    assert owner.language == "en"
    away = visitor.post("/accounts/language/", {"language": "ru", "next": "https://evil.example/"})
    assert not away.url.startswith("https:")


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("JPEG", "RGB"),
        ("PNG", "RGBA"),
        ("PNG", "P"),
        ("WEBP", "RGB"),
        ("GIF", "P"),
        ("PNG", "I;16"),
    ],
)
def test_picture_is_drawn_anew_as_a_small_square(
    client: Client, owner: User, kind: str, mode: str
) -> None:
    client.post("/accounts/profile/", fields(avatar=upload(picture(kind=kind, mode=mode))))
    owner.refresh_from_db()
    with owner.avatar.open() as file, Image.open(file) as stored:
        assert stored.format == "WEBP"
        assert stored.size == (avatars.SIDE, avatars.SIDE)


def test_metadata_and_hidden_scripts_do_not_survive(client: Client, owner: User) -> None:
    output = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    Image.new("RGB", (64, 64)).save(output, "JPEG", exif=exif, comment=b"<script>alert(1)</script>")
    polyglot = output.getvalue() + b"<script>alert(1)</script>"
    client.post("/accounts/profile/", fields(avatar=upload(polyglot, "me.html")))
    owner.refresh_from_db()
    with owner.avatar.open() as file:
        stored = file.read()
    assert owner.avatar.name.endswith(".webp")
    assert b"script" not in stored
    assert b"secret" not in stored


@pytest.mark.parametrize(
    "content",
    [
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        b"<html><script>alert(1)</script></html>",
        b"GIF89a/*<script>*/=1;",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
        b"",
        picture()[:200],  # cut off in the middle
        png_header(50_000, 50_000),  # 2.5 gigapixels in some hundred bytes
        png_header(6_000, 5_000),  # just above 25 megapixels
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n",  # Ghostscript must not start
        b"BM" + b"\0" * 100,
    ],
    ids=["svg", "html", "gif", "png", "empty", "cut", "bomb", "large", "eps", "bmp"],
)
def test_nasty_file_is_refused_and_the_old_picture_stays(
    client: Client, owner: User, content: bytes
) -> None:
    client.post("/accounts/profile/", fields(avatar=upload(picture())))
    owner.refresh_from_db()
    before = owner.avatar.name
    response = client.post("/accounts/profile/", fields(avatar=upload(content)))
    assert response.status_code == 200
    assert "avatar" in response.context["form"].errors
    owner.refresh_from_db()
    assert owner.avatar.name == before


def test_file_above_ten_megabytes_is_refused(client: Client) -> None:
    content = picture() + b"\0" * rasters.MAX_BYTES
    response = client.post("/accounts/profile/", fields(avatar=upload(content)))
    assert "avatar" in response.context["form"].errors


def test_former_picture_is_deleted(client: Client, owner: User, tmp_path) -> None:
    for _ in range(2):
        client.post("/accounts/profile/", fields(avatar=upload(picture())))
    assert len(list((tmp_path / "avatars").iterdir())) == 1
    client.post("/accounts/profile/", fields(remove_avatar="on"))
    owner.refresh_from_db()
    assert not owner.avatar
    assert list((tmp_path / "avatars").iterdir()) == []


def test_admin_follows_the_time_zone_of_the_profile(client: Client, manager: User) -> None:
    cms = Client()
    cms.force_login(manager)
    cms.get("/cms/account/")
    cms.post("/accounts/profile/", fields(time_zone="Asia/Vladivostok"))
    manager.refresh_from_db()
    assert manager.wagtail_userprofile.get_current_time_zone() == "Asia/Vladivostok"


def test_new_manager_meets_the_admin_in_their_own_zone(manager: User) -> None:
    User.objects.filter(pk=manager.pk).update(time_zone="Asia/Omsk")
    cms = Client()
    cms.force_login(manager)
    cms.get("/cms/account/")
    manager.refresh_from_db()
    assert manager.wagtail_userprofile.get_current_time_zone() == "Asia/Omsk"


def test_zone_spelled_for_machines_survives_the_profile(client: Client, owner: User) -> None:
    User.objects.filter(pk=owner.pk).update(time_zone="Etc/GMT-3")
    assert client.post("/accounts/profile/", fields(time_zone="Etc/GMT-3")).status_code == 302


@pytest.mark.parametrize(
    ("language", "moscow", "marquesas"),
    [("ru", "Москва", "Маркизские о-ва"), ("en", "Moscow", "Marquesas Islands")],
)
def test_zones_are_cities_from_west_to_east_with_their_offset(language, moscow, marquesas) -> None:
    with translation.override(language):
        names = dict(zones.choices())
        assert names["Europe/Moscow"] == f"{moscow} (UTC+03:00)"
        assert names["Pacific/Marquesas"] == f"{marquesas} (UTC−09:30)"
        assert zones.city("Europe/Moscow") == moscow
    order = list(names)
    assert order.index("America/New_York") < order.index("Europe/Moscow") < order.index("Asia/Omsk")


@pytest.mark.parametrize(
    ("now", "before"),
    [
        ("Asia/Kolkata", "Asia/Calcutta"),
        ("Europe/Kyiv", "Europe/Kiev"),
        ("Europe/Istanbul", "Asia/Istanbul"),
        ("Europe/London", "Europe/Belfast"),
        ("America/Argentina/Buenos_Aires", "America/Buenos_Aires"),
    ],
)
def test_a_place_stands_once_and_its_older_name_is_kept_where_it_is_in_use(now, before) -> None:
    assert now in dict(zones.choices())
    assert before not in dict(zones.choices())
    assert before in dict(zones.choices(keep=before))


@pytest.mark.parametrize("name", ["Etc/GMT-3", "UTC", "not/a zone", ""])
def test_a_name_that_is_no_city_is_said_as_it_is(name) -> None:
    assert zones.city(name) == name


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/profile/", "/accounts/email/", "/accounts/password/change/", "/accounts/2fa/",
        "/accounts/sessions/", "/accounts/logout/",
    ],
)  # fmt: skip
@pytest.mark.parametrize("language", ["ru", "en"])
def test_every_page_of_the_account_renders_in_both_languages(
    owner: User, path: str, language: str
) -> None:
    services.confirm_address(user=owner)
    User.objects.filter(pk=owner.pk).update(language=language)
    client = Client()
    client.force_login(owner)
    page = client.get(path)
    assert page.status_code == 200
    assert f'<html lang="{language}"' in page.content.decode()
    assert " style=" not in page.content.decode()
    assert " onclick=" not in page.content.decode()
