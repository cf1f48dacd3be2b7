"""Rows by the hundred thousand, for figures: clients, runs, deliveries and attempts of one owner.

The many are made inside the database, by `INSERT … SELECT` over rows that are there already.
Nothing of it is ever sent: what is still open belongs to a mailing on pause, and the addresses
end in `.example`, where no mail goes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, models
from django.db.models import Case, CharField, Count, F, IntegerField, Q, QuerySet, Value, When

from accounts.models import User
from mailings.models import (
    Attempt,
    Client,
    ClientList,
    Delivery,
    Mailing,
    Message,
    Run,
    Suppression,
)
from mailings.models.suppression import SuppressionReason
from mailings.states import (
    Actor,
    DeliveryStatus,
    Frequency,
    MailingStatus,
    Outcome,
    RunStatus,
    SkipReason,
)
from mailings.suppression import stop_list

BATCH = 5_000
PIECES = 5
"""A run's deliveries are settled in so many moments."""
SMALL_MAILINGS, SMALL_RUNS = 10, 10
SMALL_SHARE = 10
"""One delivery of so many belongs to a small mailing."""
MINUTES_OF_A_RUN = 20

D = DeliveryStatus

SUPPRESSED, FAILED, UNCERTAIN, LEAST_OPEN = Q(part__lt=10), Q(part__lt=30), Q(part=30), 700
"""By the last three digits of the client's number; in the open run the upper ones still wait."""

REPLIES = (
    (16, 550, "5.1.1", "rcpt", "5.1.1 No such user here"),
    (24, 554, "5.7.1", "dot", "5.7.1 Message rejected as spam"),
    (28, 552, "5.2.2", "rcpt", "5.2.2 Mailbox is full"),
    (30, 550, "5.1.2", "rcpt", "5.1.2 Domain not found"),
)
"""Answers to the failed: below which number, code, enhanced code, step, reply."""


@dataclass(frozen=True, slots=True)
class Volume:
    owner: User
    clients: int
    deliveries: int
    now: datetime

    def create(self) -> None:
        self._clients()
        lists = self._lists()
        message = Message.objects.create(
            owner=self.owner,
            subject="{{ first_name }}, новости недели",
            body='<p>Здравствуйте, {{ first_name|default:"друг" }}!</p>',
        )
        small = max(1, self.deliveries // SMALL_SHARE // (SMALL_MAILINGS * SMALL_RUNS))
        for number in range(SMALL_MAILINGS):
            mailing = self._mailing(f"Подборка {number + 1}", message, Frequency.WEEKLY, lists[-1:])
            runs = [self._run(mailing, k, timedelta(weeks=1)) for k in range(SMALL_RUNS, 0, -1)]
            self._deliver(runs, min(small, self.clients), number)
        large = max(1, (self.deliveries - self.deliveries // SMALL_SHARE) // self.clients)
        mailing = self._mailing("Утренний отрывок", message, Frequency.DAILY, lists[:1])
        runs = [self._run(mailing, k, timedelta(days=1)) for k in range(large - 1, -1, -1)]
        self._deliver(runs, self.clients, 0, has_open=True)
        self._count(Run.objects.filter(mailing__owner=self.owner))

    # ------------------------------------------------------------ who

    def _clients(self) -> None:
        numbers = range(1, self.clients + 1)
        for first in range(0, self.clients, BATCH):
            rows = [self._client(n) for n in numbers[first : first + BATCH]]
            Client.objects.bulk_create(rows)
        named = self._own_clients().annotate(part=F("pk") % 1000).filter(SUPPRESSED)
        addresses = list(named.order_by("pk").values_list("email_normalised", flat=True))
        suppressed = [
            Suppression(
                owner=self.owner,
                address=address,
                address_hash=stop_list.address_hash(address),
                reason=SuppressionReason.UNSUBSCRIBED if n % 3 else SuppressionReason.BOUNCED,
            )
            for n, address in enumerate(addresses)
        ]
        Suppression.objects.bulk_create(suppressed, BATCH)
        for n, row in enumerate(suppressed):
            row.created_at = self.now - timedelta(days=180) * n / len(suppressed)
        Suppression.objects.bulk_update(suppressed, ["created_at"], BATCH // 10)

    def _client(self, number: int) -> Client:
        address = self._address(number)
        return Client(
            owner=self.owner,
            email=address,
            email_normalised=address,
            full_name=f"Клиент Номер-{number:06}",
            attributes={"city": f"Город {number % 50}"},
        )

    def _address(self, number: int) -> str:
        return f"client{number}.{self.owner.pk}@volume.example"

    def _lists(self) -> list[ClientList]:
        found = []
        for name, every in (("Все", 1), ("Каждый второй", 2), ("Каждый десятый", 10)):
            row = ClientList.objects.create(owner=self.owner, name=name)
            members = self._own_clients().annotate(rest=F("pk") % every).filter(rest=0)
            insert(
                ClientList.clients.through,
                members,
                {"clientlist": Value(row.pk, IntegerField()), "client": F("pk")},
            )
            found.append(row)
        return found

    def _own_clients(self) -> QuerySet[Client]:
        return Client.objects.filter(owner=self.owner)

    # ------------------------------------------------------------ what

    def _mailing(
        self, name: str, message: Message, frequency: Frequency, lists: Iterable[ClientList]
    ) -> Mailing:
        row = Mailing.objects.create(
            owner=self.owner,
            name=name,
            message=message,
            frequency=frequency,
            start_at=self.now - timedelta(days=180),
            time_zone=self.owner.time_zone,
            status=MailingStatus.PAUSED,
            status_actor=Actor.OWNER,
        )
        row.lists.set(lists)
        return row

    def _run(self, mailing: Mailing, ago: int, step: timedelta) -> Run:
        at = self.now - step * ago - timedelta(minutes=MINUTES_OF_A_RUN)
        return Run.objects.create(
            mailing=mailing,
            scheduled_for=at,
            started_at=at,
            finished_at=at + timedelta(minutes=MINUTES_OF_A_RUN),
            status=RunStatus.DONE,
            subject=mailing.message.subject,
            html=mailing.message.body,
            sender_email="volume@volume.example",
        )

    # ------------------------------------------------------------ deliveries

    def _deliver(self, runs: list[Run], number: int, offset: int, has_open: bool = False) -> None:
        """Give each run deliveries to `number` clients; the last run may still be open."""
        first = self._own_clients().order_by("pk").values_list("pk", flat=True)[0]
        size = -(-number // PIECES)
        begin = first + (offset * number) % max(1, self.clients - number + 1)
        for run in runs:
            is_open = has_open and run == runs[-1]
            for piece in range(PIECES):
                low = begin + piece * size
                high = min(low + size, begin + number)
                clients = self._own_clients().filter(pk__gte=low, pk__lt=high)
                at = run.scheduled_for + timedelta(minutes=1 + piece)
                self._piece(run, clients.annotate(part=F("pk") % 1000), at, is_open)
            if is_open:
                Run.objects.filter(pk=run.pk).update(status=RunStatus.SENDING, finished_at=None)

    def _piece(self, run: Run, clients: QuerySet[Client], at: datetime, is_open: bool) -> None:
        waits = Q(part__gte=LEAST_OPEN if is_open else 1000)
        settled = Case(When(waits, then=None), default=Value(at))
        insert(
            Delivery,
            clients,
            {
                "run": Value(run.pk, IntegerField()),
                "client": F("pk"),
                "address": F("email_normalised"),
                "full_name": F("full_name"),
                "variables": F("attributes"),
                "status": _case(
                    D.SENT, (waits, D.PENDING), (SUPPRESSED, D.SKIPPED), (FAILED, D.FAILED),
                    (UNCERTAIN, D.UNCERTAIN),
                ),
                "reason": _case("", (SUPPRESSED, SkipReason.SUPPRESSED)),
                "tries": Case(When(waits | SUPPRESSED, then=0), default=1),
                "attempt_count": Case(When(waits | SUPPRESSED, then=0), default=1),
                "finished_at": settled,
            },
        )  # fmt: skip
        deliveries = Delivery.objects.filter(run=run, finished_at=at, attempt_count=1)
        tried = deliveries.annotate(part=F("client") % 1000)
        answers = [(Q(part__lt=below), answer) for below, *answer in REPLIES]
        lost = (UNCERTAIN, None)
        insert(
            Attempt,
            tried,
            {
                "delivery": F("pk"),
                "number": Value(1),
                "started_at": F("finished_at"),
                "duration_ms": F("part") + 20,
                "outcome": _case(
                    Outcome.ACCEPTED, (FAILED, Outcome.PERMANENT), (UNCERTAIN, Outcome.UNCERTAIN)
                ),
                "code": Case(
                    *(When(q, then=Value(a[0])) for q, a in answers),
                    When(lost[0], then=None),
                    default=Value(250),
                    output_field=IntegerField(),
                ),
                "enhanced_code": _case("", *((q, a[1]) for q, a in answers)),
                "step": _case("dot", *((q, a[2]) for q, a in answers)),
                "reply": _case(
                    "2.0.0 Ok: queued", *((q, a[3]) for q, a in answers), (UNCERTAIN, "")
                ),
            },
        )

    def _count(self, runs: QuerySet[Run]) -> None:
        """Write the runs' counters by one look at all deliveries."""
        found = Delivery.objects.filter(run__in=runs).order_by().values_list("run", "status")
        counters: dict[int, dict[str, int]] = {}
        for run_id, status, number in found.annotate(number=Count("pk")):
            values = counters.setdefault(run_id, {"targeted": 0})
            values["targeted"] += number
            if status in Run.COUNTED:
                values[f"{status}_count"] = number
        for run_id, values in counters.items():
            Run.objects.filter(pk=run_id).update(**values)


def _case(default: str, *cases: tuple[Q, Any]) -> Case:
    return Case(
        *(When(condition, then=Value(str(value))) for condition, value in cases),
        default=Value(str(default)),
        output_field=CharField(),
    )


def insert(model: type[models.Model], rows: QuerySet[Any], columns: Mapping[str, Any]) -> None:
    """Insert one row of `model` for each of `rows`; columns not named get their default."""
    values = dict(columns)
    for field in (f for f in model._meta.concrete_fields if not f.generated):
        if field.name not in values and not field.primary_key:
            values[field.name] = Value(field.get_default(), field)
    names: dict[str, Any] = {
        name: model._meta.get_field(name).column  # type: ignore[union-attr]
        for name in values
    }
    selected = rows.order_by().values_list(*values.values())
    select, parameters = selected.query.sql_with_params()
    quote = connection.ops.quote_name
    listed = ", ".join(quote(column) for column in names.values())
    with connection.cursor() as cursor:
        table = quote(model._meta.db_table)
        cursor.execute(f"INSERT INTO {table} ({listed}) {select}", parameters)
