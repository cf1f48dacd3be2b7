"""Plan and send what is due, here and now, as the workers would. Ctrl-C stops it cleanly."""

import signal
import sys
import threading
from collections import Counter
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mailings.delivery import signing
from mailings.delivery.queue import claiming, daily_limit
from mailings.delivery.queue.claims import AttemptResult
from mailings.delivery.runs import planning
from mailings.delivery.runs.recipients import recipients_of
from mailings.delivery.worker import send_due
from mailings.messages import proofreading
from mailings.models import Mailing
from mailings.states import ACTIVE_MAILINGS, Actor, MailingStatus, Outcome
from mailings.timing import clock

BAR = 30  # characters


class Command(BaseCommand):
    help = "Send the mailings that are due, with a progress bar and a summary."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--mailing", type=int, metavar="ID", help="this mailing only")
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be sent, and send nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        mailing_id: int | None = options["mailing"]
        if mailing_id is not None:
            self._require(mailing_id)
        if options["dry_run"]:
            self._show(mailing_id)
            return
        now = clock.now()
        claiming.rescue_expired(now)
        runs = planning.plan(now, mailing_id=mailing_id)
        held = self._held(now, mailing_id)
        outcomes = self._send(mailing_id)
        self._summarise(runs, outcomes, claiming.count_due(clock.now(), mailing_id=mailing_id))
        if held:
            raise CommandError(" ".join(held))

    def _held(self, since: datetime, mailing_id: int | None) -> list[str]:
        """Return which of the mailings that were due the service paused instead, and why."""
        rows = Mailing.objects.with_status(MailingStatus.PAUSED)
        rows = rows.filter(status_actor=Actor.SYSTEM, status_at__gte=since)
        if mailing_id is not None:
            rows = rows.filter(pk=mailing_id)
        return [f"Mailing {row.pk} was paused: {row.status_reason}" for row in rows]

    def _require(self, mailing_id: int) -> None:
        mailing = Mailing.objects.filter(pk=mailing_id).first()
        if mailing is None:
            raise CommandError(f"There is no mailing {mailing_id}.")
        if mailing.status not in ACTIVE_MAILINGS:
            label = MailingStatus(mailing.status).value
            raise CommandError(f"Mailing {mailing_id} is {label}: only created and running send.")

    def _show(self, mailing_id: int | None) -> None:
        now = clock.now()
        due = planning.due_mailings(now).order_by("next_run_at", "pk")
        if mailing_id is not None:
            due = due.filter(pk=mailing_id)
        for mailing in due.select_related("message__owner"):
            if faults := proofreading.faults(mailing.message):
                said = " ".join(fault.message for fault in faults)
                self.stdout.write(f"Mailing {mailing.pk} would be paused: {said}")
                continue
            try:
                signing.sender_of(mailing)
            except signing.SenderNotAllowed as error:
                said = f"{error.domain} is not confirmed, so nothing leaves in its name."
                self.stdout.write(f"Mailing {mailing.pk} would be paused: {said}")
                continue
            count = recipients_of(mailing).count()
            self.stdout.write(f"Mailing {mailing.pk} would run for {count} recipients.")
        waiting = claiming.count_due(now, mailing_id=mailing_id)
        self.stdout.write(f"{waiting} deliveries of runs under way would be sent.")

    def _send(self, mailing_id: int | None) -> Counter[Outcome]:
        stop = threading.Event()
        before = {
            number: signal.signal(number, lambda *_: stop.set())
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        bar = ProgressBar(self, claiming.count_due(clock.now(), mailing_id=mailing_id))
        try:
            return send_due(stopping=stop.is_set, mailing_id=mailing_id, on_result=bar.step)
        finally:
            bar.close()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _why_left(self) -> str:
        services, now = daily_limit.in_use(), clock.now()
        if services and all(daily_limit.today(row, now).is_used_up for row in services):
            return "the mail service takes no more today"
        return "the mail service rests, or Ctrl-C"

    def _summarise(self, runs: int, outcomes: Counter[Outcome], left: int) -> None:
        words = ", ".join(f"{outcome.value} {count}" for outcome, count in outcomes.items())
        self.stdout.write(f"Runs begun: {runs}. Attempts: {words or 'none'}.")
        if left:
            raise CommandError(f"{left} deliveries are left: {self._why_left()}.")
        if outcomes[Outcome.PERMANENT] or outcomes[Outcome.RENDER]:
            raise CommandError("Some deliveries failed; the log of the mailing says why.")


class ProgressBar:
    """One line that grows on a terminal; nothing in a pipe or a log."""

    def __init__(self, command: BaseCommand, total: int) -> None:
        self.out, self.total, self.done = command.stdout, total, 0
        self.shown = bool(total) and sys.stdout.isatty()

    def step(self, result: AttemptResult) -> None:
        self.done += 1
        if self.shown:
            filled = min(BAR, BAR * self.done // self.total)
            bar = "█" * filled + "·" * (BAR - filled)
            self.out.write(f"\r{bar} {self.done}/{self.total}", ending="")
            self.out.flush()

    def close(self) -> None:
        if self.shown:
            self.out.write("")
