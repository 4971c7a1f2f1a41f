"""How every act on one visit begins."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from trialsite.participants.models import Participant
from trialsite.staff.access import require
from trialsite.staff.capabilities import VISIT_MANAGE
from trialsite.staff.models import User
from visits import rules
from visits.errors import BadDate, VisitSettled
from visits.models import Visit


def open_visit(actor: User, visit: Visit) -> Visit:
    """The visit and its participant under lock. Asks whether `actor` may settle it; VisitSettled when it is settled."""
    locked = any_visit(actor, visit)
    if locked.state not in rules.OPEN:
        raise VisitSettled(visit=locked.code, state=locked.get_state_display())
    return locked


def any_visit(actor: User, visit: Visit) -> Visit:
    """The visit and its participant under lock, be it settled or not. Asks whether `actor` may change it."""
    require(actor, VISIT_MANAGE, site=visit.site_id)
    # The participant first, as every step of enrollment does: two locks taken in two orders would wait for each other.
    participant = Participant.objects.lock(visit.participant_id)
    locked = Visit.objects.select_for_update(of=("self",)).select_related("site").get(pk=visit.pk)
    locked.participant = participant
    return locked


def change(visit: Visit, **values: Any) -> None:
    """Write these columns of the visit and no others."""
    for name, value in values.items():
        setattr(visit, name, value)
    visit.save(update_fields=list(values))


def need_reason(reason: str, sentence: Any = None) -> str:
    """The reason without blanks around it. Raises BadDate naming the field when there is none."""
    if not reason.strip():
        raise BadDate(fields={"reason": [sentence or _("A reason is needed.")]})
    return reason.strip()


def is_randomization(visit: Visit) -> bool:
    """Whether this is the visit of the randomization, which its steps settle and nobody books."""
    return visit.code == visit.participant.protocol_version.definition.parts.randomization.code


def window_of(visit: Visit) -> Mapping[str, Any]:
    """The columns that hold its window."""
    return {
        "anchor_on": visit.anchor_on,
        "target_on": visit.target_on,
        "opens_on": visit.opens_on,
        "closes_on": visit.closes_on,
    }
