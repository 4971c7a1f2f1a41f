"""How other rooms read arms: through the one rule that hides them."""

from typing import TYPE_CHECKING, Any, Final

from randomization.models import Allocation, AllocationQuerySet, Correction, Scheme

if TYPE_CHECKING:
    from trialsite.audit.context import Actor
    from trialsite.participants.models import Participant

# How an allocation can have been made in error: codes and words.
ERRORS: Final = Correction.Kind.choices


def visible_to(actor: "Actor") -> AllocationQuerySet:
    """Allocations whose arm `actor` may see (fields participant_id, arm, position, allocated_at, hash)."""
    return Allocation.objects.visible_to(actor)


def list_installed(actor: "Actor") -> bool:
    """Whether a sealed list is in place, for an actor who may view the ledger."""
    return Scheme.objects.visible_to(actor).exists()


def of(actor: "Actor", participant: "Participant") -> Allocation | None:
    """The participant's allocation with its mark, stratum and who made it; None where `actor` may not see the arm."""
    found: Allocation | None = (
        Allocation.objects.visible_to(actor)
        .select_related("correction__marked_by", "stratum", "allocated_by", "site")
        .filter(participant=participant)
        .first()
    )
    return found


def proof(made: Allocation) -> dict[str, Any]:
    """What proves that the arm is the one of the published list, for a verifier: leaf's parts, path and root."""
    return {
        "stratum": made.stratum.key,
        "kind": made.kind,
        "index": made.index,
        "arm": made.arm,
        "r": bytes(made.r).hex(),
        "path": made.path,
        "root": made.stratum.root if made.kind == "main" else made.stratum.emergency_root,
    }
