"""What befalls a trial: a pause that is over, and one participant randomized in error."""

import datetime as dt
from collections.abc import Mapping

from randomization import arms, steering
from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.participants.models import Participant
from trialsite.staff.models import User


def load(people: Mapping[tuple[str, str | None], User]) -> None:
    """Once: the earliest randomized participant of the first hospital gets the mark; randomization rested for a day."""
    manager, statistician = people[("trial_manager", None)], people[("statistician", None)]
    with acting(manager):
        randomized = arms.visible_to(manager).filter(site__code="SHGH").order_by("position")
        first = randomized.values_list("participant_id", flat=True).first()
        if first is None or randomized.filter(correction__isnull=False).exists():
            return
        participant = Participant.objects.with_protocol().get(pk=first)
    day = clock.now() - dt.timedelta(days=30)
    with clock.pretend(day):
        steering.mark_in_error(
            actor=manager,
            participant=participant,
            kind="ineligible",
            reason="The platelet count was read from another person's report.",
            truth="Platelets 62 × 10⁹/L on the day of screening: a criterion was not satisfied.",
        )
    for state, reason in (
        ("paused", "The accelerator of one hospital is under repair."),
        ("active", "The accelerator works again."),
    ):
        steering.steer(actor=statistician, state=state, reason=reason)
