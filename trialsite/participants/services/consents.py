"""Versions of the consent form, consents, withdrawals: the only writes."""

import datetime as dt

from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.core.errors import Invalid
from trialsite.participants.errors import (
    ConsentDiffers,
    ConsentFormDiffers,
    ConsentMoved,
    WithdrawalDiffers,
)
from trialsite.participants.models import Consent, ConsentForm, Participant, Withdrawal
from trialsite.protocol.models import ProtocolVersion
from trialsite.roster.models import Delegation
from trialsite.sites.models import Activation, Site
from trialsite.staff.access import has, require
from trialsite.staff.capabilities import CONSENT_FORM_MANAGE, CONSENT_RECORD, END_RECORD
from trialsite.staff.models import User


def approve_consent_form(
    *,
    actor: User,
    site: Site,
    protocol_version: ProtocolVersion,
    version: str,
    approved_on: dt.date,
    reference: str,
    reconsent: bool = True,
) -> ConsentForm:
    """Enter that a version of the form is approved at `site`; the same content again gives the same row.

    Raises Invalid naming the fields, ConsentFormDiffers where the version stands there with other content.
    """
    content = {
        "protocol_version_id": protocol_version.pk,
        "approved_on": approved_on,
        "reference": reference.strip(),
        "reconsent": reconsent,
    }
    with acting(actor):
        require(actor, CONSENT_FORM_MANAGE, site=site)
        faults: dict[str, list[str]] = {}
        if approved_on > clock.today(site.timezone):
            faults["approved_on"] = [_("The date lies in the future.")]
        for field, text in (("version", version.strip()), ("reference", reference.strip())):
            if not text or not text.isprintable():
                faults[field] = [_("Give a text of printable characters.")]
        if faults:
            raise Invalid(fields=faults)
        Site.objects.select_for_update(no_key=True).get(pk=site.pk)
        known = ConsentForm.objects.filter(site=site, version=version.strip()).first()
        if known is None:
            return ConsentForm.objects.create(site=site, version=version.strip(), entered_by=actor, **content)
        if any(getattr(known, name) != value for name, value in content.items()):
            raise ConsentFormDiffers(version=version)
        return known


def retire_consent_form(*, actor: User, form: ConsentForm, on: dt.date, reason: str) -> ConsentForm:
    """From `on` the form is not signed any more; consents to it stay."""
    if not reason.strip():
        raise Invalid(fields={"reason": [_("A reason is needed.")]})
    with acting(actor, reason=reason):
        require(actor, CONSENT_FORM_MANAGE, site=form.site_id)
        locked = ConsentForm.objects.select_for_update(of=("self",)).get(pk=form.pk)
        if on < locked.approved_on:
            raise Invalid(fields={"on": [_("The date lies before the approval.")]})
        locked.retired_on = on
        locked.save(update_fields=["retired_on"])
        return locked


def record_consent(
    *,
    actor: User,
    participant: Participant,
    form_version: str,
    patient_signed_at: dt.datetime,
    family_signed_at: dt.datetime | None,
    obtained_by: User | None = None,
) -> Consent:
    """Record a consent; the same content again gives the same row, other content is refused.

    The form must be approved at the hospital on the day of signing; the patient's signature is always needed, the
    family's where the form's protocol version says so. Who obtained it, `actor` where nobody is named, holds, today, a
    role there that may; whether
    the delegation log says so too is shown with the consent, and asked for where the protocol says so
    (`undelegated_consent`): what the patient signed is a fact, and hiding it would help nobody.
    """
    with acting(actor):
        require(actor, CONSENT_RECORD, site=participant.site_id)
        known = Consent.objects.filter(
            participant=participant, obtained_at=participant.site_id, form_version=form_version
        ).first()
        if known:
            same = (known.patient_signed_at, known.family_signed_at) == (patient_signed_at, family_signed_at)
            if not same or obtained_by not in (None, known.obtained_by):
                raise ConsentDiffers(participant=participant.code, version=form_version)
            return known
        obtained_by = obtained_by or actor
        form = _usable_form(participant, form_version, patient_signed_at, family_signed_at)
        _require_may_obtain(obtained_by, form)
        _require_delegated(obtained_by, form, patient_signed_at)
        return Consent.objects.create(
            participant=participant,
            site_id=participant.site_id,
            obtained_at_id=participant.site_id,
            protocol_version_id=max(form.protocol_version_id, participant.protocol_version_id),
            form_version=form_version,
            patient_signed_at=patient_signed_at,
            family_signed_at=family_signed_at,
            obtained_by=obtained_by,
        )


def correct_consent(
    *,
    actor: User,
    consent: Consent,
    patient_signed_at: dt.datetime,
    family_signed_at: dt.datetime | None,
    expected_version: int,
    reason: str,
    obtained_by: User | None = None,
    signed_version: str = "",
) -> Consent:
    """Correct when patient and family signed; called by enrollment alone, which decides what follows.

    `obtained_by` and `signed_version` are who obtained it and what was signed in truth, where that is recorded wrongly
    too; a version that binds to another version of the protocol is a consent of its own. The times must be possible,
    and the consents keep their order. The same content again changes nothing. Raises ConsentMoved unless
    `expected_version` is the one that stands, Invalid naming the fields.
    """
    with acting(actor, reason=reason):
        require(actor, CONSENT_RECORD, site=consent.site_id)
        participant = Participant.objects.lock(consent.participant_id)
        locked = Consent.objects.select_related("obtained_by").get(pk=consent.pk)
        person, version = obtained_by or locked.obtained_by, signed_version or locked.form_version
        content = {
            "patient_signed_at": patient_signed_at,
            "family_signed_at": family_signed_at,
            "obtained_by": person,
            "form_version": version,
        }
        if all(getattr(locked, name) == value for name, value in content.items()):
            return locked
        if locked.version != expected_version:
            raise ConsentMoved
        if not reason.strip():
            raise Invalid(fields={"reason": [_("A reason is needed.")]})
        form = _usable_form(participant, version, patient_signed_at, family_signed_at, standing=locked)
        if version != locked.form_version:
            _require_same_binding(locked, form)
        if person != locked.obtained_by:
            _require_may_obtain(person, form)
        _require_delegated(person, form, patient_signed_at)
        for name, value in content.items():
            setattr(locked, name, value)
        locked.version += 1
        locked.save(update_fields=[*content, "version"])
        return locked


def _require_same_binding(consent: Consent, form: ConsentForm) -> None:
    """Another version may have been signed, as long as it binds as the one that is recorded."""
    others = Consent.objects.filter(participant=consent.participant_id, obtained_at=consent.obtained_at_id)
    recorded = ConsentForm.objects.filter(site=consent.obtained_at_id, version=consent.form_version)
    if others.filter(form_version=form.version).exists():
        raise Invalid(fields={"signed_version": [_("A consent to this version is recorded already.")]})
    if not recorded.filter(protocol_version=form.protocol_version_id).exists():
        sentence = _("This version binds to another version of the protocol: record that consent by itself.")
        raise Invalid(fields={"signed_version": [sentence]})


def _require_may_obtain(person: User, form: ConsentForm) -> None:
    if person.kind != User.Kind.PERSON or not has(person, CONSENT_RECORD, site=form.site_id):
        raise Invalid(fields={"obtained_by": [_("This person holds no role here that may obtain consent.")]})


def _require_delegated(person: User, form: ConsentForm, at: dt.datetime) -> None:
    """Where the setting is `refuse`, that person stood on the delegation log for consents at that time."""
    if form.protocol_version.definition.settings.get("undelegated_consent", "warn") != "refuse":
        return
    if not Delegation.objects.held(
        site=form.site_id, user=person.pk, task=Delegation.Task.CONSENT, at=at
    ).exists():
        sentence = _("This person does not stand on the delegation log for informed consent at that time.")
        raise Invalid(fields={"obtained_by": [sentence]})


def _usable_form(
    participant: Participant,
    version: str,
    patient_signed_at: dt.datetime,
    family_signed_at: dt.datetime | None,
    *,
    standing: Consent | None = None,
) -> ConsentForm:
    """The form as it can have been signed then, at the hospital where the consent was, or is being, obtained.

    `standing` is the consent to it that is corrected.
    """
    times = {"patient_signed_at": patient_signed_at, "family_signed_at": family_signed_at}
    named = "signed_version" if standing and standing.form_version != version else "form_version"
    faults = {
        name: [_("This time lies in the future.")] for name, at in times.items() if at and at > clock.now()
    }
    form = (
        ConsentForm.objects.filter(
            site_id=standing.obtained_at_id if standing else participant.site_id, version=version
        )
        .select_related("protocol_version", "site")
        .first()
    )
    if form is None:
        faults[named] = [_("This version of the form is not approved at this hospital.")]
    else:
        for name, at in times.items():
            on = clock.local_date(at, form.site.timezone) if at else None
            if on and on < form.approved_on:
                faults[name] = [
                    _("This version of the form is approved here from {day} on.").format(day=form.approved_on)
                ]
            elif on and form.retired_on and on >= form.retired_on:
                faults[named] = [
                    _("This version of the form is not used here from {day} on.").format(day=form.retired_on)
                ]
        newer = form.protocol_version_id > participant.protocol_version_id
        if newer and not _activated(participant, form):
            faults[named] = [
                _("It belongs to protocol version {version}, which is not activated here.").format(
                    version=form.protocol_version.version
                )
            ]
        if family_signed_at is None and form.protocol_version.definition.settings.get(
            "family_consent_required", True
        ):
            faults["family_signed_at"] = [_("The family signs too.")]
    others = Consent.objects.filter(participant=participant).order_by("patient_signed_at")
    if standing:
        others = others.exclude(pk=standing.pk)
    earlier = others.filter(patient_signed_at__lt=standing.patient_signed_at) if standing else others
    later = others.exclude(pk__in=earlier) if standing else others.none()
    if later.filter(patient_signed_at__lte=patient_signed_at).exists():
        faults.setdefault("patient_signed_at", [_("A later consent would then lie before this one.")])
    if earlier.filter(patient_signed_at__gte=patient_signed_at).exists():
        faults.setdefault("patient_signed_at", [_("A later consent is recorded already.")])
    if faults or form is None:
        raise Invalid(fields=faults)
    return form


def _activated(participant: Participant, form: ConsentForm) -> bool:
    here = Activation.objects.filter(site_id=participant.site_id, state=Activation.State.ACTIVE)
    return here.filter(protocol_version=form.protocol_version_id).exists()


def adopt(*, actor: User, participant: Participant, consent: Consent) -> bool:
    """Bind the participant to the protocol version that was consented to; whether that is another one than before.

    Records that exist keep the version under which they were made.
    """
    with acting(actor):
        locked = Participant.objects.lock(participant.pk)
        if consent.protocol_version_id <= locked.protocol_version_id:
            return False
        locked.protocol_version_id = consent.protocol_version_id
        locked.save(update_fields=["protocol_version"])
        return True


def record_withdrawal(*, actor: User, participant: Participant, level: str, on: dt.date) -> Withdrawal:
    """Keep what the participant withdrew from; called by enrollment alone, which decides what follows."""
    with acting(actor):
        require(actor, END_RECORD, site=participant.site_id)
        known = Withdrawal.objects.filter(participant=participant, level=level).first()
        if known is None:
            return Withdrawal.objects.create(
                participant=participant,
                site_id=participant.site_id,
                level=level,
                on=on,
                recorded_by=actor,
            )
        if known.on != on:
            raise WithdrawalDiffers(
                participant=participant.code, level=known.get_level_display(), day=known.on
            )
        return known
