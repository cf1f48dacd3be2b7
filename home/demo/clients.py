"""Made-up clients on domains that cannot exist (.example), and their lists."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta

from django.utils import timezone

from accounts.models import User
from home.demo import history
from mailings.clients import bulk, services
from mailings.clients.segments import conditions
from mailings.clients.segments.services import SegmentInput, create_segment
from mailings.clients.services import ClientInput, ListInput
from mailings.models import Client, ClientList, Segment

READERS = (
    "Ирина Авдеева", "Олег Сергеевич Бахтин", "Екатерина Воронцова", "Тимур Гулямов",
    "Лидия Демченко", "Павел Ершов", "Ольга Зимина", "Артём Игнатьев", "Софья Карпова",
    "Денис Лапин", "Марина Медведева", "Никита Носов", "Алина Орлова", "Виктор Панкратов",
    "Римма Рахимова", "Глеб Савельев", "Тамара Ильинична Ткач", "Ульяна Успенская",
    "Фёдор Филатов", "Хава Хасанова", "Лев Цветков", "Элина Чернова", "Юрий Шаров",
    "Яна Щербакова", "Борис Эйдельман", "Вера Юдина", "Григорий Яковлев", "Дарья Аксёнова",
    "Егор Белов", "Жанна Власова", "Захар Громов", "Инна Дьякова", "Кирилл Ермаков",
    "Любовь Жукова", "Максим Зайцев", "Надежда Исаева", "Осип Калинин", "Полина Ларина",
    "Роман Макаров", "Светлана Никитина", "Тихон Осипов", "Ульяна Петренко", "Филипп Рогов",
    "Христина Соболь", "Цветана Титова", "Чулпан Усманова", "Шамиль Фатхуллин", "Эмма Холодова",
    "Юлия Царёва", "Яков Чистяков", "Андрей Шестаков", "Галина Эрн", "Дмитрий Юрьев",
    "Елена Яшина", "Зоя Антипова", "Игорь Быков", "Ксения Ветрова", "Леонид Гаврилов",
    "Мила Данилова", "",
)  # fmt: skip
STUDENTS = (
    "Антонина Рябова", "Вадим Колесник", "Евгения Лосева", "Кира Мельник",
    "Никита Орехов", "Римма Полякова", "Степан Тарасов", "Таисия Щукина",
)  # fmt: skip
CITIES = ("Тверь", "Казань", "Псков", "Томск", "Вологда", "")
DOMAINS = ("mail.example", "post.example", "pochta.example", "knigi.example")
NOON = time(12, 0)
SOURCES = ("форма на сайте", "анкета у кассы", "запись на встречу")

# Name of a list → which of the clients, by number. The lists overlap, as lists do.
READERS_LISTS = {
    "Книжный клуб": range(24),
    "Покупатели": range(6, 60),
    "Дети и школа": range(3, 60, 3),
}
STUDENTS_LISTS = {"Утренняя группа": range(8)}

LATIN = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z",
    "и": "i", "й": "y", "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r",
    "с": "s", "т": "t", "у": "u", "ф": "f", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh",
    "щ": "sch", "ъ": "", "ы": "y", "ь": "", "э": "e", "ю": "yu", "я": "ya",
}  # fmt: skip


def load_clients(owner: User, names: Iterable[str], lists: dict[str, range]) -> None:
    clients = [_ensure(owner, name, number) for number, name in enumerate(names)]
    for list_name, numbers in lists.items():
        if ClientList.objects.filter(owner=owner, name=list_name).exists():
            continue
        row = services.create_list(data=ListInput(name=list_name), owner=owner, by=owner)
        members = Client.objects.filter(pk__in=[clients[number].pk for number in numbers])
        bulk.put_on_list(chosen=members, target=row, by=owner)


def load_segments(owner: User) -> None:
    """Make two segments: one of what clients told, one of what they got."""
    kazan = conditions.TextCondition(
        field="detail:city", test=conditions.TextTest.IS, value=CITIES[1]
    )
    silent = conditions.LettersCondition(days=30, negated=True)
    for name, asked in (("Казань", (kazan,)), ("Давно без писем", (silent,))):
        if not Segment.objects.filter(owner=owner, name=name).exists():
            definition = conditions.Definition(groups=(conditions.Group(conditions=asked),))
            data = SegmentInput(name=name, definition=definition)
            create_segment(data=data, owner=owner, by=owner)


def _ensure(owner: User, name: str, number: int) -> Client:
    address = _address(name, number)
    if there := Client.objects.filter(owner=owner, email_normalised=address).first():
        return there
    city = CITIES[number % len(CITIES)]
    consent_at = timezone.localdate() - timedelta(days=40 + 7 * number)
    data = ClientInput(
        email=address,
        full_name=name,
        attributes={"city": city} if city else {},
        consent_source=SOURCES[number % len(SOURCES)],
        consent_at=consent_at,
    )
    client = services.create_client(data=data, owner=owner, by=owner)
    # They came on the day they agreed, before the first letter of the demo's history.
    history.date_back(client, datetime.combine(consent_at, NOON, tzinfo=owner.zone))
    return client


def _address(name: str, number: int) -> str:
    words = [_latin(word) for word in (name or "info").lower().split()]
    return f"{words[0]}.{words[-1]}@{DOMAINS[number % len(DOMAINS)]}"


def _latin(word: str) -> str:
    return "".join(LATIN.get(letter, letter) for letter in word)
