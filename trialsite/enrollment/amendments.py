"""What an amendment changes and for whom: the difference of two versions, and who is still bound to the older one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trialsite.core.errors import NotFound
from trialsite.participants.models import BOUND, Participant
from trialsite.protocol.differences import Difference, between
from trialsite.protocol.models import ProtocolVersion

if TYPE_CHECKING:
    from trialsite.audit.context import Actor


@dataclass(frozen=True)
class Amendment:
    """The differences, and by hospital the codes of participants in the trial who are bound to the older version."""

    old: str
    new: str
    differences: list[Difference]
    affected: dict[str, list[str]]


def amendment(actor: "Actor", old: str, new: str) -> Amendment:
    """Compare two versions by name, with the participants whom the actor may see. Raises NotFound."""
    versions = {
        one.version: one for one in ProtocolVersion.objects.visible_to(actor).filter(version__in=[old, new])
    }
    if old not in versions or new not in versions:
        raise NotFound
    affected: dict[str, list[str]] = {}
    bound = Participant.objects.visible_to(actor).filter(protocol_version=versions[old], status__in=BOUND)
    for site, code in bound.order_by("site__number", "code").values_list("site__code", "code"):
        affected.setdefault(site, []).append(code)
    return Amendment(old, new, between(versions[old].document, versions[new].document), affected)
