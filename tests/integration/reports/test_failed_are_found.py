"""Failed deliveries are found by their index: to walk a run of a million takes half a second."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailings.campaigns import follow_ups
from mailings.models import Attempt, Delivery, Run
from mailings.reports import failures
from mailings.reports.filters import DeliveryFilter
from mailings.states import DeliveryStatus, Outcome
from tests import factories

SENT, FAILED = 2_000, 5
OUTCOMES = {DeliveryStatus.SENT: Outcome.ACCEPTED, DeliveryStatus.FAILED: Outcome.PERMANENT}


@pytest.fixture
def run(owner) -> Run:
    run = factories.make_run(factories.make_mailing(owner), targeted=SENT + FAILED)
    statuses = [DeliveryStatus.SENT] * SENT + [DeliveryStatus.FAILED] * FAILED
    clients = factories.make_clients(owner, len(statuses))
    now = timezone.now()
    Delivery.objects.bulk_create(
        Delivery(
            run=run,
            client=client,
            address=client.email_normalised,
            status=status,
            attempt_count=1,
            finished_at=now,
        )
        for client, status in zip(clients, statuses, strict=True)
    )
    # An empty table of attempts would be the shortest way to every delivery.
    Attempt.objects.bulk_create(
        Attempt(delivery=delivery, number=1, started_at=now, outcome=OUTCOMES[delivery.status])
        for delivery in run.deliveries.all()
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return run


ASKED = {
    "the reasons of a report": lambda run: failures.over(Run.objects.filter(pk=run.pk)),
    "the reasons of a run": failures.of_run,
    "a list of deliveries": lambda run: DeliveryFilter({"status": "failed"}).apply(
        run.deliveries.all()
    ),
    "who may get it again": follow_ups.may_go_again,
}


@pytest.mark.parametrize("asked", ASKED)
def test_failed_deliveries_are_found_by_their_index(run, asked):
    with CaptureQueriesContext(connection) as seen:
        list(ASKED[asked](run))
    every = [query["sql"] for query in seen.captured_queries]
    queries = [sql for sql in every if "mailings_delivery" in sql]
    assert queries
    explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    for sql in queries:
        with connection.cursor() as cursor:
            cursor.execute(f"{explain} {sql}".replace("%", "%%"), [])
            plan = "\n".join(str(row) for row in cursor.fetchall())
        assert "delivery_unusual" in plan, plan
