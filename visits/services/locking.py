"""How every act on one visit begins."""

from trialsite.staff.access import require
from trialsite.staff.capabilities import VISIT_MANAGE
from trialsite.staff.models import User
from visits import rules
from visits.errors import VisitSettled
from visits.models import Visit


def open_visit(actor: User, visit: Visit) -> Visit:
    require(actor, VISIT_MANAGE, site=visit.site_id)
    locked = (
        Visit.objects.select_for_update(of=("self",)).select_related("site", "participant").get(pk=visit.pk)
    )
    if locked.state not in rules.OPEN:
        raise VisitSettled(visit=locked.code, state=locked.get_state_display())
    return locked
