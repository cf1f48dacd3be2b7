"""What a benchmark does through the product's own code, in a process that does nothing else.

Reads commands as lines of JSON (`{"do": name, …}`) and answers each with one. The environment
names the database and the queue, as it does for `manage.py`.
"""

import io
import json
import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import django

OWNER = "owner@example.org"
SUBJECT = "{{ first_name }}, the digest of {{ company }} is here"
PARAGRAPH = (
    "<p>We have prepared the digest of product news, articles and events for {{ company }}; it"
    " takes five minutes to read. Discounts &amp; offers: the second item in every category is at"
    " half price until Sunday, and delivery is free for holders of the card {{ card }}.</p>"
)
BODY = (
    '<h2>Hello {{ first_name|default:"reader" }},</h2>'
    + PARAGRAPH
    + '<p><a href="https://shop.example.ru/?card={{ card }}">The account of {{ full_name }}</a></p>'
)
"""A short letter. The frame that the product puts around it is most of the mail: nearly 8 kB as
multipart/alternative, variables in subject, text and HTML."""

COLUMNS = ["email", "full_name", "attr:city", "attr:card", "comment"]
"""What the columns of the imported files hold."""


class Director:
    def people(self, *, connections: int) -> None:
        """Make the owner, the message and the transport; clients come by SQL."""
        from accounts.models import User
        from mailings.models import Message, Transport

        owner = User.objects.create_user(OWNER, full_name="Olga Orlova", language="en")
        Message.objects.create(owner=owner, subject=SUBJECT, preheader="News", body=BODY)
        if connections:
            Transport.objects.update_or_create(
                name="EMAIL_URL", defaults={"url": "", "max_connections": connections}
            )

    def draft(
        self,
        *,
        name: str,
        start_at: float | None = None,
        audience: str = "",
        segment: dict[str, Any] | None = None,
    ) -> int:
        """Make a mailing to the list of that name, or to a segment of those conditions."""
        from accounts.models import User
        from mailings.models import ClientList, Mailing, Segment

        owner = User.objects.get(email=OWNER)
        start = datetime.fromtimestamp(start_at or time.time(), UTC)
        mailing = Mailing.objects.create(
            owner=owner, name=name, message=owner.messages.get(), sender_name="Vestnik",
            start_at=start, time_zone="Europe/Moscow",
        )  # fmt: skip
        if audience:
            mailing.lists.set(ClientList.objects.filter(owner=owner, name=audience))
        if segment:
            mailing.segments.set(
                [Segment.objects.create(owner=owner, name=name, conditions=segment)]
            )
        return mailing.pk

    def count_segment(self, *, conditions: dict[str, Any]) -> dict[str, float | None]:
        """Count whom conditions find, as their page does; return what it took."""
        from accounts.models import User
        from mailings.clients.segments import compiling, counting, reading
        from mailings.timing import clock

        owner = User.objects.get(email=OWNER)
        began = time.perf_counter()
        rows = compiling.clients_matching(reading.read(conditions), owner, clock.now())
        found = counting.count(rows, within=60)
        return {"found": found, "seconds": time.perf_counter() - began}

    def start(self, *, mailing: int) -> None:
        from mailings.campaigns import services
        from mailings.models import Mailing

        row = Mailing.objects.select_related("owner").get(pk=mailing)
        services.schedule_mailing(mailing=row, by=row.owner)

    def due_together(self, *, count: int, start_at: float) -> dict[str, float]:
        """Start so many mailings of one recipient each; return which address is due when."""
        from mailings.models import Client, Mailing

        due = {}
        for client in Client.objects.order_by("pk")[:count]:
            number = self.draft(name=client.email, start_at=start_at)
            mailing = Mailing.objects.get(pk=number)
            mailing.clients.set([client])
            self.start(mailing=number)
            due[client.email_normalised] = start_at
        return due

    def past_run(self, *, mailing: int, days: int, count: int) -> int:
        """Make a run of so many days ago to so many, all sent; its deliveries come by SQL."""
        from mailings.models import Run

        at = datetime.now(UTC) - timedelta(days=days)
        run = Run.objects.create(
            mailing_id=mailing, scheduled_for=at, started_at=at, finished_at=at, status="done",
            targeted=count, sent_count=count,
        )  # fmt: skip
        return run.pk

    def delete_clients(self, *, but: str) -> dict[str, float]:
        """Delete all clients but those on the list of that name; return what the answer took."""
        from accounts.models import User
        from mailings.clients import deleting
        from mailings.models import Client

        owner = User.objects.get(email=OWNER)
        began = time.perf_counter()
        chosen = Client.objects.filter(owner=owner).exclude(lists__name=but)
        deleting.delete(chosen=chosen, by=owner)
        return {"seconds": time.perf_counter() - began}

    def articles(self) -> None:
        """Publish the demo's articles, with pictures."""
        from home.demo.blog import load_articles

        load_articles()

    def tokens(self, *, count: int, first: int) -> list[str]:
        """Return what unsubscribes the recipients of so many deliveries, from that one on."""
        from mailings.models import Delivery
        from mailings.suppression import unsubscribe_links

        rows = Delivery.objects.order_by("pk").values_list(
            "run__mailing__owner_id", "pk", "address"
        )
        return [unsubscribe_links.token(*row) for row in rows[first : first + count]]

    def tracked(self, *, count: int) -> dict[str, list[str]]:
        """Have the newest run's letters tell of their readers; return the paths of so many
        pictures, and of a link of each of these letters."""
        from mailings.models import Delivery, Run, TrackedLink
        from mailings.tracking import links

        run = Run.objects.select_related("mailing").order_by("-pk")[0]
        Run.objects.filter(pk=run.pk).update(track_opens=True, track_clicks=True)
        TrackedLink.objects.create(
            owner_id=run.mailing.owner_id, run=run, position=1, url="https://shop.example/"
        )
        rows = Delivery.objects.filter(run=run).order_by("pk").values_list("pk", flat=True)
        tokens = [links.token(run.pk, pk) for pk in rows[:count]]
        return {
            "pictures": [f"{links.OPEN_PATH}{token}.gif" for token in tokens],
            "links": [f"{links.CLICK_PATH}{token}/1" for token in tokens],
        }

    def plan(self) -> dict[str, float]:
        """Make the runs that are due, as the task does; return what it took."""
        from mailings.delivery.runs import planning
        from mailings.timing import clock

        before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        runs = planning.plan(clock.now())
        seconds = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {"runs": runs, "seconds": seconds, "cpu": cpu}

    def upload(self, *, path: str) -> int:
        """Bring a file of clients, as the page does."""
        from accounts.models import User
        from mailings.clients.importing import services as imports

        file = Path(path)
        owner = User.objects.get(email=OWNER)
        return imports.upload(owner=owner, name=file.name, content=file.read_bytes()).pk

    def check_import(self, *, row: int) -> str:
        """Ask for the dry run; return when."""
        from mailings.clients.importing import services as imports
        from mailings.models import Import

        brought = Import.objects.select_related("owner").get(pk=row)
        imports.check(
            row=brought, by=brought.owner, mapping=COLUMNS, target=None, new_list="All",
            consent="form",
        )  # fmt: skip
        return brought.status_at.isoformat()

    def start_import(self, *, row: int) -> str:
        """Ask for the import; return when."""
        from mailings.clients.importing import services as imports
        from mailings.models import Import

        brought = Import.objects.select_related("owner").get(pk=row)
        imports.start(row=brought, by=brought.owner)
        return brought.status_at.isoformat()

    def export(self, *, kind: str) -> dict[str, float]:
        """Write all clients as a file that is thrown away; return what it took."""
        from accounts.models import User
        from mailings.clients import exporting
        from mailings.models import Client
        from mailings.spreadsheets import downloads

        owner = User.objects.get(email=OWNER)
        began = time.perf_counter()
        rows = exporting.clients(owner, Client.objects.filter(owner=owner))
        size = sum(len(part) for part in downloads.parts(rows, kind))
        return {"seconds": time.perf_counter() - began, "bytes": size}

    def size(self) -> int:
        """Return the bytes of one mail of the newest run."""
        from django.utils import timezone

        from mailings.delivery.runs import composing
        from mailings.models import Delivery

        delivery = Delivery.objects.select_related("run").order_by("-pk")[0]
        compiled = composing.compile_run(delivery.run)
        return len(composing.render(compiled, delivery, timezone.now()))

    def letter(self, *, values: dict[str, str]) -> str:
        """Return one mail of the newest run whose values are these, as a pattern of all others."""
        from django.utils import timezone

        from mailings.delivery.runs import composing
        from mailings.models import Run
        from mailings.rendering import compiler

        recipient = compiler.Recipient(
            address=values["address"] + "@example.org",
            full_name=values["name"],
            variables={"first_name": values["name"], "company": values["company"],
                       "card": values["card"]},
            message_id=f"<{values['number']}@news.example.org>",
            unsubscribe_url=f"https://news.example.org/u/{values['token']}/",
        )  # fmt: skip
        compiled = composing.compile_run(Run.objects.order_by("-pk")[0])
        letter = compiled.render(recipient, timezone.now()).decode("latin-1")
        return letter.replace(recipient.address, values["address"])

    def check(self) -> str:
        """Return what check_ledger says."""
        from django.core.management import call_command

        said = io.StringIO()
        try:
            call_command("check_ledger", stdout=said)
        except SystemExit:
            return f"BROKEN: {said.getvalue().strip()}"
        return said.getvalue().strip()


def main() -> None:
    django.setup()
    director = Director()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        command: dict[str, Any] = json.loads(line)
        answer = getattr(director, command.pop("do"))(**command)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
