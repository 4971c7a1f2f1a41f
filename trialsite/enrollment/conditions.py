"""The conditions of a randomization: signature, strata, treatment, day, recheck.

The system asks for all of them before it opens an entry. An envelope was opened on paper, whatever they say by now: it
is entered all the same, and each of them that did not hold is recorded as a protocol deviation.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from django.conf import settings
from django.utils.translation import override

from eligibility import services as eligibility
from eligibility.models import SignedVerdict
from trialsite.casebook import deviations, findings
from trialsite.casebook.models import Record
from trialsite.core import clock
from trialsite.core.errors import DomainError
from trialsite.enrollment import facts, keyfacts, order, recheck, surgery
from trialsite.enrollment.errors import OutsideRandomizationWindow, StrataNotSigned
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Text
from trialsite.staff.models import User

Unmet = tuple[str, DomainError]


def unmet(
    participant: Participant,
    operated: Record,
    signed: SignedVerdict,
    strata: Mapping[str, str],
    day: dt.date,
    records: Sequence[Record],
) -> Iterator[Unmet]:
    """Each condition that does not hold for a randomization on `day`: the kind of deviation, and the error.

    `records` are all of the participant, `operated` is that of the surgery, `signed` the newest signed verdict,
    `strata` the values on record.
    """
    surgery_on = keyfacts.day(operated)
    if signed.signature.fallen_at is not None:
        yield from _told("eligibility", eligibility.require_signed, participant)
    if signed.document["strata"] != strata:
        yield "eligibility", StrataNotSigned(participant=participant.code)
    # As of the true day, which may be another than the one signed for, and over whatever came to be recorded since.
    yield from _told(
        "eligibility",
        lambda: eligibility.require_eligible(facts.judge(participant, surgery_on, records=records)),
    )
    if clock.local_date(signed.signature.signed_at, participant.site.timezone) > surgery_on:
        yield from _told("eligibility", surgery.require_signed, participant, operated)
    yield from _told("treatment", order.require_treatment, participant, day)
    yield from _told("visit_window", order.require_randomization_day, participant, surgery_on, day)
    yield from _told("eligibility", recheck.require, participant, surgery_on, day, records)


def _told(category: str, ask: Callable[..., object], *args: object) -> Iterator[Unmet]:
    try:
        ask(*args)
    except DomainError as error:
        yield category, error


def note(actor: User, participant: Participant, found: Iterable[Unmet], day: dt.date, reason: str) -> None:
    """Record, each as a deviation for `reason`, what did not hold when an envelope was opened on `day`."""
    visit = participant.protocol_version.definition.parts.randomization
    for category, error in found:
        # That one is recorded with the visit, when it is attended.
        if isinstance(error, OutsideRandomizationWindow):
            continue
        said = {}
        for language, _name in settings.LANGUAGES:
            with override(language):
                said[language] = str(error)
        deviations.record(
            actor=actor,
            participant=participant,
            category=category,
            on=day,
            what=findings.what("envelope", day=day, why=Text(en=said["en"], zh=said["zh-hans"])),
            why=reason,
            subject=visit.code,
        )
