"""One mailbox, however it is spelled, is one client of an owner; and whoever said once that they
want no mail gets none, by whatever spelling and door they come back."""

import itertools

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from mailings.campaigns import services
from mailings.clients import exporting
from mailings.delivery import worker
from mailings.delivery.queue import chunks
from mailings.delivery.runs import invariants, planning
from mailings.delivery.session.circuit_breaker import default_transport
from mailings.delivery.transports import base, memory
from mailings.delivery.transports.mail import Mail
from mailings.models import Client, Delivery, Mailing, Run, Suppression
from mailings.models.suppression import SuppressionReason
from mailings.states import DeliveryStatus, SkipReason
from mailings.suppression import stop_list, unsubscribe_links
from mailings.timing import clock
from tests import factories
from tests import nasty_files as files
from tests.integration.clients.test_importing import imported, kinds

pytestmark = pytest.mark.django_db

SPELLINGS = ("Dublin.Case@mail.example", "dublin.case@mail.example", "DUBLIN.CASE@MAIL.EXAMPLE")
IDN = (
    "anna@пример.рф",
    "ANNA@ПРИМЕР.рф",
    "Anna@xn--e1afmkfd.xn--p1ai",
    "an\u200bna@приме\u00adр.рф",
)
MAILBOXES = [SPELLINGS, IDN]


def suppress(address: str, owner: User) -> None:
    stop_list.suppress(address, reason=SuppressionReason.UNSUBSCRIBED, owner_id=owner.pk)


def erase(owner: User) -> None:
    Suppression.objects.filter(owner=owner).update(address="")


def old_run(owner: User, addresses: tuple[str, ...]) -> Run:
    """Return a run as it was frozen when each spelling was a client."""
    run = factories.make_run(factories.make_mailing(owner, status="running"))
    rows = [factories.make_delivery(run, address=address) for address in addresses]
    Run.objects.filter(pk=run.pk).update(targeted=len(rows))
    return run


def send() -> list[str]:
    default_transport()
    memory.service.reset()
    worker.send_due(stopping=lambda: False)
    return [mail.recipient for mail in memory.service.taken]


# ---------------------------------------------------------------- the stop-list


@pytest.mark.parametrize("spellings", MAILBOXES)
@pytest.mark.parametrize("is_erased", [False, True])
def test_every_spelling_of_a_suppressed_mailbox_is_known(owner, spellings, is_erased):
    for said in spellings:
        Suppression.objects.all().delete()
        suppress(said, owner)
        if is_erased:
            erase(owner)
        for asked in (spellings, spellings[::-1], *itertools.permutations(spellings, 2)):
            assert stop_list.suppressed_among(owner.pk, asked) == set(asked)
            assert set(stop_list.reasons_among(owner.pk, asked)) == set(asked)
            assert set(stop_list.entries_by_address(owner.pk, asked)) == set(asked)
        assert stop_list.entries_about(owner.pk, spellings[-1]).count() == 1


def test_spellings_are_known_after_the_secret_has_changed(owner, settings):
    suppress(SPELLINGS[0], owner)
    erase(owner)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new-" * 16, [settings.SECRET_KEY]
    assert stop_list.suppressed_among(owner.pk, SPELLINGS) == set(SPELLINGS)


@pytest.mark.parametrize("gone", range(3))
@pytest.mark.django_db(transaction=True)
def test_nobody_of_a_mailbox_is_mailed_when_one_spelling_unsubscribes_after_freezing(owner, gone):
    run = old_run(owner, (*SPELLINGS, "other@mail.example"))
    suppress(SPELLINGS[gone], owner)
    erase(owner)
    assert send() == ["other@mail.example"]
    skipped = run.deliveries.filter(status=DeliveryStatus.SKIPPED, reason=SkipReason.SUPPRESSED)
    assert skipped.count() == 3
    assert list(invariants.broken(clock.now())) == []


@pytest.mark.django_db(transaction=True)
def test_nor_when_another_spelling_was_mailed_just_before_or_waits_for_another_try(
    owner, monkeypatch
):
    """The person presses the link in the letter to one spelling while the others wait."""
    monkeypatch.setattr(chunks, "SIZE", 1)
    run = old_run(owner, SPELLINGS)
    later = run.deliveries.last()
    Delivery.objects.filter(pk=later.pk).update(
        status="deferred", tries=1, attempt_count=1, next_attempt_at=timezone.now()
    )
    factories.make_attempt(later, outcome="temporary", code=450)
    Run.objects.filter(pk=run.pk).update(deferred_count=1)
    suppress(SPELLINGS[0].swapcase(), owner)
    assert send() == []
    assert set(run.deliveries.values_list("status", flat=True)) == {DeliveryStatus.SKIPPED}


@pytest.mark.django_db(transaction=True)
def test_link_in_a_letter_to_one_spelling_stops_all(owner, client):
    run = old_run(owner, SPELLINGS)
    first = run.deliveries.first()
    token = unsubscribe_links.token(owner.pk, first.pk, first.address)
    client.post(reverse("unsubscribe", args=[token]))
    assert send() == []


@pytest.mark.django_db(transaction=True)
def test_refusal_of_an_old_address_that_nobody_could_add_today_is_recorded(owner):
    run = old_run(owner, ("ivan@localhost", '"odd one"@mail.example', "good@mail.example"))

    def answer(mail: Mail) -> base.SendResult:
        if mail.recipient == "good@mail.example":
            return memory.accept(mail)
        return base.Permanent(
            step=base.Step.RCPT, started_at=clock.now(), code=550, enhanced_code="5.1.1", reply="no"
        )

    default_transport()
    memory.service.reset()
    memory.service.answer = answer
    worker.send_due(stopping=lambda: False)
    memory.service.reset()
    found = dict(run.deliveries.values_list("address", "status"))
    assert found["good@mail.example"] == DeliveryStatus.SENT
    assert found["ivan@localhost"] == DeliveryStatus.FAILED
    assert stop_list.suppressed_among(owner.pk, ["IVAN@localhost"]) == {"IVAN@localhost"}


# ---------------------------------------------------------------- IDNA 2008


def test_entry_from_before_holds_for_what_its_letters_mean_now(owner):
    suppress("x@fass.example", owner)
    asked = ["x@fass.example", "x@faß.example", "X@xn--fa-hia.example"]
    assert stop_list.suppressed_among(owner.pk, asked) == {"x@fass.example"}
    Suppression.objects.update(is_by_idna_2003=True, address="")
    assert stop_list.suppressed_among(owner.pk, asked) == set(asked)
    assert set(stop_list.entries_by_address(owner.pk, asked)) == set(asked)
    assert stop_list.entries_about(owner.pk, "x@faß.example").exists()


def test_whoever_has_a_letter_from_before_unsubscribes_by_it_for_good(owner, client):
    """It went to `fass.example`; its client is written `xn--fa-hia` since."""
    row = factories.make_client(owner, email="x@faß.example")
    run = factories.make_run(factories.make_mailing(owner, clients=[row]))
    sent = factories.make_delivery(run, row, address="x@fass.example")
    token = unsubscribe_links.token(owner.pk, sent.pk, sent.address)
    client.post(reverse("unsubscribe", args=[token]))
    assert stop_list.suppressed_among(owner.pk, [row.email_normalised])


# ---------------------------------------------------------------- doors


@pytest.mark.parametrize("spellings", MAILBOXES)
def test_import_makes_one_client_of_a_mailbox(owner, spellings):
    content = files.csv(("E-mail", "ФИО"), *((a, f"Имя {n}") for n, a in enumerate(spellings)))
    row = imported(owner, content)
    assert kinds(row) == {2: "new"} | dict.fromkeys(range(3, 2 + len(spellings)), "repeated")
    made = Client.objects.get(owner=owner)
    assert (made.email, made.full_name) == (spellings[0], "Имя 0")


@pytest.mark.parametrize("spellings", MAILBOXES)
def test_import_finds_the_client_in_another_spelling_and_keeps_it(owner, spellings):
    there = factories.make_client(owner, email=spellings[0], full_name="Прежнее")
    content = files.csv(("E-mail", "ФИО"), (spellings[1], "Новое"))
    assert kinds(imported(owner, content)) == {2: "updated"}
    there.refresh_from_db()
    assert Client.objects.count() == 1
    assert (there.email, there.full_name) == (spellings[0], "Новое")


@pytest.mark.parametrize("spellings", MAILBOXES)
def test_import_brings_no_spelling_of_a_suppressed_mailbox(owner, spellings):
    suppress(spellings[0], owner)
    erase(owner)
    for spelling in spellings[1:]:
        row = imported(owner, files.csv(("E-mail", "ФИО"), (spelling, "Имя")))
        assert kinds(row) == {2: "suppressed"}
    assert not Client.objects.exists()


@pytest.mark.parametrize("spellings", MAILBOXES)
def test_form_refuses_a_second_client_in_another_spelling(owner, client, spellings):
    client.force_login(owner)
    factories.make_client(owner, email=spellings[0])
    for spelling in spellings[1:]:
        page = client.post(reverse("mailings:client_create"), {"email": spelling})
        assert page.context["form"].errors["email"]
    assert Client.objects.count() == 1


def test_form_and_import_keep_nothing_that_nobody_sees(owner, client):
    client.force_login(owner)
    hidden = {
        "email": "\ufeffan\u200bna@mail.example", "full_name": "Ан\u00adна\u00a0Ким\u200b",
        "comment": "о\u2060на\r\n\u202eдва", "attributes": "city = Тве\u200bрь",
    }  # fmt: skip
    client.post(reverse("mailings:client_create"), hidden)
    content = files.csv(
        ("E-mail", "ФИО", "Комментарий", "city"),
        ("\u200bboris@mail.example", "Ан\u00adна\u00a0Ким", "о\u2060на", "Тве\u200bрь"),
    )
    imported(owner, content, mapping=["email", "full_name", "comment", "attr:city"])
    anna, boris = Client.objects.order_by("email")
    assert (anna.email, boris.email) == ("anna@mail.example", "boris@mail.example")
    assert anna.full_name == boris.full_name == "Анна Ким"
    assert anna.comment.split() == ["она", "два"]
    assert boris.comment == "она"
    assert anna.attributes == boris.attributes == {"city": "Тверь"}


@pytest.mark.parametrize("spellings", MAILBOXES)
def test_export_and_list_show_the_state_of_every_spelling(owner, client, spellings):
    client.force_login(owner)
    row = factories.make_client(owner, email=spellings[0])
    suppress(spellings[1], owner)
    erase(owner)
    _head, line = exporting.clients(owner, Client.objects.all())
    assert "Отписался" in line
    page = client.get(reverse("mailings:client_list"))
    assert [shown.suppression is not None for shown in page.context["page"]] == [True]
    assert page.context["page"].rows[0].pk == row.pk


@pytest.mark.parametrize("spellings", MAILBOXES)
def test_search_finds_a_client_by_any_spelling(owner, client, spellings):
    client.force_login(owner)
    row = factories.make_client(owner, email=spellings[0])
    factories.make_client(owner)
    for spelling in spellings:
        page = client.get(reverse("mailings:client_list"), {"q": spelling})
        assert [found.pk for found in page.context["page"]] == [row.pk]


@pytest.mark.parametrize("spellings", MAILBOXES)
@pytest.mark.parametrize("is_erased", [False, True])
def test_managers_find_an_entry_by_any_spelling(owner, manager, client, spellings, is_erased):
    client.force_login(manager)
    suppress(spellings[0], owner)
    suppress("other@mail.example", owner)
    if is_erased:
        erase(owner)
    wanted = Suppression.objects.earliest("pk")
    for spelling in spellings:
        page = client.get(reverse("cms_suppression:index"), {"q": spelling})
        assert [found.pk for found in page.context["object_list"]] == [wanted.pk]


# ---------------------------------------------------------------- what is sent


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("typed", "wire"),
    [
        ("Dublin.Case@MAIL.Example", "Dublin.Case@mail.example"),
        ("Anna@Пример.РФ", "Anna@xn--e1afmkfd.xn--p1ai"),
        ("anna@ПРИМЕР.рф", "anna@xn--e1afmkfd.xn--p1ai"),
        ("plain@mail.example", "plain@mail.example"),
    ],
)
def test_mail_goes_to_the_spelling_typed(owner, typed, wire):
    row = factories.make_client(owner, email=typed)
    message = factories.make_message(owner, body="<p>Вы – {{ email }}</p>")
    mailing = factories.make_mailing(owner, clients=[row], message=message)
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    frozen = Delivery.objects.get()
    assert frozen.address == row.email_normalised
    assert (frozen.spelling or frozen.address) == wire == row.wire
    assert send() == [wire]
    assert Mailing.objects.get().status == "completed"


def test_ledger_is_mended_where_clients_are_gone(owner, capsys):
    run = old_run(owner, ("a@mail.example", "b@mail.example"))
    gone = run.deliveries.first()
    Delivery.objects.filter(pk=gone.pk).update(client_id=gone.client_id + 1_000_000)
    with pytest.raises(SystemExit):
        call_command("check_ledger")
    call_command("check_ledger", mend=True)
    assert "mended: 1" in capsys.readouterr().out
    assert run.deliveries.filter(client=None).get() == gone
