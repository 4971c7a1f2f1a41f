"""What stands around a record when it is saved: locks, signatures and verifications over it, consent, withdrawal.

One statement reads it all, under the participant's lock. It is plain SQL: building four statements by the ORM took a
third of a save.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection

from trialsite.casebook.errors import Locked
from trialsite.casebook.models import Lock, Record, Verification
from trialsite.core import clock
from trialsite.core.statements import row_of
from trialsite.participants.errors import UseOfDataWithdrawn
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Form
from trialsite.staff import signatures

# A record that comes ends the signatures over the casebook, one that changes those that cover it.
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
                     /* screening */) o(id)
              WHERE (SELECT s.fallen_at IS NULL FROM staff_signature s WHERE s.id = o.id)),
       EXISTS (SELECT FROM casebook_verification f WHERE f.record_id = r.id AND f.fallen_at IS NULL),
       r.id
  FROM (SELECT max(x.id) AS id FROM casebook_record x
         WHERE x.participant_id = %(participant)s AND x.event = %(event)s AND x.form = %(form)s
           AND x.repeat = %(repeat)s) r
"""
# Either ends those that rest on the screening, where it belongs to that: a second count decides as the first one did.
# Two statements, for one would be planned anew each time: the half that is not needed makes it look worth that.
_READ_SCREENING: Final = _READ.replace(
    "/* screening */",
    """UNION
                     SELECT v.signature_id FROM casebook_record x
                       JOIN staff_signedversion v ON v.kind = 'record' AND v.record_id = x.id
                      WHERE x.participant_id = %(participant)s AND x.event = ANY (%(screening)s)""",
)


@dataclass(frozen=True)
class Standing:
    """What stands around one record, or around one that is to come; locks and signatures by their keys.

    `withdrawn_on`: the day from which no data may be used. `consented_at`: the patient's first signature.
    """

    participant: Participant
    record: Record | None
    withdrawn_on: dt.date | None
    consented_at: dt.datetime | None
    locks: tuple[int, ...]
    signatures: tuple[int, ...]
    verified: bool

    @classmethod
    def around(
        cls, participant: Participant, event: str, form: str, repeat: int = 1, *, record: Record | None = None
    ) -> "Standing":
        """As the actor may see it; the record of that place is read too, unless the caller has it.

        Announces the write first: who locks everything now waits for it, or is seen.
        """
        screening = participant.protocol_version.definition.parts.screening
        place: dict[str, int | str | list[str]] = {
            "participant": participant.pk,
            "event": event,
            "form": form,
            "repeat": repeat,
            "screening": [*screening],
        }
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE casebook_record IN ROW EXCLUSIVE MODE")
            cursor.execute(_READ_SCREENING if event in screening else _READ, place)
            withdrawn, consented, locks, signed, verified, found = cursor.fetchone()
        if found and record is None:
            record = row_of(Record, found)
        if record is not None:
            record.participant = participant
        return cls(participant, record, withdrawn, consented, tuple(locks), tuple(signed), verified)

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
                raise Locked(reach=lock.get_level_display(), kind=lock.get_kind_display(), reason=lock.reason)

    def fall(self, changed: Iterable[str], why: str) -> int:
        """Before the row changes: what rested on the items `changed` falls. Returns how many signatures did."""
        if self.verified:
            Verification.objects.filter(record=self.record, item__in=["", *changed], fallen_at=None).update(
                fallen_at=clock.now(), fallen_reason=why[:300]
            )
        return signatures.let_fall(signatures=self.signatures, reason=why) if self.signatures else 0


def require_open(participant: Participant, *, event: str = "", record: Record | None = None) -> None:
    """Raise Locked where a freeze or lock stands over the participant, the event or the record as a whole.

    For what is no record and yet stands under these: visits, consents, files, the steps of the path. Announces the
    write, as `Standing.around` does; triggers stand behind this.
    """
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE casebook_record IN ROW EXCLUSIVE MODE")
    over = Lock.objects.over(
        participant=participant.pk,
        event=record.event if record else event,
        record=record.pk if record else None,
    )
    for lock in over.exclude(level=Lock.Level.ITEM):
        raise Locked(reach=lock.get_level_display(), kind=lock.get_kind_display(), reason=lock.reason)
