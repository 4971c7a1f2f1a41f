"""What is done for the trial alone follows consent; results of routine care from before it say that they are.
What must come before a key fact of the trial is not dated after it.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from trialsite.casebook.errors import RecordedAfterKeyFact, RecordedBeforeConsent
from trialsite.casebook.models import Record
from trialsite.core import clock
from trialsite.participants.models import Consent, Participant
from trialsite.protocol.definition import Form


def require_after_consent(
    participant: Participant,
    form: Form,
    data: Mapping[str, Mapping[str, Any]],
    observed_on: dt.date | None,
    consented_at: dt.datetime | None,
) -> None:
    """Raise RecordedBeforeConsent, naming the item, where the record is dated before the consent and must not be.

    On the same day the time decides, where the form asks for it and it is known: a date carries no order within it.
    """
    if observed_on is None or consented_at is None or not (form.study_specific or form.source_item):
        return
    consented = clock.local(consented_at, participant.site.timezone)
    consented_on = consented.date()
    if observed_on > consented_on:
        return
    if observed_on == consented_on:
        at = data.get(form.time_item or "", {}).get("value")
        if at is None or dt.time.fromisoformat(at) >= consented.time().replace(second=0, microsecond=0):
            return
    shown = f"{consented:%Y-%m-%d}" if observed_on < consented_on else f"{consented:%Y-%m-%d %H:%M}"
    if form.study_specific:
        raise RecordedBeforeConsent(
            fields={
                form.observed_item or "": [
                    format_lazy(
                        _("This is done for the trial alone: not before the consent of {day}."), day=shown
                    )
                ]
            },
            day=shown,
        )
    if form.source_item and data.get(form.source_item, {}).get("value") != "routine":
        raise RecordedBeforeConsent(
            fields={
                form.source_item: [
                    format_lazy(
                        _("Before the consent of {day} only results of routine care count; say so here."),
                        day=shown,
                    )
                ]
            },
            day=shown,
        )


def before_consent(participant: Participant) -> list[Record]:
    """The complete records that are dated before the consent and must not be, oldest first."""
    definition = participant.protocol_version.definition
    forms = {form.code: form for form in definition.forms if form.study_specific or form.source_item}
    rows = Record.objects.filter(
        participant=participant, form__in=forms, state="complete", observed_on__isnull=False
    )
    consented_at = (
        Consent.objects.filter(participant=participant)
        .order_by("patient_signed_at")
        .values_list("patient_signed_at", flat=True)
        .first()
    )
    found = []
    for record in rows.order_by("observed_on", "event", "form", "repeat"):
        try:
            require_after_consent(
                participant, forms[record.form], record.data, record.observed_on, consented_at
            )
        except RecordedBeforeConsent:
            found.append(record)
    return found


def require_before_key_facts(
    participant: Participant, event: str, form: Form, observed_on: dt.date | None
) -> None:
    """Raise RecordedAfterKeyFact, naming the item, where `event` must come before one that has taken place earlier.

    A baseline of the day after surgery is no baseline. What only one arm has is left out: a refusal would tell the arm.
    """
    definition = participant.protocol_version.definition
    driving = {
        later.code: [one.code for one in definition.forms_at(later.code) if one.drives]
        for later in definition.visits
        if event in later.must_follow and not later.reveals_arm
    }
    forms = {code for codes in driving.values() for code in codes}
    if observed_on is None or not forms:
        return
    earlier = Record.objects.filter(
        participant=participant, event__in=driving, form__in=forms, observed_on__lt=observed_on
    ).order_by("pk")
    facts = {fact.event: fact for fact in earlier if fact.form in driving[fact.event]}
    for later, fact in ((code, facts[code]) for code in driving if code in facts):
        sentence = format_lazy(
            _("{event} comes before {later}, which was on {day}."),
            event=event,
            later=later,
            day=fact.observed_on,
        )
        raise RecordedAfterKeyFact(fields={form.observed_item or "": [sentence]}, day=fact.observed_on)
