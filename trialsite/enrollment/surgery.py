"""What a surgery must keep: the consent, its order, and a signed verdict that held on its day.

A surgery that has taken place is recorded all the same, with the reason, and each rule that it broke as a protocol
deviation. That opens no way to the randomization: it asks whether the criteria are satisfied, whether a signature that
had been given by the day of the surgery stood then, and whether one stands now. A later signature makes up for neither.
"""

import datetime as dt
from collections.abc import Iterator

from eligibility import services as eligibility
from trialsite.casebook import deviations, findings
from trialsite.casebook.models import Record
from trialsite.core.errors import DomainError
from trialsite.enrollment import facts, keyfacts, order
from trialsite.enrollment.errors import NotSignedAtSurgery
from trialsite.participants.models import Participant
from trialsite.staff.models import User


def require_signed(participant: Participant, record: Record) -> None:
    """Raise NotSignedAtSurgery unless a signature on eligibility stood at the surgery."""
    on = keyfacts.day(record)
    if not eligibility.stood_at_surgery(participant, on=on, recorded_at=record.created_at):
        raise NotSignedAtSurgery(participant=participant.code, day=on)


def _broken(participant: Participant, record: Record) -> Iterator[tuple[DomainError, str, findings.What]]:
    """Each rule that the surgery broke: the error that tells it, the kind of deviation, and what to record."""
    on, event = keyfacts.day(record), record.event
    definition = record.protocol_version.definition
    named = definition.visit(event).name
    try:
        order.require_after_consent(participant, on)
    except DomainError as error:
        yield (
            error,
            "consent",
            findings.what("before_consent", event=named, form=definition.form(record.form).name),
        )
    try:
        order.require_in_order(participant, event, on)
    except DomainError as error:
        yield error, "procedure", findings.what("out_of_order", event=named, day=on)
    try:
        require_signed(participant, record)
    except DomainError as error:
        yield error, "eligibility", findings.what("not_signed", day=on)
    try:
        eligibility.require_eligible(facts.judge(participant, on))
    except DomainError as error:
        yield error, "eligibility", findings.what("not_eligible", day=on)


def note(actor: User, participant: Participant, record: Record, reason: str) -> None:
    """Record what the surgery broke, each with `reason`. Without one, raise the error that tells the first."""
    for error, category, what in list(_broken(participant, record)):
        if not reason.strip():
            raise error
        deviations.record(
            actor=actor,
            participant=participant,
            category=category,
            on=keyfacts.day(record),
            what=what,
            why=reason.strip(),
            subject=record.event,
        )


def note_late_signature(actor: User, participant: Participant, signed_on: dt.date, reason: str) -> None:
    """A signature later than the surgery is a deviation, whatever was signed before."""
    record = facts.driving(participant, "surgery").get()
    deviations.record(
        actor=actor,
        participant=participant,
        category="eligibility",
        on=signed_on,
        what=findings.what("signed_after_surgery", day=signed_on, surgery=keyfacts.day(record)),
        why=reason,
        subject=record.event,
    )
