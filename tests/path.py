"""Walks a participant through the services, as far as asked."""

import datetime as dt
import itertools
from typing import Any

from trialsite.audit.context import acting
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.demo import casebook
from trialsite.enrollment import planning, services
from trialsite.participants import services as participants
from trialsite.participants.models import Participant
from trialsite.sites.models import Site
from trialsite.staff.models import User

PASSWORD = "correct horse battery"
_keys = itertools.count(1)


def screen(coordinator: User, participant: Participant, day: dt.date, **changes: Any) -> None:
    """All screening forms of an eligible person, with `changes` as {form: {item: value}}."""
    for form, values in casebook.screening(day).items():
        save_record(
            actor=coordinator,
            participant=participant,
            event="SCR",
            form=form,
            values={**values, **changes.get(form, {})},
        )


def baseline(coordinator: User, participant: Participant, surgery_on: dt.date) -> None:
    """The pain before surgery, without which no surgery is recorded."""
    values = casebook.pain(surgery_on - dt.timedelta(days=1), 7)
    save_record(actor=coordinator, participant=participant, event="BL", form="pain", values=values)


def walk(
    status: str, *, site: Site, coordinator: User, investigator: User, surgery_ago: int = 3, **changes: Any
) -> Participant:
    """A new participant of `site` in `status`."""
    today = clock.today(site.timezone)
    surgery_on = today - dt.timedelta(days=surgery_ago)
    consented = clock.now() - dt.timedelta(days=surgery_ago + 5)
    participant = services.register(actor=coordinator, site=site, registration_key=f"walk-{next(_keys):06d}")
    if status == "registered":
        return participant
    services.consent(
        actor=coordinator,
        participant=participant,
        form_version="1.0",
        patient_signed_at=consented,
        family_signed_at=consented,
    )
    with acting(coordinator):
        participant.refresh_from_db()
    planning.plan_surgery(actor=coordinator, participant=participant, surgery_on=surgery_on)
    screen(coordinator, participant, surgery_on - dt.timedelta(days=2), **changes)
    participants.identity_not_available(
        actor=coordinator, participant=participant, reason="The card is at home."
    )
    if status == "consented":
        return _fresh(coordinator, participant)
    # By the day of surgery, as it must be.
    with clock.pretend(clock.now() - dt.timedelta(days=max(surgery_ago, 0))):
        services.sign_eligibility(
            actor=investigator, participant=participant, password=PASSWORD, surgery_on=surgery_on
        )
    baseline(coordinator, participant, min(surgery_on, today))
    if status == "eligible":
        return _fresh(coordinator, participant)
    services.operate(actor=coordinator, participant=participant, values=casebook.surgery(surgery_on))
    save_record(
        actor=investigator,
        participant=_fresh(investigator, participant),
        event="RAND",
        form="recheck",
        values=casebook.recheck(today),
    )
    if status == "operated":
        return _fresh(coordinator, participant)
    services.randomize(actor=coordinator, participant=participant, idempotency_key=f"walk-{next(_keys):06d}")
    return _fresh(coordinator, participant)


def _fresh(actor: User, participant: Participant) -> Participant:
    with acting(actor):
        return Participant.objects.with_protocol().get(pk=participant.pk)
