"""What a column is, guessed from its head, its cells and earlier files."""

import pytest
from django.utils import translation

from mailings.clients.importing import columns
from mailings.clients.importing.columns import guess, suggested_name
from mailings.spreadsheets.tables import Row

GUESSED = [
    (["E-mail", "ФИО", "Город"], ["email", "full_name", ""]),
    (["Почта", "Имя", "Фамилия", "Отчество"], ["email", "first_name", "last_name", "middle_name"]),
    (["Name", "Email Address", "Notes"], ["full_name", "email", "comment"]),
    (["name", "surname", "e-mail"], ["first_name", "last_name", "email"]),
    (["Адрес электронной почты", "Дата согласия", "Источник"],
     ["email", "consent_at", "consent_source"]),
    (["EMAIL", "email"], ["email", ""]),  # the first counts
    (["{{ city }}", "{{ comment }}", "e-mail"], ["attr:city", "attr:comment", "email"]),
]  # fmt: skip


@pytest.mark.parametrize(("heads", "mapping"), GUESSED)
def test_heads_are_known_in_both_languages(heads, mapping):
    assert guess(heads, [], attributes=[], earlier={}) == mapping


def test_known_variables_are_found_whatever_their_case():
    heads = ["email", "City", "Любимый автор"]
    found = guess(heads, [], attributes=["city", "любимый_автор"], earlier={})
    assert found == ["email", "attr:city", "attr:любимый_автор"]


def test_variables_that_differ_in_case_only_are_kept_apart():
    found = guess(["email", "City", "city", "CITY"], [], attributes=["City", "city"], earlier={})
    assert found == ["email", "attr:City", "attr:city", ""]


def test_what_the_owner_chose_before_is_remembered():
    earlier = {"прозвище": "full_name", "разное": "attr:misc"}
    found = guess(["e-mail", "Прозвище", "РАЗНОЕ"], [], attributes=[], earlier=earlier)
    assert found == ["email", "full_name", "attr:misc"]


def test_without_a_head_addresses_and_names_are_found_by_their_looks():
    sample = [["7", "Анна Ким", "anna@example.org"], ["8", "Jean-Luc O'Neil", "jl@example.org"]]
    assert guess(["", "", ""], sample, attributes=[], earlier={}) == ["", "full_name", "email"]


@pytest.mark.parametrize(
    ("cells", "is_head"), [(["E-mail", "ФИО"], True), (["anna@example.org", "Анна"], False)]
)
def test_a_row_with_an_address_is_no_head(cells, is_head):
    assert columns.has_header(Row(1, cells)) is is_head


@pytest.mark.parametrize(
    ("head", "name"),
    [("Любимый автор", "любимый_автор"), ("City", "city"), ("2nd", ""), ("№ карты!", "карты")],
)
def test_a_name_of_a_variable_is_made_of_the_head(head, name):
    assert suggested_name(head) == name


@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_heads_of_our_own_export_are_known(language):
    from mailings.clients.exporting import FIXED_HEADS

    with translation.override(language):
        heads = [str(head) for head in FIXED_HEADS]
    assert all(columns.is_known(head) for head in heads), heads
    mapping = guess(heads, [], attributes=[], earlier={})
    own = ["email", "full_name", "comment", "consent_source", "consent_at"]
    assert mapping == [*own, "", "state", "left_at", "state_source", ""]


HEADS_OF_OTHERS = [
    (["Наименование", "Контактное лицо", "Эл. почта"], ["", "full_name", "email"]),
    (["Наименование", "Эл. почта"], ["full_name", "email"]),
    (["Имя контакта", "E-mail адрес"], ["full_name", "email"]),
    (["ФИО клиента", "E-mail клиента"], ["full_name", "email"]),
    (["Контрагент", "Электронная почта (рабочая)"], ["full_name", "email"]),
    (["Имя отчество", "Фамилия", "Рабочая почта"], ["first_name", "last_name", "email"]),
    (["Customer Name", "Customer E-mail"], ["full_name", "email"]),
    (["Дата подписки по email", "Email"], ["", "email"]),
    (["Источник почты", "Статус email", "Почта"], ["", "state", "email"]),
    (["Почтовый индекс", "Мейл"], ["", "email"]),
]


@pytest.mark.parametrize(("heads", "mapping"), HEADS_OF_OTHERS)
def test_heads_of_other_programs_are_understood(heads, mapping):
    assert guess(heads, [], attributes=[], earlier={}) == mapping


CELLS_COUNT = [
    (["Адрес", "E-mail"], [["Тверь, ул. Мира", "a@b.org"]], ["", "email"]),
    (["Адрес", "Прочее"], [["Тверь, ул. Мира", "a@b.org"]], ["", "email"]),
    (["Почта", "E-mail"], [["a@b.org", ""], ["c@d.org", "x@y.org"]], ["email", ""]),
    (["Клиент", "ФИО", "E-mail"], [["ООО", "Анна", "a@b.org"]], ["", "full_name", "email"]),
    (["Имя клиента", "ФИО", "E-mail"], [["", "Анна", "a@b.org"]], ["", "full_name", "email"]),
]


@pytest.mark.parametrize(("heads", "sample", "mapping"), CELLS_COUNT)
def test_what_the_cells_hold_settles_what_heads_leave_open(heads, sample, mapping):
    assert guess(heads, sample, attributes=[], earlier={}) == mapping


TOPS = {
    "the first row": ([["E-mail", "ФИО"], ["a@b.org", "Анна"]], 1),
    "no head": ([["a@b.org", "Анна"], ["c@d.org", "Олег"]], 0),
    "a head nobody knows": ([["Куда", "Кому"], ["a@b.org", "Анна"]], 1),
    "a title": ([["Выгрузка от 01.02.2026"], ["E-mail", "ФИО"], ["a@b.org", "Анна"]], 2),
    "titles and merged cells": (
        [["ООО «Ромашка»"], ["Период: 2026"], ["Контакты", "", "Прочее"],
         ["Наименование", "Эл. почта", "Город"], ["Анна", "a@b.org", "Тверь"]], 4,
    ),
    "a title that is a known word": ([["Клиенты"], ["E-mail", "ФИО"], ["a@b.org", "Анна"]], 2),
    "a title and a head nobody knows": ([["Отчёт"], ["Куда", "Кому"], ["a@b.org", "Анна"]], 2),
    "a title and no head": ([["Отчёт"], ["за год"], ["a@b.org", "Анна", "Тверь"]], 0),
    "first rows without an address": (
        [["E-mail", "ФИО"], ["", "Анна"], ["", "Олег"], ["a@b.org", "Ян"]], 1,
    ),
    "an example in the head": ([["E-mail (ivan@mail.ru)", "ФИО", "Имя"], ["a@b.org", "Анна"]], 1),
    "no addresses at all": ([["x", "y"], ["1", "2"]], 1),
    "nothing": ([], 0),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "number"), TOPS.values(), ids=TOPS)
def test_the_head_is_found_below_titles(rows, number):
    numbered = [Row(n, cells, "", len(cells)) for n, cells in enumerate(rows, 1)]
    assert columns.head_of(numbered) == number


def test_heads_that_the_owner_named_before_make_a_head():
    rows = [Row(1, ["Отчёт", "x"]), Row(2, ["Кличка", "Ящик"]), Row(3, ["без", "ящика"])]
    assert columns.head_of(rows, {"кличка": "full_name", "ящик": "email"}) == 2
