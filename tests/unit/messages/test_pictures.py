"""Uploads for letters: raster images only, judged by their content and drawn anew."""

import io
import struct
import zlib

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from accounts import rasters, site_address
from mailings.messages import pictures

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    output = io.BytesIO()
    image.save(output, kind, **options)
    return output.getvalue()


def photo(size=(1600, 1000)) -> Image.Image:
    """Something with many colours, which JPEG holds best."""
    return Image.radial_gradient("L").resize(size).convert("RGB")


def upload(data: bytes, name: str = "a.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


def drawn(data: bytes, name: str = "a.jpg") -> Image.Image:
    return Image.open(io.BytesIO(pictures.read(upload(data, name)).content))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises a huge picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


# --------------------------------------------------------------------------- what is refused
@pytest.mark.parametrize(
    "data",
    [
        SVG,
        b"",
        b"GIF89a",
        b"%PDF-1.7",
        b"<html><img src=x onerror=alert(1)>",
        encoded(photo((9, 9)), "BMP"),  # a raster image, but no program of mail shows it
        encoded(photo((9, 9)), "TIFF"),
        encoded(photo(), "JPEG")[:300],  # cut short
        b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
    ],
)
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.svg"])
def test_what_is_no_picture_for_letters_is_refused_whatever_its_name(data, name):
    with pytest.raises(ValidationError, match="JPEG, PNG, WebP"):
        pictures.read(upload(data, name))


@pytest.mark.parametrize(("width", "height"), [(5001, 5000), (60_000, 60_000), (2**31 - 1, 1000)])
def test_a_bomb_is_refused_before_it_is_unpacked(width, height):
    data = bomb(width, height)
    assert len(data) < 200
    with pytest.raises(ValidationError, match="25"):
        pictures.read(upload(data, "a.png"))


def test_more_than_ten_megabytes_are_refused():
    data = encoded(photo((9, 9)), "PNG") + b"\0" * rasters.MAX_BYTES
    with pytest.raises(ValidationError, match="10"):
        pictures.read(upload(data))


# --------------------------------------------------------------------------- what is made
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_every_kind_becomes_one_that_all_programs_show(kind):
    found = pictures.read(upload(encoded(photo(), kind), "a.svg"))
    image = Image.open(io.BytesIO(found.content))
    assert (image.format, found.suffix) in {("JPEG", "jpg"), ("PNG", "png")}
    assert image.size == (found.width, found.height) == (1200, 750)


def test_a_small_picture_is_not_enlarged_and_a_tall_one_is_bounded():
    assert drawn(encoded(photo((40, 30)), "PNG")).size == (40, 30)
    assert drawn(encoded(photo((1000, 6000)), "JPEG")).size == (400, 2400)


def test_places_and_cameras_are_taken_out_and_the_picture_stands_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    exif[0x010F] = "Camera of Olga"
    exif[0x8825] = {1: "N", 2: (56.0, 51.0, 28.0)}
    data = encoded(photo((200, 100)), "JPEG", exif=exif, comment=b"secret")
    assert b"Camera of Olga" in data
    found = pictures.read(upload(data))
    image = Image.open(io.BytesIO(found.content))
    assert image.size == (100, 200)
    assert not image.getexif()
    assert not any(word in found.content for word in (b"Camera", b"secret", b"Exif", b"GPS"))


def test_words_in_a_png_are_taken_out():
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Comment", "<script>alert(1)</script>")
    data = encoded(Image.new("RGBA", (20, 20), (1, 2, 3, 100)), "PNG", pnginfo=info)
    assert b"script" in data
    assert b"script" not in pictures.read(upload(data)).content


def test_what_hides_behind_a_picture_does_not_survive():
    data = encoded(photo((20, 20)), "JPEG") + SVG
    assert b"script" not in pictures.read(upload(data)).content


def test_what_is_transparent_stays_so():
    image = drawn(encoded(Image.new("RGBA", (20, 20), (255, 0, 0, 100)), "PNG"))
    assert (image.format, image.mode) == ("PNG", "RGBA")
    assert image.getpixel((3, 3))[3] == 100


WIDE_GREEN = (59, 200, 60)
"""Numbers of Adobe RGB that mean (0, 201, 37) in sRGB."""
MEANT = (0, 201, 37)


def wide_gamut() -> bytes:
    """Return a profile with the primaries, white and gamma of Adobe RGB (1998)."""

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    def xyz(*values: float) -> bytes:
        return b"XYZ " + bytes(4) + fixed(*values)

    gamma = b"curv" + bytes(4) + struct.pack(">IH", 1, round(2.19921875 * 256)) + bytes(2)
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"wide\0" + bytes(79)
    tags = {
        b"desc": text, b"cprt": b"text" + bytes(4) + b"free\0" + bytes(3),
        b"wtpt": xyz(0.9642, 1.0, 0.8249), b"rXYZ": xyz(0.60974, 0.31111, 0.01947),
        b"gXYZ": xyz(0.20528, 0.62567, 0.06087), b"bXYZ": xyz(0.14919, 0.06322, 0.74457),
        b"rTRC": gamma, b"gTRC": gamma, b"bTRC": gamma,
    }  # fmt: skip
    table, data, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", at + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    body = struct.pack(">I", len(tags)) + table + data
    head = struct.pack(
        ">I4sI4s4s4s", 128 + len(body), b"test", 0x02100000, b"mntr", b"RGB ", b"XYZ "
    )
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    return head + fixed(0.9642, 1.0, 0.8249) + bytes(128 - len(head) - 12) + body


def near(one: tuple[int, ...], other: tuple[int, ...], by: int = 3) -> bool:
    return all(abs(a - b) <= by for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_keeps_the_colours_that_its_profile_means(kind):
    flat = Image.new("RGB", (64, 64), WIDE_GREEN)
    image = drawn(encoded(flat, kind, icc_profile=wide_gamut(), quality=95))
    assert "icc_profile" not in image.info
    assert near(image.convert("RGB").getpixel((9, 9)), MEANT)


def test_a_palette_with_transparency_keeps_its_colours_and_its_holes():
    flat = Image.new("RGBA", (64, 64), (*WIDE_GREEN, 255))
    flat.paste((0, 0, 0, 0), (0, 0, 32, 64))
    palette = flat.quantize(8)
    image = drawn(encoded(palette, "PNG", icc_profile=wide_gamut()))
    assert near(image.getpixel((50, 9)), (*MEANT, 255))
    assert image.getpixel((9, 9))[3] == 0


def test_a_profile_holds_also_where_the_picture_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    flat = Image.new("RGB", (64, 32), WIDE_GREEN)
    image = drawn(encoded(flat, "JPEG", icc_profile=wide_gamut(), exif=exif, quality=95))
    assert image.size == (32, 64)
    assert near(image.convert("RGB").getpixel((9, 9)), MEANT)


def test_half_transparent_colours_keep_both():
    flat = Image.new("RGBA", (64, 64), (*WIDE_GREEN, 100))
    image = drawn(encoded(flat, "PNG", icc_profile=wide_gamut()))
    assert near(image.getpixel((9, 9)), (*MEANT, 100))


@pytest.mark.parametrize("profile", [b"no profile", wide_gamut()[:200], wide_gamut()])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "CMYK"])
def test_a_profile_that_is_broken_or_of_another_kind_spoils_nothing(profile, mode):
    flat = Image.new(mode, (64, 64), 0 if mode == "CMYK" else "white")
    kind = "JPEG" if mode == "CMYK" else "PNG"
    image = drawn(encoded(flat, kind, icc_profile=profile))
    assert near(image.convert("RGB").getpixel((9, 9)), (255, 255, 255))


def test_four_inks_become_the_colours_they_print():
    inks = Image.new("CMYK", (64, 64), (0, 255, 255, 0))
    assert near(drawn(encoded(inks, "JPEG")).convert("RGB").getpixel((9, 9)), (255, 0, 0), 5)


@pytest.mark.parametrize(("deep", "shown"), [(0, 0), (257 * 100, 100), (65535, 255)])
def test_grey_of_sixteen_bits_is_neither_white_nor_black(deep, shown):
    image = drawn(encoded(Image.new("I;16", (64, 64), deep), "PNG"))
    assert near(image.convert("RGB").getpixel((9, 9)), (shown,) * 3, 1)


def test_of_an_animation_the_first_frame_is_kept():
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("#ff0000", "#0000ff")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    image = drawn(data)
    assert getattr(image, "n_frames", 1) == 1
    assert image.convert("RGB").getpixel((3, 3)) == (255, 0, 0)


def test_a_drawing_is_kept_as_png_and_a_photo_as_jpeg():
    drawing = Image.new("RGB", (800, 600), "#ffffff")
    drawing.paste("#0d5463", (100, 100, 300, 300))
    assert pictures.read(upload(encoded(drawing, "PNG"))).suffix == "png"
    noisy = Image.effect_noise((800, 600), 60).convert("RGB")
    assert pictures.read(upload(encoded(noisy, "PNG"))).suffix == "jpg"


# --------------------------------------------------------------------------- addresses
NAME = "abcdefghijklmnopqrstuv.png"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (f"/media/letters/{NAME}", NAME),
        (f"https://vestnik.example/media/letters/{NAME}", NAME),
        (f"https://other.example/media/letters/{NAME}", None),
        (f"//other.example/media/letters/{NAME}", None),
        (f"/media/letters/../{NAME}", None),
        (f"/media/letters/{NAME}?x=1", None),
        (f"/media/letters/{NAME}\n", None),
        (f"/media/letters/{NAME.replace('png', 'svg')}", None),
        (f"/media/avatars/{NAME}", None),
        (NAME, None),
        ("", None),
    ],
)
def test_an_address_is_of_the_library_or_is_not(address, name):
    site_address.remember("https://vestnik.example")
    assert pictures.name_in(address) == name


def test_names_are_found_in_html():
    html = f'<p><img alt="b" src="/media/letters/{NAME}"></p><img src="https://x.org/a.png">'
    assert pictures.names_in(html) == {NAME}
