"""A deleted mailing keeps its figures: in reports, on the dashboards, on the home page."""

import csv
import io
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from mailings.campaigns import services
from mailings.cms.overview import overview
from mailings.models import Mailing, PastMailing, PastRun, Run
from mailings.reports import sums
from mailings.reports.health import health
from mailings.reports.periods import Period
from mailings.reports.site import site_figures
from mailings.states import MailingStatus
from tests import factories


def sent_mailing(owner: User, *, days_ago: int = 0, **counts: int) -> Mailing:
    """Return a completed mailing with one run, 10 recipients if nothing else is said."""
    counts = counts or {"targeted": 10, "sent_count": 7, "failed_count": 2, "skipped_count": 1}
    mailing = factories.make_mailing(owner)
    at = timezone.now() - timedelta(days=days_ago)
    Mailing.objects.filter(pk=mailing.pk).update(status=MailingStatus.COMPLETED)
    factories.make_run(
        mailing, status="done", scheduled_for=at, started_at=at, finished_at=at, **counts
    )
    mailing.refresh_from_db()
    return mailing


def figures(owner: User) -> dict[str, object]:
    """Return every sum that an owner, a manager or a visitor is shown."""
    now = timezone.now()
    period = Period.of_days(30, now, owner.zone)
    runs, past = sums.runs_in(owner, period), sums.past_runs_in(owner, period)
    total = sums.total(runs, past)
    names = ("number", "targeted", "sent_count", "failed_count", "skipped_count", "last")
    return {
        "total": [getattr(total, name) for name in names],
        "parts": [
            (part.first, part.sums.targeted, part.sums.sent_count, part.unsubscribed)
            for part in sums.parts(owner, period, runs, past)
        ],
        "sent today": health(owner, now).sent_today,
        "failed lately": overview(owner, now).failed,
        "home page": site_figures().mailings,
    }


@pytest.mark.parametrize("door", ["service", "instance", "queryset"])
def test_no_figure_changes_when_a_mailing_is_deleted(owner, door):
    mailing = sent_mailing(owner)
    sent_mailing(owner, days_ago=3)
    factories.make_leaving(mailing.runs.get())
    before = figures(owner)
    assert before["total"][:3] == [2, 20, 14]
    if door == "service":
        services.delete_mailing(mailing=mailing, by=owner)
    elif door == "instance":
        mailing.delete()
    else:
        Mailing.objects.filter(pk=mailing.pk).delete()
    assert not Run.objects.filter(mailing=mailing.pk).exists()
    assert figures(owner) == before


def test_nothing_that_names_a_recipient_or_a_text_is_kept(owner):
    mailing = sent_mailing(owner)
    run = mailing.runs.get()
    delivery = factories.make_delivery(run, factories.make_client(owner, email="anna@example.org"))
    factories.make_attempt(delivery)
    services.delete_mailing(mailing=mailing, by=owner)
    kept = [*PastMailing.objects.values_list(), *PastRun.objects.values_list()]
    said = str(kept)
    for private in ("anna", mailing.name, run.subject, owner.email):
        assert private not in said


def test_a_draft_leaves_nothing(owner):
    draft = factories.make_mailing(owner)
    before = site_figures().mailings
    services.delete_mailing(mailing=draft, by=owner)
    assert not PastMailing.objects.exists()
    assert site_figures().mailings == before


def test_the_report_shows_deleted_mailings_as_one_row_that_adds_up(client, owner):
    owner.language = "en"
    owner.save()
    first, second = sent_mailing(owner), sent_mailing(owner, days_ago=2)
    services.delete_mailing(mailing=second, by=owner)
    client.force_login(owner)
    html = client.get(reverse("mailings:report")).content.decode()
    assert "Deleted mailings" in html
    assert first.name in html
    assert second.name not in html
    answer = client.get(reverse("mailings:report_export", args=["mailings", "csv"]))
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["Mailing"] for row in rows] == [first.name, "Deleted mailings"]
    assert sum(int(row["Recipients"]) for row in rows) == 20


def test_a_report_of_one_mailing_does_not_count_deleted_ones(client, owner):
    kept, deleted = sent_mailing(owner), sent_mailing(owner)
    services.delete_mailing(mailing=deleted, by=owner)
    client.force_login(owner)
    page = client.get(reverse("mailings:report"), {"mailing": kept.pk})
    assert page.context["total"].targeted == 10


def test_all_mailings_deleted_the_report_still_stands(client, owner):
    mailing = sent_mailing(owner)
    services.delete_mailing(mailing=mailing, by=owner)
    client.force_login(owner)
    page = client.get(reverse("mailings:report"))
    assert page.context["total"].targeted == 10
    assert page.status_code == 200
    for table in ("mailings", "runs", "days", "failures"):
        for kind in ("csv", "xlsx"):
            url = reverse("mailings:report_export", args=[table, kind])
            assert client.get(url).status_code == 200


def test_a_stranger_sees_none_of_them(owner, stranger):
    services.delete_mailing(mailing=sent_mailing(owner), by=owner)
    period = Period.of_days(30, timezone.now(), stranger.zone)
    assert sums.past_runs_in(stranger, period).count() == 0


def test_keeping_costs_no_query_per_run(owner):
    counts = []
    for runs in (1, 30):
        mailing = sent_mailing(owner)
        for day in range(1, runs):
            at = timezone.now() - timedelta(days=day)
            factories.make_run(mailing, status="done", scheduled_for=at)
        with CaptureQueriesContext(connection) as queries:
            services.delete_mailing(mailing=mailing, by=owner)
        counts.append(len(queries))
    assert counts[0] == counts[1]
