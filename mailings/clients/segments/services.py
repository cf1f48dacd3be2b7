"""What people do with segments: make, change, copy and delete them. Every door calls these.

They refuse with `Refused` (`Invalid`: of which field) or with Django's `PermissionDenied`.
"""

from copy import copy
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.utils import IntegrityError
from django.utils.translation import gettext as _

from accounts.models import User
from mailings import audit, permissions
from mailings.addressing import unseen
from mailings.audit import Action
from mailings.clients.segments import reading, references
from mailings.clients.segments import words as in_words
from mailings.clients.segments.conditions import Definition
from mailings.errors import Invalid, Refused
from mailings.inputs import UNCHANGED, Faults, Unchanged, given, lay_over
from mailings.models import Mailing, Segment
from mailings.states import FINAL, MailingStatus
from mailings.web import words

MAX_SEGMENTS = 200  # of an owner
NAME_LENGTH = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentInput:
    """What a segment is to be."""

    name: str | Unchanged = UNCHANGED
    definition: Definition | Unchanged = UNCHANGED


class DuplicateSegment(Invalid):
    """The owner has a segment of this name."""


@transaction.atomic
def create_segment(*, data: SegmentInput, owner: User, by: User) -> Segment:
    """Make a segment. Raises `Invalid`, of a name that is there already `DuplicateSegment`."""
    segment = Segment(owner=owner)
    permissions.require_owner(segment, by)
    _require_room(owner)
    return _write(segment, data)


@transaction.atomic
def change_segment(*, segment: Segment, data: SegmentInput, by: User) -> Segment:
    """Change what is given. Raises the same as `create_segment`."""
    permissions.require_owner(segment, by)
    return _write(segment, data)


@transaction.atomic
def duplicate_segment(*, segment: Segment, by: User) -> Segment:
    """Make a copy with a name of its own."""
    permissions.require_owner(segment, by)
    _require_room(segment.owner)
    copied = Segment(owner=segment.owner, name=_free_name(segment), conditions=segment.conditions)
    copied.save()
    return copied


def check_segment(segment: Segment, data: SegmentInput) -> None:
    """Raise what writing this would raise, and write nothing."""
    _fill(copy(segment), data)


@transaction.atomic
def delete_segment(*, segment: Segment, by: User) -> None:
    """Delete a segment, not its clients; refused while a mailing that goes on relies on it."""
    permissions.require_owner(segment, by)
    # A mailing that begins to leave it out meanwhile waits here, and then is told that it is gone.
    list(Segment.objects.select_for_update().filter(pk=segment.pk).values_list("pk"))
    using = users_of(segment)
    if using.exists():
        said = _("The segment is used by %(mailings)s. Take it out of them or cancel them first.")
        raise Refused(said % {"mailings": words.named_in_short(using)})
    audit.record(Action.DELETE, segment, by)
    segment.delete()


def users_of(segment: Segment) -> QuerySet[Mailing]:
    """Return the mailings that go on and rely on the segment. Also one that leaves it out: without
    it a mailing would go to more people than agreed."""
    named = Q(segments=segment) | Q(excluded_segments=segment)
    users = Mailing.objects.filter(named).exclude(status__in=FINAL[MailingStatus])
    return users.distinct().order_by("-created_at")


def _require_room(owner: User) -> None:
    """Raise `Refused` unless there may be one more segment. Who makes another one meanwhile waits:
    of two tabs that copy, each finds a name."""
    User.objects.select_for_update(no_key=True).get(pk=owner.pk)
    if Segment.objects.filter(owner=owner).count() >= MAX_SEGMENTS:
        said = _("No more than %(most)d segments. Delete one that is not needed.")
        raise Refused(said % {"most": MAX_SEGMENTS})


def _free_name(segment: Segment) -> str:
    taken = set(Segment.objects.filter(owner=segment.owner).values_list("name", flat=True))
    base = _("%(name)s – copy") % {"name": segment.name[: NAME_LENGTH - 20]}
    names = [base, *(f"{base} {number}" for number in range(2, MAX_SEGMENTS + 2))]
    return next(name for name in names if name not in taken)


def _write(segment: Segment, data: SegmentInput) -> Segment:
    changed = _fill(segment, data)
    is_new = segment._state.adding
    try:
        with transaction.atomic():
            segment.save(update_fields=None if is_new else changed | {"updated_at"})
    except IntegrityError:
        if _is_taken(segment):  # somebody was first by a moment
            raise DuplicateSegment({"name": _taken()}) from None
        raise
    return segment


def _fill(segment: Segment, data: SegmentInput) -> set[str]:
    values, faults = given(data), Faults()
    if segment._state.adding:
        values.setdefault("definition", None)
    if "name" in values:
        values["name"] = unseen.tidy(values["name"]).strip()
    if "definition" in values:
        definition = values.pop("definition")
        try:
            reading.require_sound(definition or Definition(groups=()))
            # What a door made may be nonsense; what is read again is not.
            values["conditions"] = reading.written(reading.read(reading.written(definition)))
            references.require(definition, segment.owner)
        except reading.Unreadable as error:
            faults.add("conditions", in_words.fault(error.fault), error.fault.name.lower())
        except references.Missing:
            faults.add("conditions", in_words.gone(), "missing")
    lay_over(segment, values, faults, {"name"})
    is_taken = "name" in values and not faults.found and _is_taken(segment)
    if is_taken:
        faults.add("name", _taken(), "duplicate")
    faults.refuse(DuplicateSegment if is_taken else Invalid)
    return set(values)


def _is_taken(segment: Segment) -> bool:
    others = Segment.objects.filter(owner_id=segment.owner_id).exclude(pk=segment.pk)
    return others.filter(name=segment.name).exists()


def _taken() -> str:
    return _("You already have a segment with this name.")
