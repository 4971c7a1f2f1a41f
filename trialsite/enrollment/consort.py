"""The flow of participants as CONSORT 2025 draws it (items 22a, 22b): counts only, read through `visible_to`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import Exists, OuterRef, Prefetch, Subquery

from eligibility import services as eligibility
from eligibility.models import SignedVerdict
from randomization import arms
from trialsite.casebook.models import Record, RecordQuerySet
from trialsite.core import clock
from trialsite.participants.models import Consent, Participant, Withdrawal
from trialsite.participants.screening import same_persons
from trialsite.protocol.definition import Definition
from trialsite.protocol.models import ProtocolVersion
from trialsite.protocol.parts import Unplayed
from trialsite.staff.access import sites_of
from trialsite.staff.capabilities import ARM_SEE, PARTICIPANT_VIEW
from visits.models import Visit

if TYPE_CHECKING:
    from trialsite.audit.context import Actor

IN_SCREENING = ("registered", "consented", "eligible")


@dataclass(frozen=True)
class ArmFlow:
    """One arm.

    allocated = received + not_received = in_follow_up + completed + withdrew + lost + died
    = analysed + not_analysed.
    """

    arm: str
    allocated: int
    received: int
    not_received: int
    in_follow_up: int
    completed: int
    withdrew: int
    lost: int
    died: int
    analysed: int
    not_analysed: int


@dataclass(frozen=True)
class Flow:
    """The boxes. They count persons: whoever is screened anew stands where the last attempt stands.

    Whom the identity check finds registered twice at one hospital is one person too. Every participant who was
    operated is counted, so that the allocated are those of the ledger.

    attempts = assessed + screened_anew; assessed = in_screening + excluded + operated;
    excluded = sum of excluded_for + withdrew_before_surgery + died_before_surgery;
    operated = not_randomized + randomized; not_randomized = waiting + followed_for_safety + completed_safety +
    withdrew_after_surgery + lost_after_surgery + died_after_surgery. Only who can still be randomized is `waiting`: the
    days for it are not over, and a signature on eligibility stood at the surgery.
    `consented` counts persons who have signed in any attempt. `arms` is empty for whoever may not see arms at every
    hospital shown; else their `allocated` add up to `randomized`.
    """

    attempts: int
    screened_anew: int
    assessed: int
    consented: int
    in_screening: int
    excluded: int
    excluded_for: Mapping[str, int]
    withdrew_before_surgery: int
    died_before_surgery: int
    operated: int
    not_randomized: int
    waiting: int
    followed_for_safety: int
    completed_safety: int
    withdrew_after_surgery: int
    lost_after_surgery: int
    died_after_surgery: int
    randomized: int
    arms: Sequence[ArmFlow]


@dataclass(frozen=True)
class Course:
    """What the boxes need to know of one attempt.

    `person` is the same for all attempts of one person; `forgone` says that no randomization can follow the surgery,
    `lost` that the end of the study is told as one nobody could be reached at.
    """

    person: int
    attempt: int
    status: str
    reason: str
    consented: bool
    operated: bool
    randomized: bool
    forgone: bool
    arm: str | None
    treated: bool
    use_withdrawn: bool
    lost: bool

    @property
    def fate(self) -> str:
        """The status; `lost` for whoever can no longer be reached and has neither withdrawn nor died."""
        return "lost" if self.lost and self.status not in ("withdrawn", "dead") else self.status


def flow(actor: "Actor") -> Flow:
    """The flow over the hospitals of `actor`, in five queries."""
    version = ProtocolVersion.objects.current()
    if version is None:
        return boxes([], None)
    here, seen = sites_of(actor, PARTICIPANT_VIEW), sites_of(actor, ARM_SEE)
    sees_arms = seen is None or (here is not None and set(here) <= set(seen))
    return boxes(_courses(actor, version.definition), version.definition if sees_arms else None)


def _courses(actor: "Actor", definition: Definition) -> list[Course]:
    person, parts = OuterRef("pk"), definition.parts
    randomization = Visit.objects.filter(participant=person, code=parts.randomization.code)
    withdrawn = Withdrawal.objects.filter(participant=person)
    allocated = dict(arms.visible_to(actor).values_list("participant_id", "arm"))
    signed = (
        SignedVerdict.objects.filter(participant__status="operated")
        .select_related("signature")
        .defer("document")
    )
    rows: Any = (
        Participant.objects.visible_to(actor)
        .select_related("screen_failure", "site")
        .annotate(
            surgery_on=Subquery(_recorded(person, definition, "surgery").values("observed_on")[:1]),
            surgery_recorded_at=Subquery(_recorded(person, definition, "surgery").values("created_at")[:1]),
            randomized_until=Subquery(randomization.values("closes_on")[:1]),
            has_surgery=Exists(_recorded(person, definition, "surgery")),
            was_randomized=Exists(randomization.filter(state=Visit.State.ATTENDED)),
            is_forgone=Exists(randomization.filter(state=Visit.State.MISSED))
            | Exists(withdrawn.filter(level=Withdrawal.Level.TREATMENT)),
            has_treatment=Exists(_recorded(person, definition, "treatment_start")),
            use_withdrawn=Exists(withdrawn.filter(level=Withdrawal.Level.DATA)),
            is_lost=Exists(_lost(person, definition)),
            has_consent=Exists(Consent.objects.filter(participant=person)),
        )
        .prefetch_related(Prefetch("verdicts", signed, to_attr="signed"))
        .order_by("attempt", "pk")
    )
    same = same_persons(actor)
    # The first attempt stands for the person; one that went to a hospital out of sight leaves the next to do so.
    persons: dict[int, int] = {}
    courses = []
    for one in rows:
        before = [persons[other] for other in sorted(same.get(one.pk, ())) if other in persons]
        persons[one.pk] = persons.get(one.previous_id, before[0] if before else one.pk)
        courses.append(
            Course(
                person=persons[one.pk],
                attempt=one.attempt,
                status=one.status,
                reason=one.screen_failure.reason if hasattr(one, "screen_failure") else "other",
                consented=one.has_consent,
                operated=one.has_surgery,
                randomized=one.pk in allocated or one.was_randomized,
                forgone=one.is_forgone or (one.status == "operated" and not _can_be_randomized(one)),
                arm=allocated.get(one.pk),
                treated=one.has_treatment,
                use_withdrawn=one.use_withdrawn,
                lost=one.is_lost,
            )
        )
    return courses


def _can_be_randomized(operated: Any) -> bool:
    """Whether the days for it are not over, and a signature stood at the surgery."""
    if operated.randomized_until and operated.randomized_until < clock.today(operated.site.timezone):
        return False
    on, recorded_at = operated.surgery_on, operated.surgery_recorded_at
    zone = operated.site.timezone
    return eligibility.standing_then(operated.signed, zone=zone, on=on, recorded_at=recorded_at) is not None


def _recorded(person: OuterRef, definition: Definition, drives: str) -> RecordQuerySet:
    try:
        place = definition.parts.driving(drives)
    except Unplayed:
        return Record.objects.none()
    return Record.objects.filter(participant=person, event=place.event, form=place.form)


def _lost(person: OuterRef, definition: Definition) -> RecordQuerySet:
    told = definition.lost_to_follow_up
    if told is None:
        return Record.objects.none()
    answer = {f"data__{told.item}__value__in": sorted(told.codes)}
    return Record.objects.filter(participant=person, form=told.form, state=Record.State.COMPLETE, **answer)


def boxes(attempts: Sequence[Course], definition: Definition | None) -> Flow:
    """Count the persons behind `attempts` into boxes; by arm where a `definition` is given."""
    operated = [one for one in attempts if one.operated]
    there = {one.person for one in operated}
    others = sorted((one for one in attempts if one.person not in there), key=lambda one: one.attempt)
    courses = [*operated, *{one.person: one for one in others}.values()]
    before = Counter(one.status for one in courses if not one.operated)
    failed = Counter(one.reason for one in courses if not one.operated and one.status == "screen_failed")
    randomized = [one for one in operated if one.randomized]
    left = [one for one in operated if not one.randomized]
    after = Counter(one.fate for one in left)
    waiting = sum(one.fate == "operated" and not one.forgone for one in left)
    return Flow(
        attempts=len(attempts),
        screened_anew=len(attempts) - len(courses),
        assessed=len(courses),
        consented=len({one.person for one in attempts if one.consented}),
        in_screening=sum(before[status] for status in IN_SCREENING),
        excluded=failed.total() + before["withdrawn"] + before["dead"],
        excluded_for=dict(sorted(failed.items())),
        withdrew_before_surgery=before["withdrawn"],
        died_before_surgery=before["dead"],
        operated=len(operated),
        not_randomized=len(left),
        waiting=waiting,
        followed_for_safety=after["operated"] - waiting,
        completed_safety=after["completed"],
        withdrew_after_surgery=after["withdrawn"],
        lost_after_surgery=after["lost"],
        died_after_surgery=after["dead"],
        randomized=len(randomized),
        arms=[_arm(randomized, arm.code, definition) for arm in definition.arms] if definition else [],
    )


def _arm(randomized: Sequence[Course], arm: str, definition: Definition) -> ArmFlow:
    """An arm without visits of its own has received everything with the surgery."""
    mine = [one for one in randomized if one.arm == arm]
    further = any(arm in visit.arms for visit in definition.visits)
    received = sum(one.treated or not further for one in mine)
    fates = Counter(one.fate for one in mine)
    not_analysed = sum(one.use_withdrawn for one in mine)
    return ArmFlow(
        arm=arm,
        allocated=len(mine),
        received=received,
        not_received=len(mine) - received,
        in_follow_up=fates["randomized"],
        completed=fates["completed"],
        withdrew=fates["withdrawn"],
        lost=fates["lost"],
        died=fates["dead"],
        analysed=len(mine) - not_analysed,
        not_analysed=not_analysed,
    )
