"""Which word a letter may greet with: names come in every order and shape."""

from email import message_from_bytes, policy
from email.utils import getaddresses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailings.rendering import names
from mailings.rendering.encoding import mailbox
from mailings.rendering.names import first_name_of


@pytest.mark.parametrize(
    ("full_name", "first_name"),
    [
        ("Ольга Орлова", "Ольга"),
        ("Орлова Ольга", "Ольга"),
        ("Орлова Ольга Петровна", "Ольга"),
        ("Ольга Петровна Орлова", "Ольга"),
        ("Иванов Иван Иванович", "Иван"),
        ("Иван Иванович", "Иван"),
        ("ИВАНОВ ИВАН", "Иван"),
        ("иванова анна-мария", "Анна-Мария"),
        ("Пётр Ильич", "Пётр"),
        ("Роман Абрамович", "Роман"),
        ("Абрамович Роман Аркадьевич", "Роман"),
        ("Роман Аркадьевич Абрамович", "Роман"),
        ("Ильина Ирина", "Ирина"),
        ("Левин Яков", "Яков"),
        ("Ким Анна", "Анна"),
        ("Мамедов Али Гусейн оглы", "Али"),
        ("Кравченко Олеся", "Олеся"),
        ("Ivanov Ivan Ivanovich", "Ivan"),
        ("Smith John", "John"),
        ("Anna Maria Smith", "Anna"),
        ("John F. Kennedy", "John"),
        ("Giulia Rossi", "Giulia"),
    ],
)
def test_the_given_name_is_found_in_whatever_order(full_name, first_name):
    assert first_name_of(full_name) == first_name


@pytest.mark.parametrize(
    ("full_name", "first_name"),
    [
        ("Смит, Джон", "Джон"),
        ("Смит,Джон", "Джон"),
        ("Smith, John, Jr.", "John"),
        ("John Smith, Jr.", "John"),
        ("Иван Петров, директор", "Иван"),
        ("Анна,", "Анна"),
        ("Г-н Иванов Иван", "Иван"),
        ("ИП Иванов Иван Иванович", "Иван"),
        ("Юлия (бухгалтер)", "Юлия"),
        ("Анна 🌸", "Анна"),
        ("Клиент 7", "Клиент"),
        ("  Иван \t Петров ", "Иван"),
    ],
)
def test_what_stands_around_a_name_is_no_part_of_it(full_name, first_name):
    assert first_name_of(full_name) == first_name


@pytest.mark.parametrize("full_name", ["Иван", "Марина", "Никита", "Лев", "Мама", "Абрамович"])
def test_a_single_word_that_is_no_surname_is_the_name(full_name):
    assert first_name_of(full_name) == full_name


@pytest.mark.parametrize(
    "full_name",
    [
        "", " ", "Иванов", "Смирнова", "Сидоренко", "Иванов Иванович", "Смит, Д.", "Иванов И. И.",
        "Smith, J.", "Иванова Анна, Петрова Мария", "Иван и Мария", "ООО «Ромашка»", "ООО Ромашка",
        "«Ромашка»", 'Салон "Анна"', "Acme Ltd.", "🌸", "12345", "ivan@mail.example",
        "Иван ivan@mail.example", "Иван/Мария", ",", "Хлебников Петров",
    ],
)  # fmt: skip
def test_in_doubt_nobody_is_greeted_by_name(full_name):
    assert first_name_of(full_name) == ""


@pytest.mark.parametrize(
    "name",
    [
        "Смит, Джон", "Smith, John", 'ООО "Ромашка"', 'Acme "Best" Ltd.', "ООО «Ромашка»; Москва",
        "Back\\slash", "a@b.example", "Анна 🌸", "=?utf-8?q?x?=", "A" * 90, "Ёж, " * 30,
        'quote" <evil@mail.example>', "two\r\nlines: x", "(remark)", "J. Doe",
    ],
)  # fmt: skip
def test_a_display_name_stays_one_name_before_one_address(name):
    """RFC 5322, 3.2.5 and RFC 2047, 5: quoted or encoded, never a second mailbox or header."""
    code = mailbox(name, "shop@mail.example", len("From: "))
    message = message_from_bytes(b"From: " + code + b"\r\n\r\nx", policy=policy.default)
    assert list(message.keys()) == ["From"]
    [address] = message["From"].addresses
    assert address.addr_spec == "shop@mail.example"
    # The parser leaves a space between two encoded words, which RFC 2047, 6.2 takes away.
    assert address.display_name.replace(" ", "") == "".join(name.split())
    [(_name, plain)] = getaddresses([code.decode()])
    assert plain == "shop@mail.example"
    assert all(len(line) <= 78 for line in code.split(b"\r\n"))


ODD_WORDS = """
    Анна анна АННА Пётр Петр Иван Иванов Иванович Ильич Яковлевна Абрамович оглы Лукич Smith John
    Ivanovich Maria Jean-Pierre O'Brien ООО ИП г-н и and Jr II 12 7а Ё Ж. И.И. (мама) 😀 Kᴇvin
    İvanovİch ivanovıch Дмитрий, Smith, – « Mr. Анна! анна@почта
"""
WORDS = st.one_of(
    st.sampled_from(ODD_WORDS.split()),
    st.sampled_from(sorted(names.GIVEN_NAMES)),
    st.text(max_size=8),
)


@given(st.lists(WORDS, max_size=5).map(" ".join))
def test_the_quick_look_at_a_name_finds_what_all_rules_find(full_name):
    assert first_name_of(full_name) == names._by_all_rules(full_name)
