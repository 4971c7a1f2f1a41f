"""What a reviewer asks of the trail, and which events answer it."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

from django.db import models
from django.db.models import Q
from django.db.models.fields.json import KeyTransform

from trialsite.audit.models import Event, EventQuerySet
from trialsite.casebook.models import Record
from trialsite.outbox.models import Message
from trialsite.participants.models import Participant
from trialsite.staff.models import Signature, SignedVersion, User

_COVERED: Final = SignedVersion._meta.db_table
_MESSAGE: Final = Message._meta.db_table
_BORN: Final = Q(table_name=Participant._meta.db_table, action="insert")


@dataclass(frozen=True)
class Asked:
    """What a reviewer asks for; empty fields leave everything in."""

    participant: str = ""
    person: str = ""
    table: str = ""
    field: str = ""
    since: dt.date | None = None
    until: dt.date | None = None


class _Differs(models.Func):
    """Whether two expressions differ, where one or both may be missing."""

    template = "(%(expressions)s)"
    arg_joiner = " IS DISTINCT FROM "
    output_field = models.BooleanField()


def events(actor: User, asked: Asked) -> EventQuerySet:
    """The events that fit, newest first, of those that `actor` may read."""
    found = Event.objects.visible_to(actor)
    if asked.participant:
        found = found.filter(about(actor, asked.participant))
    if asked.person:
        found = found.filter(actor_id__in=User.objects.filter(username=asked.person).values("pk"))
    if asked.table:
        found = found.filter(table_name=asked.table)
    if asked.field:
        # A column of the table, or an item among a record's values that this event changed.
        before, after = (
            KeyTransform(asked.field, KeyTransform(side, KeyTransform("data", "changes"))) for side in "01"
        )
        item = Q(table_name=Record._meta.db_table) & Q(_Differs(before, after))
        found = found.filter(Q(changes__has_key=asked.field) | item)
    if asked.since:
        found = found.filter(at__date__gte=asked.since)
    if asked.until:
        found = found.filter(at__date__lte=asked.until)
    return found


def about(actor: User, code: str) -> Q:
    """What happened to the rows of a participant, to signatures over them and to messages about them.

    The trail itself tells what belongs together, so that a hospital from which the participant moved finds its share.
    """
    seen = Event.objects.visible_to(actor)
    born = seen.filter(_BORN, changes__code__1=code).values_list("participant_id", flat=True)
    people = {*born, *Participant.objects.visible_to(actor).filter(code=code).values_list("pk", flat=True)}
    made = seen.filter(action="insert")
    over = made.filter(participant_id__in=people, changes__has_key="signature_id")
    envelopes = made.filter(
        table_name=_COVERED, changes__kind__1="envelope", changes__record_id__1__in=people
    )
    signed = {
        *over.values_list("changes__signature_id__1", flat=True),
        *envelopes.values_list("changes__signature_id__1", flat=True),
    }
    told = made.filter(table_name=_MESSAGE, changes__subject_code__1=code).values_list("row_key", flat=True)
    return (
        Q(participant_id__in=people)
        | Q(table_name=Signature._meta.db_table, row_key__in=[str(key) for key in signed])
        | Q(table_name=_COVERED, changes__signature_id__1__in=signed)
        | Q(table_name=_MESSAGE, row_key__in=list(told))
    )


def codes(actor: User) -> dict[int, str]:
    """{key: code} of the participants in what `actor` may read, of those too who moved to another hospital since."""
    births = Event.objects.visible_to(actor).filter(_BORN).order_by()
    before: dict[Any, str] = dict(births.values_list("participant_id", "changes__code__1"))
    return before | dict(Participant.objects.visible_to(actor).values_list("pk", "code"))
