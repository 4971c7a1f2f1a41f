"""The schedule as the path knows it: from which dates it counts, and which visits a participant has by the protocol."""

import datetime as dt
from collections.abc import Iterable, Sequence

from randomization import arms
from randomization import services as randomization
from trialsite.audit.context import acting
from trialsite.casebook.models import Record
from trialsite.core import clock
from trialsite.core.statements import rows_of
from trialsite.enrollment import facts, steps
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Definition
from trialsite.protocol.definition import Visit as VisitDef
from trialsite.staff.access import require
from trialsite.staff.capabilities import ARM_SEE
from trialsite.staff.models import User
from visits import rules
from visits import services as visits
from visits.models import Visit


def of(participant: Participant) -> list[Visit]:
    """The participant's visits but for the unscheduled ones: for whoever asks several things of them."""
    planned = "participant_id = %s AND kind <> 'unscheduled' ORDER BY target_on, code"
    return rows_of(Visit, planned, participant.pk)


def anchors(
    actor: User,
    participant: Participant,
    made: randomization.Outcome | None = None,
    *,
    records: Sequence[Record] | None = None,
    planned: Sequence[Visit] | None = None,
) -> dict[str, dt.date]:
    """Every date that is known and from which visits count, by name; `made` is an allocation that was just made.

    `records` and `planned` are all that the participant has, where they have been read already.

    Local treatment ends with the surgery, unless the arm has a treatment of its own: then on the date recorded for it.
    For whoever will not be randomized any more it has ended with the surgery too.
    """
    rows = of(participant) if planned is None else planned
    dates = _by_visits(rows)
    recorded = facts.days(participant, "surgery", "treatment_end", records=records)
    if "surgery" in recorded:
        dates["surgery"] = recorded["surgery"]
    allocation = made or arms.visible_to(actor).filter(participant_id=participant.pk).first()
    if allocation:
        dates["randomization"] = clock.local_date(allocation.randomized_at, participant.site.timezone)
        own = [
            visit for visit in participant.protocol_version.definition.visits if allocation.arm in visit.arms
        ]
        if not own and "surgery" in dates:
            dates["end_of_local_treatment"] = dates["surgery"]
    elif "surgery" in dates and is_forgone(participant, rows):
        dates["end_of_local_treatment"] = dates["surgery"]
    if "treatment_end" in recorded:
        dates["end_of_local_treatment"] = recorded["treatment_end"]
    return dates


def is_forgone(participant: Participant, planned: Sequence[Visit] | None = None) -> bool:
    """Whether the visit of the randomization was missed: an operated participant is then not randomized any more."""
    code = participant.protocol_version.definition.parts.randomization.code
    if planned is None:
        return Visit.objects.filter(participant=participant, code=code, state=Visit.State.MISSED).exists()
    return any(one.code == code and one.state == Visit.State.MISSED for one in planned)


def visits_of(actor: User, participant: Participant) -> list[VisitDef]:
    """The visits that the participant has by the protocol: everyone's, and those of the arm."""
    allocation = arms.visible_to(actor).filter(participant_id=participant.pk).first()
    arm = allocation.arm if allocation else None
    return [
        visit
        for visit in participant.protocol_version.definition.visits
        if not visit.arms or arm in visit.arms
    ]


def undated(actor: User, participant: Participant) -> list[str]:
    """The codes of visits that count from the end of local treatment and were not scheduled, though they are due.

    Where treatment never began there is no such end; and what closed before it could be scheduled stays out.
    """
    waiting = [one for one in visits_of(actor, participant) if one.anchor == "end_of_local_treatment"]
    if not waiting:
        return []
    rows = Visit.objects.filter(participant=participant, code__in=[one.code for one in waiting])
    made = set(rows.exclude(state="not_expected", reason=steps.RESUME.code).values_list("code", flat=True))
    end = anchors(actor, participant).get("end_of_local_treatment")
    begun = facts.driving(participant, "treatment_start").exists()
    today = clock.today(participant.site.timezone)
    return [one.code for one in waiting if one.code not in made and _is_due(one, end, today, begun=begun)]


def _is_due(visit: VisitDef, end: dt.date | None, today: dt.date, *, begun: bool) -> bool:
    if end is None or visit.offset is None:
        return begun
    return rules.window(end, visit.offset, visit.before, visit.after).closes >= today


def begun_by_randomization(definition: Definition, arm: str) -> list[VisitDef]:
    """The visits that the randomization adds: the arm's own, and those that count from what is known by then."""
    late = ("randomization", "end_of_local_treatment")
    return [
        visit for visit in definition.visits if arm in visit.arms or (visit.anchor in late and not visit.arms)
    ]


def replan(*, actor: User, participant: Participant, reason: str) -> list[Visit]:
    """Bring the open visits in line with the participant's protocol version and dates; settled ones stay.

    Called after a re-consent to another version and after a correction of a date. Returns what was touched.
    """
    with acting(actor, reason=reason):
        known = anchors(actor, participant)
        if "surgery" not in known:
            return []
        # Whoever may not see the arm would leave its visits out.
        require(actor, ARM_SEE, site=participant.site_id)
        return visits.replan(
            actor=actor,
            participant=participant,
            anchors=known,
            visits=visits_of(actor, participant),
            reason=reason,
        )


def _by_visits(planned: Iterable[Visit]) -> dict[str, dt.date]:
    """What counts from a visit counts from when it took place, or from its target where it was missed."""
    settled = (Visit.State.ATTENDED, Visit.State.MISSED)
    return {f"visit:{one.code}": one.attended_on or one.target_on for one in planned if one.state in settled}


def reopen_randomization(actor: User, participant: Participant, reason: str) -> None:
    """The randomization that was forgone can take place, or did; what had ended because of it goes on."""
    code = participant.protocol_version.definition.parts.randomization.code
    visits.reopen(actor=actor, visit=Visit.objects.get(participant=participant, code=code), reason=reason)
    visits.resume(actor=actor, participant=participant, stopped_for=steps.FORGO.code)
    # What counted from the surgery in place of a local treatment waits for one now.
    visits.stop(
        actor=actor,
        participant=participant,
        after=facts.surgery_on(participant),
        reason=steps.RESUME.code,
        codes=[one.code for one in after_treatment(participant.protocol_version.definition)],
    )


def waits_for_treatment(planned: Iterable[Visit]) -> bool:
    """Whether a visit waits for the end of a local treatment since the randomization was reopened."""
    return any(one.state == Visit.State.NOT_EXPECTED and one.reason == steps.RESUME.code for one in planned)


def date_what_waits(actor: User, participant: Participant, known: dict[str, dt.date], reason: str) -> None:
    """What waited for local treatment since the randomization was reopened is dated, where its end is `known`."""
    visits.bring_back(
        actor=actor,
        participant=participant,
        anchors=known,
        visits=after_treatment(participant.protocol_version.definition),
        stopped_for=steps.RESUME.code,
        reason=reason,
    )


def after_treatment(definition: Definition) -> list[VisitDef]:
    """The visits that count from the end of local treatment."""
    return [visit for visit in definition.visits if visit.anchor == "end_of_local_treatment"]


def attend(
    actor: User,
    participant: Participant,
    code: str,
    *,
    on: dt.date,
    reason: str = "",
    allocated: bool = False,
    planned: Sequence[Visit] | None = None,
) -> None:
    """Some steps are themselves visits of the schedule: nobody should be reminded of them afterwards."""
    visits.attend_planned(
        actor=actor,
        participant=participant,
        code=code,
        on=on,
        reason=reason,
        allocated=allocated,
        known=planned,
    )
