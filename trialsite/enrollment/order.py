"""What a step must follow: the consent, what came before, a day of its own, a treatment that goes on."""

import datetime as dt
from collections.abc import Sequence

from django.db.models import Min
from django.utils.translation import get_language

from trialsite.casebook.models import Record
from trialsite.core import clock
from trialsite.core.statements import rows_of
from trialsite.enrollment import schedule
from trialsite.enrollment.errors import (
    BeforeConsent,
    MilestoneMissing,
    OutsideRandomizationWindow,
    RandomizationForgone,
)
from trialsite.participants.errors import TreatmentWithdrawn
from trialsite.participants.models import Consent, Participant, Withdrawal
from visits import rules as visit_rules
from visits.models import Visit


def require_after_consent(participant: Participant, on: dt.date) -> None:
    """Raise BeforeConsent for a day before the patient consented."""
    if is_before_consent(participant, on):
        raise BeforeConsent(consent=_consented_on(participant).isoformat())


def is_before_consent(participant: Participant, on: dt.date) -> bool:
    """Whether the day lies before that of the first consent."""
    return on < _consented_on(participant)


def _consented_on(participant: Participant) -> dt.date:
    given = Consent.objects.filter(participant=participant).earliest("patient_signed_at")
    return clock.local_date(given.patient_signed_at, participant.site.timezone)


def require_in_order(participant: Participant, event: str, on: dt.date) -> None:
    """What `event` must follow has begun by that day, and what that must follow in turn. Raises MilestoneMissing."""
    definition = participant.protocol_version.definition
    begun = dict(
        Record.objects.filter(participant=participant, state="complete", observed_on__isnull=False)
        .values("event")
        .annotate(first=Min("observed_on"))
        .values_list("event", "first")
    )
    follows = definition.visit(event).must_follow
    for breach in visit_rules.breaches(event, on, follows, begun):
        name = definition.visit(breach.earlier).name.to(get_language() or "en")
        raise MilestoneMissing(visit=event, earlier=f"{breach.earlier} ({name})", day=on)
    for earlier in follows:
        require_in_order(participant, earlier, begun[earlier])


def require_randomization_day(
    participant: Participant, surgery_on: dt.date, day: dt.date, *, closing: bool = False
) -> None:
    """Raise OutsideRandomizationWindow for a day on which the protocol does not randomize.

    With `closing` only for one after which it never will.
    """
    planned = participant.protocol_version.definition.parts.randomization
    if planned.offset is None:
        raise ValueError("a milestone without a date cannot have been loaded")
    window = visit_rules.window(surgery_on, planned.offset, planned.before, planned.after)
    if day > window.closes or (day < window.opens and not closing):
        raise OutsideRandomizationWindow(opens=window.opens, closes=window.closes, today=day)


def require_treatment(participant: Participant, day: dt.date | None = None) -> None:
    """Raise TreatmentWithdrawn where the participant has withdrawn from treatment, by `day` where one is given."""
    left = rows_of(Withdrawal, "participant_id = %s AND level = 'treatment'", participant.pk)
    if left and (day is None or left[0].on <= day):
        raise TreatmentWithdrawn(participant=participant.code, day=left[0].on)


def require_not_forgone(participant: Participant, planned: Sequence[Visit] | None = None) -> None:
    """Raise RandomizationForgone where it is recorded that nobody will randomize the participant."""
    if schedule.is_forgone(participant, planned):
        raise RandomizationForgone(participant=participant.code)
