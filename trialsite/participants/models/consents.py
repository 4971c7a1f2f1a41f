"""Versions of the consent form, consents, and what participants withdrew from."""

import datetime as dt
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.utils.translation import gettext_lazy as _

from trialsite.core.models import Base
from trialsite.participants.models.participants import Participant
from trialsite.roster.models import Delegation
from trialsite.sites.models import Activation
from trialsite.staff.capabilities import PROTOCOL_VIEW
from trialsite.staff.querysets import SiteScopedQuerySet

if TYPE_CHECKING:
    from trialsite.audit.context import Actor
    from trialsite.participants.models.participants import ParticipantQuerySet


class ConsentFormQuerySet(SiteScopedQuerySet["ConsentForm"]):
    """Reads of the consent form's versions."""

    capability = PROTOCOL_VIEW

    def usable(self, on: dt.date) -> "ConsentFormQuerySet":
        """Those that could be signed on the local date `on`, newest first.

        A form that binds to a version of the protocol waits until that is activated at the hospital.
        """
        in_time = Q(retired_on=None) | Q(retired_on__gt=on)
        activated = Activation.objects.filter(
            site=OuterRef("site"),
            protocol_version=OuterRef("protocol_version"),
            state=Activation.State.ACTIVE,
        )
        return self.filter(in_time, Exists(activated), approved_on__lte=on).order_by("-approved_on", "-pk")


class ConsentForm(Base):
    """A version of the consent form as approved at one hospital: signed there from `approved_on` until `retired_on`.

    `reconsent`: whoever signed an earlier version there must sign this one. Whoever signs it is bound to
    `protocol_version`. Source: ICH E6(R3) 2.8.1, a version is used only once it is approved.
    """

    site = models.ForeignKey(
        "sites.Site", models.PROTECT, related_name="consent_forms", verbose_name=_("hospital")
    )
    protocol_version = models.ForeignKey(
        "protocol.ProtocolVersion", models.PROTECT, related_name="+", verbose_name=_("protocol version")
    )
    version = models.CharField(_("version of the form"), max_length=40)
    approved_on = models.DateField(_("approved on"))
    reference = models.CharField(_("reference of the approval"), max_length=80)
    reconsent = models.BooleanField(_("earlier participants sign anew"), default=True)
    retired_on = models.DateField(_("not used from"), null=True, blank=True)
    entered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("entered by")
    )

    objects = ConsentFormQuerySet.as_manager()

    class Meta:
        verbose_name = _("version of the consent form")
        verbose_name_plural = _("versions of the consent form")
        ordering = ["site", "-approved_on", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["site", "version"], name="consent_form_once_per_site"),
            models.CheckConstraint(
                condition=Q(retired_on=None) | Q(retired_on__gte=F("approved_on")),
                name="consent_form_retired_after_approval",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.site_id} {self.version}"


def _on_the_log() -> Exists:
    return Exists(
        Delegation.objects.held(
            site=OuterRef("obtained_at"),
            user=OuterRef("obtained_by"),
            task=Delegation.Task.CONSENT,
            at=OuterRef("patient_signed_at"),
        )
    )


class ConsentQuerySet(SiteScopedQuerySet["Consent"]):
    """Reads of consents."""

    def with_delegation(self) -> "ConsentQuerySet":
        """With `delegated`: whether who obtained it stood on the delegation log for that as the patient signed.

        It tells nothing to whoever may not see the log: they see no row of it.
        """
        return self.annotate(delegated=_on_the_log())

    def undelegated(self) -> "ConsentQuerySet":
        """Those whose obtainer did not stand on the log then."""
        return self.filter(~_on_the_log())


class Consent(Base):
    """Consent to one version of the form: who signed when, and who obtained it where.

    `obtained_at` stays after a transfer: the form is the one of that hospital, and so is the log of who may obtain it.
    """

    participant = models.ForeignKey(
        Participant, models.PROTECT, related_name="consents", verbose_name=_("participant")
    )
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+", verbose_name=_("hospital"))
    obtained_at = models.ForeignKey(
        "sites.Site", models.PROTECT, related_name="+", verbose_name=_("obtained at")
    )
    protocol_version = models.ForeignKey("protocol.ProtocolVersion", models.PROTECT, related_name="+")
    form_version = models.CharField(_("version of the form"), max_length=40)
    patient_signed_at = models.DateTimeField(_("patient signed at"))
    family_signed_at = models.DateTimeField(_("family signed at"), null=True, blank=True)
    obtained_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("obtained by")
    )
    # Rises with each correction.
    version = models.PositiveIntegerField(_("version"), default=1, db_default=1)

    objects = ConsentQuerySet.as_manager()

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        constraints = [
            models.UniqueConstraint(
                fields=["participant", "obtained_at", "form_version"], name="consent_once_per_version"
            )
        ]

    def __str__(self) -> str:
        return f"{self.participant_id} {self.form_version}"


class Withdrawal(Base):
    """One of the three things that a participant can withdraw from; each at most once, none taken back."""

    class Level(models.TextChoices):
        TREATMENT = "treatment", _("treatment")
        VISITS = "visits", _("visits")
        DATA = "data", _("use of data")

    participant = models.ForeignKey(
        Participant, models.PROTECT, related_name="withdrawals", verbose_name=_("participant")
    )
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+", verbose_name=_("hospital"))
    level = models.CharField(_("withdrawn from"), max_length=10, choices=Level.choices)
    on = models.DateField(_("date"))
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("recorded by")
    )

    objects = SiteScopedQuerySet["Withdrawal"].as_manager()

    class Meta:
        verbose_name = _("withdrawal")
        verbose_name_plural = _("withdrawals")
        ordering = ["participant", "on", "id"]
        constraints = [
            models.UniqueConstraint(fields=["participant", "level"], name="withdrawal_once_per_level"),
            models.CheckConstraint(
                condition=Q(level__in=["treatment", "visits", "data"]), name="withdrawal_level_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant_id} {self.level}"


# From these statuses on, and until these, an amended form must be signed.
BOUND = ("consented", "eligible", "operated", "randomized")


def owing_reconsent(actor: "Actor", on: dt.date) -> "ParticipantQuerySet":
    """Participants who have not signed the newest form that asks earlier participants to sign anew.

    With `signed_version` (what they signed last), `owed_version` and `owed_since`. A form approved before the one that
    was signed asks for nothing. After a transfer the form of the new hospital is another one, whatever its name.
    """
    last = Consent.objects.filter(participant=OuterRef("pk")).order_by("-patient_signed_at", "-pk")
    asked = ConsentForm.objects.usable(on).filter(site=OuterRef("site"), reconsent=True)
    return (
        Participant.objects.visible_to(actor)
        .filter(status__in=BOUND)
        .select_related("site")
        .annotate(
            signed_version=Subquery(last.values("form_version")[:1]),
            signed_at=Subquery(last.values("obtained_at")[:1]),
            signed_form=Subquery(
                ConsentForm.objects.filter(
                    site=OuterRef("signed_at"), version=OuterRef("signed_version")
                ).values("approved_on")[:1]
            ),
            owed_version=Subquery(asked.values("version")[:1]),
            owed_since=Subquery(asked.values("approved_on")[:1]),
        )
        .exclude(owed_version=None)
        .exclude(signed_version=F("owed_version"), signed_at=F("site"))
        .filter(Q(signed_form=None) | Q(owed_since__gt=F("signed_form")))
        .order_by("owed_since", "code")
    )
