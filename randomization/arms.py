"""How other rooms read arms: through the one rule that hides them."""

from typing import TYPE_CHECKING

from randomization.models import Allocation, AllocationQuerySet, Scheme

if TYPE_CHECKING:
    from trialsite.audit.context import Actor


def visible_to(actor: "Actor") -> AllocationQuerySet:
    """Allocations whose arm `actor` may see (fields participant_id, arm, position, allocated_at, hash)."""
    return Allocation.objects.visible_to(actor)


def list_installed(actor: "Actor") -> bool:
    """Whether a sealed list is in place, for an actor who may view the ledger."""
    return Scheme.objects.visible_to(actor).exists()
