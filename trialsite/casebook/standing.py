"""What stands around a record when it is saved: itself, locks, signatures, verifications, consent and withdrawal.

One statement reads it all, under the participant's lock. It is plain SQL: building four statements by the ORM took a
third of a save.
"""

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from django.db import connection

from trialsite.casebook.errors import Locked
from trialsite.casebook.models import Lock, LockQuerySet, Record, Verification
from trialsite.core import clock
from trialsite.core.statements import columns_of, made_of
from trialsite.participants.errors import UseOfDataWithdrawn
from trialsite.participants.models import Participant, Withdrawal
from trialsite.protocol.definition import Form
from trialsite.staff import signatures

# A record that comes ends the signatures over the casebook, one that changes those that cover it. Either ends those
# that rest on the screening, where it belongs to that: a second count decides as the first one did.
_READ: Final = """
SELECT (SELECT min(w."on") FROM participants_withdrawal w
         WHERE w.participant_id = %(participant)s AND w.level = 'data'),
       (SELECT min(c.patient_signed_at) FROM participants_consent c WHERE c.participant_id = %(participant)s),
       ARRAY(SELECT l.id FROM casebook_lock l
              WHERE l.lifted_at IS NULL
                AND (l.level = 'database'
                     OR l.participant_id = %(participant)s
                        AND (l.level = 'participant' OR l.level = 'visit' AND l.event = %(event)s
                             OR l.level IN ('form', 'item') AND l.record_id = r.id))),
       ARRAY(SELECT o.id
               FROM (SELECT b.signature_id FROM casebook_casebooksignature b
                      WHERE r.id IS NULL AND b.participant_id = %(participant)s
                     UNION
                     SELECT v.signature_id FROM staff_signedversion v WHERE v.kind = 'record' AND v.record_id = r.id
                     {screening}) o(id)
              WHERE (SELECT s.fallen_at IS NULL FROM staff_signature s WHERE s.id = o.id)),
       EXISTS (SELECT FROM casebook_verification f WHERE f.record_id = r.id AND f.fallen_at IS NULL),
       {others},
       {record}
  FROM (VALUES (1)) one LEFT JOIN casebook_record r
    ON r.participant_id = %(participant)s AND r.event = %(event)s AND r.form = %(form)s AND r.repeat = %(repeat)s
"""
_SCREENING: Final = """UNION
                     SELECT v.signature_id FROM casebook_record x
                       JOIN staff_signedversion v ON v.kind = 'record' AND v.record_id = x.id
                      WHERE x.participant_id = %(participant)s AND x.event = ANY (%(screening)s)"""
_OTHERS: Final = """
       (SELECT json_agg(json_build_object('event', x.event, 'form', x.form, 'repeat', x.repeat, 'data', x.data,
                                          'state', x.state))::text
          FROM casebook_record x
         WHERE x.participant_id = %(participant)s AND x.form = ANY (%(forms)s) AND x.event = ANY (%(events)s)
           AND NOT (x.state = 'draft' AND x.data = '{}' AND NOT x.once_complete)
           AND x.id IS DISTINCT FROM r.id)"""


@cache
def _read(*, screening: bool, others: bool) -> str:
    """The statement with the halves that are needed: with both, and one empty, it would be planned anew each time."""
    return _READ.format(
        screening=_SCREENING if screening else "",
        others=_OTHERS if others else "NULL",
        record=columns_of(Record, "r"),
    )


@dataclass(frozen=True)
class Reach:
    """Records of the same participant that are read along: those of these forms at these events."""

    forms: tuple[str, ...] = ()
    events: tuple[str, ...] = ()


@dataclass(frozen=True)
class Other:
    """What is read along of a record."""

    event: str
    form: str
    repeat: int
    data: Mapping[str, Mapping[str, Any]]
    state: str


@dataclass(frozen=True)
class Standing:
    """What stands around one record, or around one that is to come; locks and signatures by their keys.

    `withdrawn_on`: the day from which no data may be used. `consented_at`: the patient's first signature. `others`:
    records that were read along.
    """

    participant: Participant
    record: Record | None
    withdrawn_on: dt.date | None
    consented_at: dt.datetime | None
    locks: tuple[int, ...]
    signatures: tuple[int, ...]
    verified: bool
    others: tuple[Other, ...] = ()

    @classmethod
    def around(
        cls,
        participant: Participant,
        event: str,
        form: str,
        repeat: int = 1,
        *,
        record: Record | None = None,
        along: Reach = Reach(),
    ) -> "Standing":
        """As the actor may see it; the record of that place is read too, unless the caller has it.

        `others` are the records `along`, without that of the place. Announces the write first: who locks everything
        now waits for it, or is seen.
        """
        screening = participant.protocol_version.definition.parts.screening
        place: dict[str, int | str | list[str]] = {
            "participant": participant.pk,
            "event": event,
            "form": form,
            "repeat": repeat,
            "screening": [*screening],
            "forms": [*along.forms],
            "events": [*along.events],
        }
        statement = _read(screening=event in screening, others=bool(along.forms))
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE casebook_record IN ROW EXCLUSIVE MODE")
            cursor.execute(statement, place)
            withdrawn, consented, locks, signed, verified, others, *found = cursor.fetchone()
        if record is None and found[0] is not None:
            record = made_of(Record, found)
        if record is not None:
            record.participant = participant
        read = tuple(Other(**one) for one in json.loads(others or "[]"))
        return cls(participant, record, withdrawn, consented, tuple(locks), tuple(signed), verified, read)

    def require_use_of_data(self, form: Form | None) -> None:
        """After a withdrawal of the use of data nothing is captured but a death, a withdrawal sent again, and what
        became of a serious adverse event that is being reported: that is owed to the authorities whatever the
        participant permits the trial.
        """
        if self.withdrawn_on and not (
            form and (form.drives in ("death", "withdrawal") or self._reports(form))
        ):
            raise UseOfDataWithdrawn(participant=self.participant.code, day=self.withdrawn_on)

    def _reports(self, form: Form) -> bool:
        """Whether the record is there, and is the report of a serious adverse event."""
        safety = self.participant.protocol_version.definition.safety
        return self.record is not None and safety is not None and form.code == safety.report.form

    def require_unlocked(self, new: Mapping[str, Any]) -> None:
        """Raise Locked where a freeze or lock bears on a change to `new`; a trigger stands behind this."""
        old = self.record.data if self.record else {}
        for lock in Lock.objects.filter(pk__in=self.locks) if self.locks else ():
            if lock.level != Lock.Level.ITEM or old.get(lock.item) != new.get(lock.item):
                raise Locked(
                    reach=Lock.Level(lock.level).label, kind=Lock.Kind(lock.kind).label, reason=lock.reason
                )

    def fall(self, changed: Iterable[str], why: str) -> int:
        """Before the row changes: what rested on the items `changed` falls. Returns how many signatures did."""
        if self.verified:
            Verification.objects.filter(record=self.record, item__in=["", *changed], fallen_at=None).update(
                fallen_at=clock.now(), fallen_reason=why[:300]
            )
        return signatures.let_fall(signatures=self.signatures, reason=why) if self.signatures else 0


def require_use(participant: Participant, *, on: dt.date | None = None) -> None:
    """Raise UseOfDataWithdrawn where the participant has withdrawn it; with `on`, for what happened from then on alone.

    For what is no record and tells of the participant all the same: a visit.
    """
    withdrawn = Withdrawal.objects.filter(participant=participant, level=Withdrawal.Level.DATA)
    day = withdrawn.values_list("on", flat=True).first()
    if day and (on is None or on >= day):
        raise UseOfDataWithdrawn(participant=participant.code, day=day)


def require_open(participant: Participant, *, event: str = "", record: Record | None = None) -> None:
    """Raise Locked where a freeze or lock stands over the participant, the event or the record as a whole.

    For what is no record and yet stands under these: visits, consents, files, the steps of the path. Announces the
    write, as `Standing.around` does; triggers stand behind this.
    """
    _announce()
    over = Lock.objects.over(
        participant=participant.pk,
        event=record.event if record else event,
        record=record.pk if record else None,
    )
    _refuse(over.exclude(level=Lock.Level.ITEM))


def require_all_open() -> None:
    """Raise Locked where a freeze or lock stands over everything: nobody is registered then. A trigger is behind."""
    _announce()
    _refuse(Lock.objects.standing().filter(level=Lock.Level.DATABASE))


def _announce() -> None:
    """Who locks everything now waits for this write, or is seen by it."""
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE casebook_record IN ROW EXCLUSIVE MODE")


def _refuse(locks: LockQuerySet) -> None:
    for lock in locks:
        raise Locked(reach=Lock.Level(lock.level).label, kind=Lock.Kind(lock.kind).label, reason=lock.reason)
