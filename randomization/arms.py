"""How other rooms read arms: through the one rule that hides them."""

from typing import TYPE_CHECKING

from randomization.models import Allocation, AllocationQuerySet

if TYPE_CHECKING:
    from trialsite.audit.context import Actor


def visible_to(actor: "Actor") -> AllocationQuerySet:
    """Allocations whose arm `actor` may see (fields participant_id, arm, position, allocated_at, hash)."""
    return Allocation.objects.visible_to(actor)
