"""Files of clients at each step of an import: done, checked, waiting for its columns."""

from django.utils import timezone

from accounts.models import User
from home.demo.clients import READERS_LISTS
from mailings.clients.importing import running
from mailings.clients.importing import services as imports
from mailings.models import ClientList, Import

CONSENT = "анкета на книжной ярмарке"
HEAD = "E-mail;ФИО;Город;Дата согласия;Примечание\n"
DONE = HEAD + (
    "irina.avdeeva@mail.example;Ирина Авдеева;Тверь;12.03.2024;\n"
    "oleg.bakhtin@post.example;Олег Сергеевич Бахтин;Казань;05.09.2025;просил каталог\n"
    "pavel.ershov@@post.example;Павел Ершов;Вологда;01.10.2025;\n"
    "79001234567;Телефон вместо адреса;Псков;01.10.2025;\n"
    "irina.avdeeva@mail.example;Ирина Авдеева;Тверь;12.03.2024;\n"
)
CHECKED = HEAD + (
    "arina.rodionova@mail.example;Арина Родионова;Псков;14.06.2026;стихи\n"
    "kuzma.prutkov@post.example;Кузьма Прутков;;14.06.2026;\n"
    "lidiya.demchenko@mail.example;Лидия Петровна Демченко;Вологда;22.06.2022;двое детей\n"
    "без адреса;Читатель;;;\n"
)
WAITING = HEAD + (
    "i.avdeeva@mail.example;Авдеева Ирина;Тверь;12.03.2024;звонить после 18\n"
    "o.bakhtin@post.example;Бахтин Олег Сергеевич;Москва;05.09.2025;\n"
    "katya.vd@knigi.example;Воронцова-Дашкова Екатерина;Санкт-Петербург;18.11.2023;двое детей\n"
)


def load_imports(owner: User) -> None:
    target = ClientList.objects.get(owner=owner, name=next(iter(READERS_LISTS)))
    for name, text, steps in (
        ("ярмарка-весна.csv", DONE, ("check", "start")),
        ("ярмарка-лето.csv", CHECKED, ("check",)),
        ("ярмарка-осень.csv", WAITING, ()),
    ):
        if Import.objects.filter(owner=owner, file_name=name).exists():
            continue
        row = imports.upload(owner=owner, name=name, content=text.encode("cp1251"))
        if "check" in steps:
            mapping = ["email", "full_name", "attr:city", "consent_at", "comment"]
            imports.check(row=row, by=owner, mapping=mapping, target=target, consent=CONSENT)
            running.run(row, timezone.now, lambda: False)
            row.refresh_from_db()
        if "start" in steps:
            imports.start(row=row, by=owner)
            running.run(row, timezone.now, lambda: False)
