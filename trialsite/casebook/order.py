"""What is done for the trial alone follows consent; results of routine care from before it say that they are."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from trialsite.casebook.errors import RecordedBeforeConsent
from trialsite.core import clock
from trialsite.participants.models import Consent, Participant
from trialsite.protocol.definition import Form


def require_after_consent(
    participant: Participant, form: Form, data: Mapping[str, Mapping[str, Any]], observed_on: dt.date | None
) -> None:
    """Raise RecordedBeforeConsent, naming the item, where the record is dated before the consent and must not be.

    The same day is fine: a date carries no order within it.
    """
    given = Consent.objects.filter(participant=participant).order_by("patient_signed_at").first()
    if given is None or observed_on is None:
        return
    consented_on = clock.local_date(given.patient_signed_at, participant.site.timezone)
    if observed_on >= consented_on:
        return
    if form.study_specific:
        raise RecordedBeforeConsent(
            fields={
                form.observed_item or "": [
                    _("This is done for the trial alone: not before the consent of {day}.").format(
                        day=consented_on
                    )
                ]
            },
            day=consented_on,
        )
    if form.source_item and data.get(form.source_item, {}).get("value") != "routine":
        raise RecordedBeforeConsent(
            fields={
                form.source_item: [
                    _("Before the consent of {day} only results of routine care count; say so here.").format(
                        day=consented_on
                    )
                ]
            },
            day=consented_on,
        )
