"""What people do with one client or one list: every door (site, import, API, commands) calls these.

They refuse with `Refused` (what to mend, in the reader's language; `Invalid`: of which field) or
with Django's `PermissionDenied` (it is not theirs to do). Many at once: `bulk`, and `importing`.
"""

from collections.abc import Collection, Mapping
from copy import copy
from dataclasses import dataclass, replace
from datetime import date

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.db.utils import IntegrityError
from django.utils.translation import gettext as _

from accounts.models import User
from mailings import audit, permissions
from mailings.addressing import addresses, unseen
from mailings.audit import Action
from mailings.clients import attributes
from mailings.clients.segments import uses
from mailings.consents import ledger
from mailings.errors import Invalid, Refused
from mailings.inputs import UNCHANGED, Faults, Unchanged, given, lay_over
from mailings.models import Client, ClientList, Mailing, staying
from mailings.models.client import MAX_SOURCE, ClientOrigin
from mailings.models.tracking import forget_hits
from mailings.signals import figures_changed
from mailings.states import FINAL, MailingStatus
from mailings.web import words

TEXTS = ("full_name", "comment", "consent_source")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientInput:
    """What a client is to be."""

    email: str | Unchanged = UNCHANGED
    full_name: str | Unchanged = UNCHANGED
    comment: str | Unchanged = UNCHANGED
    attributes: Mapping[str, str] | Unchanged = UNCHANGED
    consent_source: str | Unchanged = UNCHANGED
    consent_at: date | Unchanged | None = UNCHANGED
    lists: Collection[ClientList] | Unchanged = UNCHANGED
    """All lists that the client is on then; of the same owner."""
    notes_consent: bool = True
    """Whether a consent that is new here is a line of the ledger, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListInput:
    """What a list is to be."""

    name: str | Unchanged = UNCHANGED


class DuplicateClient(Invalid):
    """The owner has a client with this mailbox."""


class DuplicateList(Invalid):
    """The owner has a list of this name."""


# ---------------------------------------------------------------- clients


@transaction.atomic
def create_client(
    *, data: ClientInput, owner: User, by: User, came_by: ClientOrigin = ClientOrigin.HAND
) -> Client:
    """Add a client. Raises `Invalid`, of a mailbox that is there already `DuplicateClient`."""
    client = Client(owner=owner, came_by=came_by)
    permissions.require_owner(client, by)
    return _write_client(client, data)


@transaction.atomic
def change_client(*, client: Client, data: ClientInput, by: User) -> Client:
    """Change what is given. Raises the same as `create_client`."""
    permissions.require_owner(client, by)
    return _write_client(client, data)


def check_client(client: Client, data: ClientInput) -> None:
    """Raise what writing this would raise, and write nothing."""
    _fill_client(copy(client), data)


@transaction.atomic
def delete_client(*, client: Client, by: User) -> None:
    """Delete a client; what waits for them is skipped, what was sent stays in the log."""
    permissions.require_owner(client, by)
    assert client.owner_id is not None  # whoever is being deleted is found by nobody
    staying.may_go([client.owner_id])
    audit.record(Action.DELETE, client, by)
    ledger.let_go(Client.objects.filter(pk=client.pk))
    forget_hits(client.deliveries.all())
    client.delete()
    transaction.on_commit(lambda: figures_changed.send_robust(Client))


def _write_client(client: Client, data: ClientInput) -> Client:
    said = (client.consent_source, client.consent_at)
    changed = _fill_client(client, data)
    is_new = client._state.adding
    try:
        with transaction.atomic():
            client.save(update_fields=None if is_new else changed | {"updated_at"})
    except IntegrityError:
        if _is_taken(client):  # somebody was first by a moment
            raise DuplicateClient({"email": _client_taken()}) from None
        raise
    if not isinstance(data.lists, Unchanged):
        client.lists.set(data.lists)
    if data.notes_consent and said != (client.consent_source, client.consent_at):
        ledger.by_hand(client)
    return client


@transaction.atomic
def take_in(
    *,
    owner: User,
    data: ClientInput,
    lists: Collection[ClientList],
    asked: str,
    on: date,
    newcomer: bool = False,
) -> Client:
    """Add a person who subscribed by themselves, or lay what they wrote over the client they are;
    put them on the lists. `asked`: where, for the summary of their consent; `on`: the day.

    An empty answer leaves what is known. The line of the ledger is the caller's. `newcomer`: raise
    `DuplicateClient` rather than change a client who is there.
    """
    try:
        client = _laid_over(owner, data, asked, on, newcomer=newcomer)
    except DuplicateClient:  # an import, say, has brought them a moment ago
        if newcomer:
            raise
        client = _laid_over(owner, data, asked, on)
    client.lists.add(*lists)
    transaction.on_commit(lambda: figures_changed.send_robust(Client))
    return client


def _laid_over(
    owner: User, data: ClientInput, asked: str, on: date, *, newcomer: bool = False
) -> Client:
    assert isinstance(data.email, str)
    mailbox = addresses.normalise(data.email)
    client = (
        Client.objects.select_for_update().filter(owner=owner, email_normalised=mailbox).first()
    )
    if client and newcomer:
        raise DuplicateClient({"email": _client_taken()})
    given_ = {} if isinstance(data.attributes, Unchanged) else data.attributes
    known = client.attributes if client else {}
    data = replace(
        data,
        email=UNCHANGED if client else data.email,
        full_name=data.full_name or UNCHANGED,
        attributes=known | {name: text for name, text in given_.items() if text},
        consent_source=asked[:MAX_SOURCE],
        consent_at=on,
        notes_consent=False,
    )
    return _write_client(client or Client(owner=owner, came_by=ClientOrigin.FORM), data)


@transaction.atomic
def choose_lists(
    *, client: Client, lists: Collection[ClientList], among: Collection[ClientList]
) -> None:
    """Leave the client on those of `among` that are in `lists`: what a person says themselves."""
    if any(row.owner_id != client.owner_id for row in among):
        raise PermissionDenied
    client.lists.remove(*[row for row in among if row not in lists])
    client.lists.add(*[row for row in among if row in lists])


@transaction.atomic
def rename(*, client: Client, full_name: str) -> None:
    """Call the client as they say themselves, also while their owner is blocked. Raises
    `Invalid`."""
    _write_client(client, ClientInput(full_name=full_name))


def _fill_client(client: Client, data: ClientInput) -> set[str]:
    """Lay what is given over the client; return which columns that are. Raises `Invalid`."""
    values, faults = given(data), Faults()
    values.pop("notes_consent")
    if any(row.owner_id != client.owner_id for row in values.pop("lists", ())):
        raise PermissionDenied
    for name in TEXTS:
        if name in values:
            values[name] = unseen.tidy(values[name]).strip()
    if "attributes" in values:
        values["attributes"] = attributes.tidied(values["attributes"])
        with faults.of("attributes"):
            attributes.require_sound(values["attributes"])
    if client._state.adding:
        values.setdefault("email", "")
    if "email" in values:
        with faults.of("email"):
            values["email"], values["email_normalised"] = addresses.read(values["email"])
    lay_over(client, values, faults, values)
    is_taken = "email_normalised" in values and _is_taken(client)
    if is_taken:
        faults.add("email", _client_taken(), "duplicate")
    faults.refuse(DuplicateClient if is_taken else Invalid)
    return set(values)


def _is_taken(client: Client) -> bool:
    others = Client.objects.filter(owner_id=client.owner_id).exclude(pk=client.pk)
    return others.filter(email_normalised=client.email_normalised).exists()


def _client_taken() -> str:
    return _("You already have a client with this address.")


# ---------------------------------------------------------------- lists


@transaction.atomic
def create_list(*, data: ListInput, owner: User, by: User) -> ClientList:
    """Make an empty list. Raises `Invalid`, of a name that is there already `DuplicateList`."""
    client_list = ClientList(owner=owner)
    permissions.require_owner(client_list, by)
    return _write_list(client_list, data)


@transaction.atomic
def change_list(*, client_list: ClientList, data: ListInput, by: User) -> ClientList:
    """Change what is given. Raises the same as `create_list`."""
    permissions.require_owner(client_list, by)
    return _write_list(client_list, data)


def check_list(client_list: ClientList, data: ListInput) -> None:
    """Raise what writing this would raise, and write nothing."""
    _fill_list(copy(client_list), data)


def list_named(*, name: str, owner: User, by: User) -> ClientList:
    """Return the owner's list of this name; it is made if there is none."""
    own = ClientList.objects.filter(owner=owner, name=list_name(name))
    try:
        return own.first() or create_list(data=ListInput(name=name), owner=owner, by=by)
    except DuplicateList:  # somebody made it a moment ago
        return own.get()


def list_name(text: str) -> str:
    """Return the name of a list as it is kept."""
    return unseen.tidy(text).strip()


@transaction.atomic
def delete_list(*, client_list: ClientList, by: User) -> None:
    """Delete a list, not its clients; refused while a mailing that goes on relies on it."""
    permissions.require_owner(client_list, by)
    # A mailing that begins to leave it out meanwhile waits here, and then is told that it is gone.
    list(ClientList.objects.select_for_update().filter(pk=client_list.pk).values_list("pk"))
    # Also a list that is left out: without it a mailing would go to more people than agreed.
    named = Q(lists=client_list) | Q(excluded_lists=client_list)
    users = Mailing.objects.filter(named).exclude(status__in=FINAL[MailingStatus])
    users = users.distinct().order_by("-created_at")
    if users.exists():
        raise Refused(
            _("The list is used by %(mailings)s. Take it out of them or cancel them first.")
            % {"mailings": words.named_in_short(users)}
        )
    # “Not on this list” would be everybody without it.
    if asking := uses.of_list(client_list):
        said = _("The list is used by %(segments)s. Take it out of these segments first.")
        raise Refused(said % {"segments": words.quoted(asking)})
    audit.record(Action.DELETE, client_list, by)
    client_list.delete()


def _write_list(client_list: ClientList, data: ListInput) -> ClientList:
    changed = _fill_list(client_list, data)
    is_new = client_list._state.adding
    try:
        with transaction.atomic():
            client_list.save(update_fields=None if is_new else changed)
    except IntegrityError:
        if _is_name_taken(client_list):
            raise DuplicateList({"name": _name_taken()}) from None
        raise
    return client_list


def _fill_list(client_list: ClientList, data: ListInput) -> set[str]:
    values, faults = given(data), Faults()
    if "name" in values:
        values["name"] = list_name(values["name"])
    lay_over(client_list, values, faults, {"name"})
    is_taken = "name" in values and not faults.found and _is_name_taken(client_list)
    if is_taken:
        faults.add("name", _name_taken(), "duplicate")
    faults.refuse(DuplicateList if is_taken else Invalid)
    return set(values)


def _is_name_taken(client_list: ClientList) -> bool:
    others = ClientList.objects.filter(owner_id=client_list.owner_id).exclude(pk=client_list.pk)
    return others.filter(name=client_list.name).exists()


def _name_taken() -> str:
    return _("You already have a list with this name.")
