"""What is asked again before the randomization: answered, satisfied, fresh, and by an investigator who must judge."""

import datetime as dt

from eligibility import services as eligibility
from trialsite.casebook.models import Record
from trialsite.enrollment import facts
from trialsite.enrollment.errors import RecheckMissing, RecheckNotByInvestigator, RecheckTooOld
from trialsite.participants.models import Participant
from trialsite.protocol.parts import RECHECK_DAYS
from trialsite.staff.access import has
from trialsite.staff.capabilities import ELIGIBILITY_SIGN


def require(participant: Participant, surgery_on: dt.date, day: dt.date) -> None:
    """What is asked again holds for a randomization on `day`.

    Raises RecheckMissing, NotEligible, Undecided, RecheckTooOld, RecheckNotByInvestigator.
    """
    definition = participant.protocol_version.definition
    parts = definition.parts
    if not parts.asked_again:
        return
    answers = {one.form: one for one in facts.answers_again(participant).select_related("updated_by")}
    for form in parts.recheck:
        if form.code not in answers:
            raise RecheckMissing(form=form.name)
    eligibility.require_eligible(facts.judge_again(participant, surgery_on))
    most = definition.settings.get(RECHECK_DAYS)
    for form in parts.recheck:
        answer = answers[form.code]
        if most is not None and not _fresh(answer, day, int(most)):
            raise RecheckTooOld(form=form.name, day=answer.observed_on or "–", most=most)
        judging = form.code in parts.judged_again
        if judging and not has(answer.updated_by, ELIGIBILITY_SIGN, site=participant.site_id):
            raise RecheckNotByInvestigator(form=form.name)


def _fresh(answer: Record, day: dt.date, most: int) -> bool:
    return answer.observed_on is not None and 0 <= (day - answer.observed_on).days <= most
