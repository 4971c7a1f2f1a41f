"""How far records have come: what readers annotate them with, and the state that follows."""

from collections.abc import Mapping, Sequence
from typing import Final

from django.db.models import Count, Exists, OuterRef, Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from trialsite.casebook.models import CasebookSignature, Lock, Record, RecordQuerySet, Verification
from trialsite.participants.models import Participant
from trialsite.staff.models import SignedVersion, User

# In the order in which a record comes further; each with its symbol (a name in the icon font) and its word.
STATES: Final[Mapping[str, tuple[str, Promise]]] = {
    "empty": ("remove", _("empty")),
    "expected": ("radio_button_unchecked", _("expected now")),
    "draft": ("edit_note", _("draft")),
    "complete": ("check", _("complete")),
    "verified": ("done_all", _("verified")),
    "signed": ("signature", _("signed")),
    "frozen": ("ac_unit", _("frozen")),
    "locked": ("lock", _("locked")),
    "queried": ("help", _("open queries")),
}


def reviewed(records: RecordQuerySet) -> RecordQuerySet:
    """`records` with `asked` (open queries), `is_verified` (as a whole), `is_signed` (in this version)."""
    verified = Verification.objects.standing().filter(record=OuterRef("pk"), item="")
    signed = SignedVersion.objects.filter(
        kind="record",
        record_id=OuterRef("pk"),
        version=OuterRef("version"),
        signature__fallen_at=None,
        signature__in=CasebookSignature.objects.values("signature"),
    )
    return records.select_related("updated_by").annotate(
        asked=Count("queries", filter=~Q(queries__state="closed")),
        is_verified=Exists(verified),
        is_signed=Exists(signed),
    )


def reached(record: Record, locks: Sequence[Lock]) -> str:
    """How far a record of `reviewed` has come, under these standing locks."""
    kinds = {
        lock.kind
        for lock in locks
        if lock.level == "database"
        or lock.level == "participant"
        or (lock.level == "visit" and lock.event == record.event)
        or (lock.level == "form" and lock.record_id == record.pk)
    }
    if kinds:
        return "locked" if Lock.Kind.LOCK in kinds else "frozen"
    if record.state == Record.State.DRAFT:
        return "empty" if record.holds_nothing else "draft"
    if getattr(record, "is_signed", False):
        return "signed"
    return "verified" if getattr(record, "is_verified", False) else "complete"


def locks_over(actor: User, participant: Participant) -> list[Lock]:
    """All standing freezes and locks on anything of `participant`."""
    reach = Q(participant=participant) | Q(participant=None)
    return list(Lock.objects.visible_to(actor).standing().filter(reach))
