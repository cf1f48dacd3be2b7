"""After a run: once more to those it failed for, or to those who came since.

A settled delivery never changes, so what goes again is a mailing of its own, to single clients,
that `follows` the run. Whoever is in a follow-up is not offered for another one: two clicks make
one mailing.
"""

from datetime import timedelta

from django.db import connection, transaction
from django.db.models import Exists, F, IntegerField, OuterRef, QuerySet, Value
from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from accounts.models import User
from mailings import audit
from mailings.addressing import senders
from mailings.campaigns import editing, services
from mailings.campaigns.editing import MailingInput
from mailings.delivery.runs import recipients
from mailings.errors import Refused
from mailings.models import Attempt, Client, Delivery, Mailing, Run, staying
from mailings.states import FINAL, DeliveryStatus, MailingStatus, RunStatus
from mailings.suppression import stop_list
from mailings.tracking import rule

NAME_LENGTH = 120
WRONG_ADDRESS = "5.1."  # RFC 3463: what is wrong is the address itself

Chosen = Mailing.clients.through


def may_go_again(run: Run) -> QuerySet[Client]:
    """Return the clients whom the run failed for, and for whom another try makes sense.

    Not those who must not be written to, nor those whose address the server called wrong for
    good – unless the address was mended since.
    """
    last = (
        Attempt.objects.alias(address=Lower("delivery__address"))
        .filter(
            delivery__run=run,
            delivery__unusual_status=DeliveryStatus.FAILED,
            delivery__client__isnull=False,
            number=F("delivery__attempt_count"),
        )
        .exclude(
            enhanced_code__startswith=WRONG_ADDRESS,
            address=F("delivery__client__email_normalised"),
        )
    )
    rows = Client.objects.filter(pk__in=last.values("delivery__client"))
    return _free(rows, run.mailing)


def came_since(run: Run) -> QuerySet[Client]:
    """Return who would get the mailing now and is not in the run."""
    rows = recipients.recipients_of(run.mailing).filter(
        ~Exists(Delivery.objects.filter(run=run, client=OuterRef("pk"))),
        ~Exists(Delivery.objects.filter(run=run, address=OuterRef("email_normalised"))),
    )
    return _free(rows, run.mailing)


def _free(clients: QuerySet[Client], mailing: Mailing) -> QuerySet[Client]:
    followed = Chosen.objects.filter(client=OuterRef("pk"), mailing__follows__mailing=mailing)
    return clients.filter(~Exists(followed), ~stop_list.is_suppressed(mailing.owner_id))


def newest_run(mailing: Mailing) -> Run | None:
    """Return the newest run that had recipients."""
    runs = mailing.runs.exclude(targeted=0).select_related("mailing").defer("html", "text")
    return runs.order_by("-scheduled_for", "-pk").first()


@transaction.atomic
def retry_failed(*, run: Run, by: User, hold: timedelta = services.AT_ONCE) -> Mailing:
    """Make a mailing at once to those whom the run failed for; `hold` as when one is scheduled."""
    _lock(run)
    if run.status not in FINAL[RunStatus]:
        raise Refused(_("The run is still under way. Wait until it is done."))
    name = _("%(mailing)s – again") % {"mailing": run.mailing}
    made = _follow_up(run, name, may_go_again(run), by, hold)
    audit.record(audit.Action.RETRY, run.mailing, by)
    return made


@transaction.atomic
def send_to_added(*, mailing: Mailing, by: User, hold: timedelta = services.AT_ONCE) -> Mailing:
    """Make a mailing at once to the recipients who are not in the newest run."""
    run = newest_run(mailing)
    if run is None:
        raise Refused(_("The mailing has not run yet: its first run takes everybody."))
    _lock(run)
    name = _("%(mailing)s – for new clients") % {"mailing": mailing}
    return _follow_up(run, name, came_since(run), by, hold)


def _lock(run: Run) -> None:
    """Let one follow-up of a mailing be made at a time, and none of a forbidden one."""
    # Whoever went meanwhile would break a foreign key. Before the row, as when a run is planned.
    staying.keep_all_of(run.mailing.owner_id)
    mailing = Mailing.objects.select_for_update().get(pk=run.mailing_id)
    if mailing.status == MailingStatus.STOPPED:
        raise Refused(_("The mailing was stopped by a manager: only a manager may allow it again."))


def _follow_up(
    run: Run, name: str, clients: QuerySet[Client], by: User, hold: timedelta
) -> Mailing:
    origin = run.mailing
    data = MailingInput(
        name=name[:NAME_LENGTH],
        message=origin.message,
        # An address from before the rule against them: the profile's name stood in its place.
        sender_name=origin.sender_name if senders.is_name(origin.sender_name) else "",
        sender_address=origin.sender_address,
        reply_to=origin.reply_to,
        track_opens=origin.track_opens and rule.is_allowed(),
        track_clicks=origin.track_clicks and rule.is_allowed(),
        link_parameters=origin.link_parameters,
        start_at=None,
        time_zone=origin.time_zone,
    )
    made = editing.create_mailing(data=data, owner=origin.owner, by=by, follows=run)
    if not _choose(made, clients):
        raise Refused(_("There is nobody to write to: everybody has been written to already."))
    services.schedule_mailing(mailing=made, by=by, hold=hold)
    return made


def _choose(mailing: Mailing, clients: QuerySet[Client]) -> int:
    """Make them the mailing's single clients by one statement; return how many there are."""
    rows = clients.order_by().values_list(Value(mailing.pk, IntegerField()), "pk")
    select, parameters = rows.query.sql_with_params()
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {quote(Chosen._meta.db_table)} "
            f"({quote('mailing_id')}, {quote('client_id')}) {select}",
            parameters,
        )
        return int(cursor.rowcount)
