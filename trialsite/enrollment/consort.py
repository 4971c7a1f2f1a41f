"""The flow of participants as CONSORT 2025 draws it (items 22a, 22b): counts only, read through `visible_to`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import Exists, OuterRef

from randomization import arms
from trialsite.casebook.models import Record, RecordQuerySet
from trialsite.participants.models import Consent, Participant, Withdrawal
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

    allocated = received + not_received = in_follow_up + completed + lost + died = analysed + not_analysed.
    """

    arm: str
    allocated: int
    received: int
    not_received: int
    in_follow_up: int
    completed: int
    lost: int
    died: int
    analysed: int
    not_analysed: int


@dataclass(frozen=True)
class Flow:
    """The boxes.

    assessed = in_screening + excluded + operated; excluded = sum of excluded_for + left_before_surgery;
    operated = not_randomized + randomized; not_randomized = waiting + left_after_surgery. `consented` counts whoever
    has signed. `arms` is empty for whoever may not see arms at every hospital shown; else their `allocated` add up to
    `randomized`.
    """

    assessed: int
    consented: int
    in_screening: int
    excluded: int
    excluded_for: Mapping[str, int]
    left_before_surgery: int
    operated: int
    not_randomized: int
    waiting: int
    left_after_surgery: int
    randomized: int
    arms: Sequence[ArmFlow]


@dataclass(frozen=True)
class Course:
    """What the boxes need to know of one participant."""

    status: str
    reason: str
    consented: bool
    operated: bool
    randomized: bool
    arm: str | None
    treated: bool
    use_withdrawn: bool


def flow(actor: "Actor") -> Flow:
    """The flow over the hospitals of `actor`, in three queries."""
    version = ProtocolVersion.objects.current()
    if version is None:
        return boxes([], None)
    here, seen = sites_of(actor, PARTICIPANT_VIEW), sites_of(actor, ARM_SEE)
    sees_arms = seen is None or (here is not None and set(here) <= set(seen))
    return boxes(_courses(actor, version.definition), version.definition if sees_arms else None)


def _courses(actor: "Actor", definition: Definition) -> list[Course]:
    person, parts = OuterRef("pk"), definition.parts
    surgery = _recorded(person, definition, "surgery")
    randomized = Visit.objects.filter(
        participant=person, code=parts.randomization.code, state=Visit.State.ATTENDED
    )
    treated = _recorded(person, definition, "sbrt_start")
    lost = Withdrawal.objects.filter(participant=person, level=Withdrawal.Level.DATA)
    allocated = dict(arms.visible_to(actor).values_list("participant_id", "arm"))
    rows: Any = (
        Participant.objects.visible_to(actor)
        .select_related("screen_failure")
        .annotate(
            has_surgery=Exists(surgery),
            was_randomized=Exists(randomized),
            has_treatment=Exists(treated),
            use_withdrawn=Exists(lost),
            has_consent=Exists(Consent.objects.filter(participant=person)),
        )
    )
    return [
        Course(
            status=one.status,
            reason=one.screen_failure.reason if hasattr(one, "screen_failure") else "other",
            consented=one.has_consent,
            operated=one.has_surgery,
            randomized=one.pk in allocated or one.was_randomized,
            arm=allocated.get(one.pk),
            treated=one.has_treatment,
            use_withdrawn=one.use_withdrawn,
        )
        for one in rows
    ]


def _recorded(person: OuterRef, definition: Definition, drives: str) -> RecordQuerySet:
    try:
        place = definition.parts.driving(drives)
    except Unplayed:
        return Record.objects.none()
    return Record.objects.filter(participant=person, event=place.event, form=place.form)


def boxes(courses: Sequence[Course], definition: Definition | None) -> Flow:
    """Count `courses` into boxes; by arm where a `definition` is given."""
    operated = [one for one in courses if one.operated]
    before = [one for one in courses if not one.operated]
    failed = Counter(one.reason for one in before if one.status == "screen_failed")
    left = sum(one.status in ("withdrawn", "dead") for one in before)
    randomized = [one for one in operated if one.randomized]
    others = [one for one in operated if not one.randomized]
    waiting = sum(one.status == "operated" for one in others)
    return Flow(
        assessed=len(courses),
        consented=sum(one.consented for one in courses),
        in_screening=sum(one.status in IN_SCREENING for one in before),
        excluded=failed.total() + left,
        excluded_for=dict(sorted(failed.items())),
        left_before_surgery=left,
        operated=len(operated),
        not_randomized=len(others),
        waiting=waiting,
        left_after_surgery=len(others) - waiting,
        randomized=len(randomized),
        arms=[_arm(randomized, arm.code, definition) for arm in definition.arms] if definition else [],
    )


def _arm(randomized: Sequence[Course], arm: str, definition: Definition) -> ArmFlow:
    """An arm without visits of its own has received everything with the surgery."""
    mine = [one for one in randomized if one.arm == arm]
    further = any(arm in visit.arms for visit in definition.visits)
    received = sum(one.treated or not further for one in mine)
    status = Counter(one.status for one in mine)
    not_analysed = sum(one.use_withdrawn for one in mine)
    return ArmFlow(
        arm=arm,
        allocated=len(mine),
        received=received,
        not_received=len(mine) - received,
        in_follow_up=status["randomized"],
        completed=status["completed"],
        lost=status["withdrawn"],
        died=status["dead"],
        analysed=len(mine) - not_analysed,
        not_analysed=not_analysed,
    )
