"""What is asked again before the randomization: answered, satisfied, fresh, and by an investigator who must judge."""

import datetime as dt
from collections.abc import Sequence

from eligibility import services as eligibility
from trialsite.casebook.models import Record
from trialsite.enrollment import facts
from trialsite.enrollment.errors import RecheckMissing, RecheckNotByInvestigator, RecheckTooOld
from trialsite.participants.models import Participant
from trialsite.protocol.parts import RECHECK_DAYS
from trialsite.staff.capabilities import ELIGIBILITY_SIGN
from trialsite.staff.models import Membership


def require(participant: Participant, surgery_on: dt.date, day: dt.date, records: Sequence[Record]) -> None:
    """What is asked again holds for a randomization on `day`; `records` are all of the participant.

    Raises RecheckMissing, NotEligible, Undecided, RecheckTooOld, RecheckNotByInvestigator.
    """
    definition = participant.protocol_version.definition
    parts = definition.parts
    if not parts.asked_again:
        return
    answers = facts.answers_again(participant, records)
    for form in parts.recheck:
        if form.code not in answers:
            raise RecheckMissing(form=form.name)
    eligibility.require_eligible(facts.judge_again(participant, surgery_on, records=records))
    most = definition.settings.get(RECHECK_DAYS)
    for form in parts.recheck:
        answer = answers[form.code]
        if most is not None and not _fresh(answer, day, int(most)):
            raise RecheckTooOld(form=form.name, day=answer.observed_on or "–", most=most)
        if form.code in parts.judged_again and not _by_investigator(answer, participant):
            raise RecheckNotByInvestigator(form=form.name)


def _by_investigator(answer: Record, participant: Participant) -> bool:
    judging = Membership.objects.of_people_with(ELIGIBILITY_SIGN, site=participant.site_id)
    return judging.filter(user_id=answer.updated_by_id).exists()


def _fresh(answer: Record, day: dt.date, most: int) -> bool:
    return answer.observed_on is not None and 0 <= (day - answer.observed_on).days <= most
