"""What readers left at one record: queries with their words, verifications, freezes and locks, scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trialsite.casebook.models import Lock, Query, Record, Score, Verification
from trialsite.console.entry import Mark
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Form
from trialsite.staff.models import User


@dataclass(frozen=True)
class Review:
    """Everything around one record, in a constant number of statements. `locks` are those that bear on it."""

    queries: Sequence[Query] = ()
    verifications: Sequence[Verification] = ()
    locks: Sequence[Lock] = ()
    scores: Sequence[Score] = ()

    @property
    def whole_locks(self) -> list[Lock]:
        """Those under which nothing of the record can be changed."""
        return [lock for lock in self.locks if lock.level != Lock.Level.ITEM]

    @property
    def whole(self) -> Verification | None:
        """The verification of the form as a whole."""
        return next((one for one in self.verifications if not one.item), None)

    def marks(self, form: Form, differing: Mapping[str, tuple[str, str]]) -> dict[str, Mark]:
        """By item; `differing` is (what is stored, what was entered) where two saved at once."""
        verified = {one.item: one for one in self.verifications}
        locked = {lock.item: lock for lock in self.locks if lock.level == Lock.Level.ITEM}
        return {
            name: Mark(
                queries=[one for one in self.queries if one.item == name and one.state != "closed"],
                closed=[one for one in self.queries if one.item == name and one.state == "closed"],
                verification=verified.get(name),
                lock=locked.get(name),
                theirs=differing[name][0] if name in differing else None,
                yours=differing[name][1] if name in differing else "",
            )
            for name in form.items
        }


def of(actor: User, participant: Participant, event: str, record: Record | None) -> Review:
    """What stands around `record`, or around the place at `event` where it would be."""
    locks = list(
        Lock.objects.visible_to(actor)
        .over(participant=participant.pk, event=event, record=record.pk if record else None)
        .select_related("placed_by")
    )
    if record is None:
        return Review(locks=locks)
    queries = Query.objects.visible_to(actor).filter(record=record).select_related("closed_by")
    verified = Verification.objects.visible_to(actor).standing().filter(record=record)
    return Review(
        queries=list(queries.prefetch_related("thread__author").order_by("created_at", "pk")),
        verifications=list(verified.select_related("verified_by")),
        locks=locks,
        scores=list(Score.objects.visible_to(actor).filter(record=record)),
    )
