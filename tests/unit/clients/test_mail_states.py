"""What the words of other services say about who may get mail, in every spelling."""

import pytest

from mailings.clients.importing import mail_states
from mailings.clients.importing.columns import guess
from mailings.clients.importing.mail_states import Says, state_word
from mailings.clients.importing.meaning import Meaning
from mailings.clients.importing.state_heads import head_of, holds_states

S = Says

WORDS = {
    S.OK: ["subscribed", "Subscribed ", "SUBSCRIBED", "active", "Подписан", "ПОДПИСАН", "активен",
           "Активный", "подписана", "Confirmed", "enabled", "Новый", "Получает письма",
           "Gets mail", "opted-in", "Opt In", "available"],
    S.UNSUBSCRIBED: ["unsubscribed", "Unsubscribed", "UNSUBSCRIBED", "un-subscribed", "unsub",
                     "Opted Out", "opt-out", "отписан", "Отписался", "отписалась", "ОТПИСКА",
                     "Отписался 01.05.2026", "Unsubscribed (by admin)", "отказ от рассылки"],
    S.BOUNCED: ["cleaned", "Cleaned", "bounced", "hard_bounced", "Hard Bounce", "hard-bounce",
                "invalid", "Не существует", "Ящик не существует", "недействительный", "Ошибка",
                "unreachable", "undeliverable", "Address does not work"],
    S.COMPLAINED: ["complained", "Complaint", "spam", "Spam complaint", "abuse", "жалоба",
                   "Пожаловался на спам", "спам", "Жалоба на спам"],
    S.MANUAL: ["blocked", "blocklisted", "BLACKLISTED", "inactive", "неактивен", "Неактивный",
               "Заблокирован", "в чёрном списке", "В СТОП-ЛИСТЕ", "disabled", "deleted",
               "Удалён", "archived", "do_not_contact"],
    S.NO_CONSENT: ["pending", "Unconfirmed", "not confirmed", "Не подтверждён",
                   "неподтверждённый", "ожидает подтверждения", "non-subscribed",
                   "never_subscribed", "NEVER SUBSCRIBED",
                   "transactional", "не подписан", "activation_requested"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"), [(text, says) for says, texts in WORDS.items() for text in texts]
)
def test_words_of_other_services_are_known_however_they_are_written(text, says):
    assert state_word(text) is says


@pytest.mark.parametrize(
    "text",
    ["VIP", "обычный", "soft bounce", "Ящик переполнен", "2", "1", "да", "", "not unsubscribed",
     "не отписан", "no bounces", "без жалоб", "gold", "mailbox_full", "spam_folder",
     "unsubscribed " * 20],
)  # fmt: skip
def test_what_is_not_known_or_may_be_either_is_not_guessed(text):
    assert state_word(text) is None


@pytest.mark.parametrize(
    ("head", "yes", "no"),
    [
        ("Unsubscribed", S.UNSUBSCRIBED, S.OK),
        ("EMAIL_BLACKLISTED", S.MANUAL, S.OK),
        ("emailBlacklisted", S.MANUAL, S.OK),
        ("BLOCKLIST", S.MANUAL, S.OK),
        ("doNotContact", S.UNSUBSCRIBED, S.OK),
        ("dnc", S.UNSUBSCRIBED, S.OK),
        ("HasOptedOutOfEmail", S.UNSUBSCRIBED, S.OK),
        ("Unsubscribed from all email", S.UNSUBSCRIBED, S.OK),
        ("Отписан", S.UNSUBSCRIBED, S.OK),
        ("В чёрном списке", S.MANUAL, S.OK),
        ("Не писать", S.UNSUBSCRIBED, S.OK),
        ("Не присылать рассылку", S.UNSUBSCRIBED, S.OK),
        ("Получать рассылку", S.OK, S.UNSUBSCRIBED),
        ("Не подписан", S.UNSUBSCRIBED, S.OK),
        ("Not subscribed", S.UNSUBSCRIBED, S.OK),
        ("Нет согласия", S.NO_CONSENT, S.OK),
        ("Не дал согласие на рассылку", S.NO_CONSENT, S.OK),
        ("Не отписан", S.OK, S.UNSUBSCRIBED),
        ("Неактивен", S.MANUAL, S.OK),
        ("Пожаловался", S.COMPLAINED, S.OK),
        ("Hard bounced", S.BOUNCED, S.OK),
        ("Subscribed", S.OK, S.UNSUBSCRIBED),
        ("isSubscribedByEmail", S.OK, S.UNSUBSCRIBED),
        ("Подписан", S.OK, S.UNSUBSCRIBED),
        ("Accepts Email Marketing", S.OK, S.NO_CONSENT),
        ("Email Marketing Consent", S.OK, S.NO_CONSENT),
        ("Opt-in", S.OK, S.NO_CONSENT),
    ],
)
def test_a_head_that_names_a_state_says_what_yes_and_no_mean(head, yes, no):
    known = head_of(head)
    assert known is not None
    assert (known.yes, known.no, known.is_sure) == (yes, no, True)


@pytest.mark.parametrize(
    "head",
    ["smsBlacklisted", "Статус заказа", "Order status", "Подписан на SMS", "WhatsApp opt-in",
     "Город", "Full name", "MEMBER_RATING", "UNSUB_CAMPAIGN_TITLE", "CONFIRM_TIME", "x" * 200, ""],
)  # fmt: skip
def test_heads_about_something_else_say_nothing_about_mail(head):
    assert head_of(head) is None


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ("UNSUB_TIME", S.UNSUBSCRIBED),
        ("Unsubscribed at", S.UNSUBSCRIBED),
        ("Unsubscribe Date", S.UNSUBSCRIBED),
        ("Дата отписки", S.UNSUBSCRIBED),
        ("Когда отписался", S.UNSUBSCRIBED),
        ("CLEAN_TIME", S.BOUNCED),
        ("Bounced at", S.BOUNCED),
        ("Дата жалобы", S.COMPLAINED),
    ],
)
def test_a_date_in_a_column_of_leaving_says_that_they_left(head, says):
    mapping = guess(["email", head], [], attributes=[], earlier={})
    assert mapping == ["email", "left_at"]
    meaning = Meaning(mapping, ["email", head])
    for cell in ("2026-05-01 10:00:00", "01.05.2026", "May 1, 2026", "45778"):
        finding = meaning.of(["a@b.org", cell])
        assert finding is not None
        assert finding.says is says
    for cell in ("", "-", "0000-00-00 00:00:00", "нет", "null"):
        assert meaning.of(["a@b.org", cell]) is None


@pytest.mark.parametrize(
    ("head", "cells", "expected"),
    [
        ("Status", ["subscribed"], True),
        ("Status", ["active", "inactive"], True),
        ("Статус", ["VIP", "обычный"], False),
        ("Статус", ["VIP", "Новый"], False),
        ("Статус", ["VIP", "отписан"], True),
        ("Статус", ["VIP", "Заблокирован"], True),
        ("Статус", ["1", "0"], True),  # it is asked which of them may get mail
        ("State", ["NY", "CA", "OK"], False),
        ("email_status", ["whatever"], True),
        ("Статус подписки", ["x1", "x2"], True),
        ("Подписка", ["Премиум", "Базовая"], False),
        ("Подписка", ["да", "нет"], True),
        ("Хочу рассылку", ["да", "нет"], True),
        ("active", ["TRUE", "FALSE"], True),
        ("Группа", ["subscribed", "unsubscribed"], True),
        ("Группа", ["subscribed", "друзья"], False),
        ("", ["subscribed", "cleaned"], True),
        ("Тип", ["Новый"], False),
        ("Город", ["Тверь"], False),
    ],
)
def test_a_column_of_states_is_known_by_its_head_and_by_its_words(head, cells, expected):
    assert holds_states(head, cells) is expected


def test_a_head_that_denies_consent_is_no_source_of_it():
    heads = ["email", "Нет согласия"]
    found = guess(heads, [["a@b.org", "да"]], attributes=[], earlier={})
    assert found == ["email", "state"]
    assert said(found, heads, "a@b.org", "да") is S.NO_CONSENT


def test_states_are_found_whatever_an_earlier_file_had_below_the_same_head():
    sample = [["a@b.org", "subscribed"], ["b@b.org", "unsubscribed"]]
    for earlier in ({"status": ""}, {"status": "attr:status"}, {"status": "state"}):
        found = guess(["email", "Status"], sample, attributes=["status"], earlier=earlier)
        assert found == ["email", "state"]
    vip = [["a@b.org", "VIP"]]
    for earlier in ({}, {"status": "state"}):
        found = guess(["email", "Status"], vip, attributes=[], earlier=earlier)
        assert found == ["email", ""]


def test_an_answer_about_consent_and_its_source_may_stand_side_by_side():
    sample = [["a@b.org", "да", "ярмарка"], ["b@b.org", "нет", "сайт"]]
    heads = ["email", "Согласие на рассылку", "Источник"]
    found = guess(heads, sample, attributes=[], earlier={})
    assert found == ["email", "state", "consent_source"]
    turned = [[row[0], row[2], row[1]] for row in sample]
    found = guess([heads[0], heads[2], heads[1]], turned, attributes=[], earlier={})
    assert found == ["email", "consent_source", "state"]
    assert said(found, [heads[0], heads[2], heads[1]], "b@b.org", "сайт", "нет") is S.NO_CONSENT


def said(mapping, heads, *cells, **options) -> Says:
    finding = Meaning(mapping, heads, **options).of(list(cells))
    return finding.says if finding else S.OK


@pytest.mark.parametrize(
    ("head", "cell", "says"),
    [
        ("Unsubscribed", "1", S.UNSUBSCRIBED),
        ("Unsubscribed", "TRUE", S.UNSUBSCRIBED),
        ("Unsubscribed", "0", S.OK),
        ("Unsubscribed", "", S.OK),
        ("Unsubscribed", "2026-05-01", S.UNSUBSCRIBED),
        ("Unsubscribed", "мур", S.ASK),
        ("Subscribed", "0", S.UNSUBSCRIBED),
        ("Subscribed", "нет", S.UNSUBSCRIBED),
        ("Subscribed", "Yes", S.OK),
        ("Subscribed", "2024-01-01", S.OK),
        ("Subscribed", "", S.ASK),
        ("Status", "", S.ASK),
        ("Status", "1", S.ASK),
        ("Status", "VIP", S.ASK),
        ("dnc", "2", S.BOUNCED),
        ("dnc", "3", S.MANUAL),
        ("dnc", "4", S.ASK),
    ],
)
def test_numbers_and_empty_cells_are_read_by_what_the_head_asks(head, cell, says):
    assert said(["email", "state"], ["email", head], "a@b.org", cell) is says


def test_of_several_columns_the_strictest_counts():
    mapping = ["email", "state", "state", "left_at"]
    heads = ["email", "Status", "Complained", "UNSUB_TIME"]
    assert said(mapping, heads, "a@b.org", "subscribed", "0", "") is S.OK
    assert said(mapping, heads, "a@b.org", "subscribed", "0", "2026-05-01") is S.UNSUBSCRIBED
    assert said(mapping, heads, "a@b.org", "cleaned", "1", "") is S.COMPLAINED
    assert said(mapping, heads, "a@b.org", "cleaned", "0", "2026-05-01") is S.BOUNCED
    assert said(mapping, heads, "a@b.org", "VIP", "1", "") is S.COMPLAINED  # not worth a question
    assert said(mapping, heads, "a@b.org", "VIP", "0", "") is S.ASK


def test_an_answer_holds_for_every_spelling_of_the_word():
    options = {"answers": {"1": {"vip": "ok", "бывший клиент": "unsubscribed", "": "out"}}}
    columns = (["email", "state"], ["email", "Status"])
    assert said(*columns, "a@b.org", " V.I.P "[:2] + "VIP", **options) is S.ASK
    assert said(*columns, "a@b.org", "Vip", **options) is S.OK
    assert said(*columns, "a@b.org", "Бывший  клиент", **options) is S.UNSUBSCRIBED
    assert said(*columns, "a@b.org", "", **options) is S.OUT


YES = ["да", "Да", "YES", "y", "TRUE", "1", "+", "согласен", "Согласна", "on", "✓", "2024-05-01",
       "12.03.2024", "сайт", "визитка", "анкета на ярмарке"]  # fmt: skip
NO = ["нет", "НЕТ", "No", "n", "FALSE", "0", "-", "–", "off", "не согласен", "Не согласна", "отказ",
      "Отказалась", "отозвано", "без согласия", "n/a", "не указано", "ложь", "unsubscribed",
      "Never subscribed", "refused by phone"]  # fmt: skip


@pytest.mark.parametrize("cell", NO)
def test_a_consent_that_says_no_is_no_consent(cell):
    assert said(["email", "consent_source"], ["email", "Согласие"], "a@b.org", cell).bars


@pytest.mark.parametrize("cell", YES)
def test_a_consent_that_says_yes_a_date_or_a_source_is_one(cell):
    assert said(["email", "consent_source"], ["email", "Согласие"], "a@b.org", cell) is S.OK


def test_an_empty_consent_means_no_where_others_say_yes():
    columns = (["email", "consent_source"], ["email", "Согласие"])
    assert said(*columns, "a@b.org", "") is S.OK
    assert said(*columns, "a@b.org", "", telling=[1]) is S.NO_CONSENT
    assert said(*columns, "a@b.org", "сайт") is S.OK
    assert said(*columns, "a@b.org", "сайт", telling=[1]) is S.ASK
    assert said(*columns, "a@b.org", "не звонила") is S.ASK
    meaning = Meaning(*columns)
    meaning.of(["a@b.org", "сайт"])
    assert meaning.learned == set()
    meaning.of(["a@b.org", "да"])
    assert meaning.learned == {1}


@pytest.mark.parametrize("target", ["", "attr:x", "comment"])
@pytest.mark.parametrize(
    ("head", "cell", "says"),
    [
        ("Status", "unsubscribed", S.ASK),
        ("Status", "subscribed", S.OK),
        ("Метка", "Отписался", S.ASK),
        ("Unsubscribed", "1", S.ASK),
        ("Unsubscribed", "0", S.OK),
        ("UNSUB_TIME", "2026-05-01", S.ASK),
        ("Согласие", "нет", S.ASK),
        ("Согласие", "да", S.OK),
        ("Заметка", "нет", S.OK),
        ("Город", "Тверь", S.OK),
        ("Статус", "VIP", S.OK),
        ("Статус", "неактивен", S.ASK),
        ("Лампа", "неактивен", S.OK),
    ],
)
def test_a_column_that_was_overlooked_lets_nobody_in_unasked(target, head, cell, says):
    assert said(["email", target], ["email", head], "a@b.org", cell) is says


def test_a_variable_of_our_own_export_is_not_asked_about():
    mapping, heads = ["email", "attr:status"], ["email", "{{ status }}"]
    assert said(mapping, heads, "a@b.org", "unsubscribed") is S.OK


def test_words_of_our_own_export_are_known_in_every_language():
    from django.utils import translation

    from mailings.web import words

    for language in ("ru", "en"):
        with translation.override(language):
            for reason, label in words.SUPPRESSED.items():
                assert state_word(str(label)) == reason.value
                assert mail_states.is_strong(str(label))
