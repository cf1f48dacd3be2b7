"""The encoding of a file is found by its letters; text that was read wrongly before is mended."""

import io
import time

import pytest

from mailings.clients.importing import looking
from mailings.clients.importing.plan import Fault
from mailings.spreadsheets import encodings, tables
from mailings.spreadsheets.encodings import EIGHT_BIT, MENDS, encoding_of, mend_for, mended

TEXTS = {
    "a table": "E-mail;ФИО;Город\nanna@example.org;Анна Ким;Тверь\noleg@example.org;Олег;Казань\n",
    "all upper case": "EMAIL;ФИО\na@b.org;ИВАНОВ ПЁТР\nc@d.org;СИДОРОВА АННА\n",
    "all lower case": "a@b.org;иванов пётр\n",
    "one name": "a@b.org;Пётр\n",
    "one other": "x@b.org;Жанна\n",
    "rare letters": "a@b.org;Юлия Яковлева\nc@d.org;Эльвира Щукина\n",
    "a firm": "a@b.org;ООО Рога и копыта\n",
}
BYTES = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1251", "cp866", "koi8-r",
         "mac-cyrillic"]  # fmt: skip


@pytest.mark.parametrize("encoding", BYTES)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_is_read_as_it_was_written(text, encoding):
    content = text.encode(encoding)
    assert content.decode(encoding_of(content)).lstrip("\ufeff") == text


@pytest.mark.parametrize(
    "text",
    ["René Müller\nZoë Gößl\n", "Ünal Çelik\n", "Åse Ødegård\n", "François, à Orléans\n", "café"],
)
def test_western_letters_are_no_cyrillic_ones(text):
    assert encoding_of(text.encode("cp1252")) == "cp1252"


def test_letters_far_behind_the_beginning_count():
    content = b"a@example.org;Ann\n" * 20_000 + "b@example.org;Пётр Иванов\n".encode("cp1251")
    assert encoding_of(content) == "cp1251"


def test_a_row_from_another_program_leaves_the_others_readable():
    rows = "".join(f"c{n}@example.org;Анна Ким\n" for n in range(3)).encode()
    content = "E-mail;ФИО\n".encode() + rows + "d@example.org;Чужая Строка\n".encode("cp1251")
    layout = tables.recognise(content)
    found = list(tables.read(io.BytesIO(content), layout))
    assert [row.cells[1] for row in found[:3]] == ["Анна Ким"] * 3
    assert (found[3].number, found[3].fault, found[3].cells[0]) == (
        5,
        Fault.LETTERS,
        "d@example.org",
    )
    doubts = looking.look(io.BytesIO(content), layout).doubts
    assert [(number, reason) for number, _shown, reason in doubts] == [(5, Fault.LETTERS)]


@pytest.mark.parametrize("encoding", [name for name in tables.ENCODINGS if name != "cp1252"])
def test_a_wrong_encoding_chosen_by_hand_never_fails(encoding):
    content = TEXTS["a table"].encode("cp1252", "replace") + b"\xff\xfe\x98\x00"
    layout = tables.Layout(tables.CSV, encoding, ";")
    list(tables.read(io.BytesIO(content), layout))


def spoilt(text: str, name: str) -> str:
    """Return what a program shows that takes the text's bytes for those of another encoding."""
    way = MENDS[name]
    return "".join(
        bytes([byte]).decode(way.taken_for, "ignore") or chr(byte)
        for byte in text.encode(way.really)
    )


@pytest.mark.parametrize("name", MENDS)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_text_that_was_read_wrongly_is_recognised_and_mended(text, name):
    wrong = spoilt(text, name)
    found = mend_for(wrong)
    assert found
    assert mended(wrong, found) == text


@pytest.mark.parametrize(
    "text", [*TEXTS.values(), "René Müller", "Größe", "山田太郎", "Ελένη", "«»"]
)
def test_sound_text_is_not_mended(text):
    assert mend_for(text) == ""


def test_what_windows_loses_of_a_letter_is_guessed():
    wrong = spoilt("Иванова Ирина", "cp1251>utf-8").replace("\x98", "")
    assert mended(wrong, "cp1251>utf-8") == "Иванова Ирина"
    assert mended("Р. Анна", "cp1251>utf-8") == "Р. Анна"


def test_a_sound_cell_beside_spoilt_ones_stays():
    content = (
        "E-mail;ФИО\n" + spoilt("a@b.org;Пётр\n", "cp1251>utf-8") + "c@d.org;Олег\n"
    ).encode()
    layout = tables.recognise(content)
    assert layout.mend == "cp1251>utf-8"
    names = [row.cells[1] for row in tables.read(io.BytesIO(content), layout)]
    assert names == ["Пётр", "Олег"]


def test_letters_that_were_lost_before_are_told():
    content = b"E-mail;Name\na@b.org;???? ??????\nb@b.org;Ann?\n"
    found = looking.look(io.BytesIO(content), tables.recognise(content))
    assert [(number, reason) for number, _shown, reason in found.doubts] == [(2, looking.QUESTIONS)]


def test_words_are_shown_where_the_encoding_was_guessed():
    content = TEXTS["a table"].encode("koi8-r")
    found = looking.look(io.BytesIO(content), tables.recognise(content))
    assert "Анна Ким" in found.words


HARD = {
    "no line ends": b"a" * 5_000_000 + b"\xff" + b"\x00" * 5_000_000,
    "high bytes": b"\xff" * 10_000_000,
    "half letters": b"\xd0" * 10_000_000,
    "one long line": ("Анна" * 600_000).encode("cp1251"),
    "zeroes": b"\x00\x01" * 5_000_000,
}


@pytest.mark.parametrize("content", HARD.values(), ids=HARD)
def test_the_encoding_of_ten_megabytes_is_found_in_no_time(content):
    began = time.process_time()
    assert encoding_of(content) in tables.ENCODINGS
    mend_for(content[:1_000_000].decode("cp1251", "replace"))
    assert time.process_time() - began < 5


def test_every_encoding_that_is_found_can_be_chosen():
    assert set(EIGHT_BIT) <= set(tables.ENCODINGS)
    assert all(encodings.MENDS[name].shown.endswith("Анна") for name in MENDS)
