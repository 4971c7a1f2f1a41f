"""Participants, their consents, their contact details."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from trialsite.audit.notes import note
from trialsite.core.errors import NotFound
from trialsite.core.models import Base
from trialsite.participants.fields import SealedText
from trialsite.participants.rules import TRANSITIONS
from trialsite.staff.capabilities import CONTACT_VIEW
from trialsite.staff.querysets import SiteScopedQuerySet

if TYPE_CHECKING:
    from trialsite.audit.context import Actor


class ParticipantQuerySet(SiteScopedQuerySet["Participant"]):
    """Reads of participants."""

    def with_protocol(self) -> "ParticipantQuerySet":
        """With hospital and protocol version; its document is not read again, `definition` knows it by its hash."""
        return self.select_related("site", "protocol_version").defer("protocol_version__document")

    def by_code(self, code: str) -> "Participant":
        """The participant `code` among these; NotFound otherwise."""
        found = self.with_protocol().filter(code=code).first()
        if found is None:
            raise NotFound
        return found

    def lock(self, pk: int) -> "Participant":
        """The participant under a row lock until the transaction ends; NotFound where the actor may not see it."""
        found = self.select_for_update(of=("self",)).with_protocol().filter(pk=pk).first()
        if found is None:
            raise NotFound
        return found


class Participant(Base):
    """A person in the trial, known here by a code alone."""

    class Status(models.TextChoices):
        REGISTERED = "registered", _("registered")
        CONSENTED = "consented", _("consented")
        ELIGIBLE = "eligible", _("eligible")
        OPERATED = "operated", _("operated")
        RANDOMIZED = "randomized", _("randomized")
        COMPLETED = "completed", _("completed")
        SCREEN_FAILED = "screen_failed", _("screen failed")
        WITHDRAWN = "withdrawn", _("withdrawn")
        DEAD = "dead", _("deceased")

    code = models.CharField(_("code"), max_length=12, unique=True)
    site = models.ForeignKey(
        "sites.Site", models.PROTECT, related_name="participants", verbose_name=_("hospital")
    )
    protocol_version = models.ForeignKey(
        "protocol.ProtocolVersion", models.PROTECT, related_name="+", verbose_name=_("protocol version")
    )
    status = models.CharField(_("status"), max_length=20, choices=Status.choices, default=Status.REGISTERED)
    registration_key = models.CharField(max_length=100)
    registered_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")

    objects = ParticipantQuerySet.as_manager()

    class Meta:
        verbose_name = _("participant")
        verbose_name_plural = _("participants")
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(fields=["site", "registration_key"], name="participant_registered_once"),
            models.CheckConstraint(
                condition=Q(status__in=sorted(TRANSITIONS)), name="participant_status_known"
            ),
        ]
        indexes = [models.Index(fields=["site", "status"], name="participant_by_status")]

    def __str__(self) -> str:
        return self.code


class Consent(Base):
    """Consent to one version of the form: who signed when, and who obtained it."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, related_name="consents", verbose_name=_("participant")
    )
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+", verbose_name=_("hospital"))
    protocol_version = models.ForeignKey("protocol.ProtocolVersion", models.PROTECT, related_name="+")
    form_version = models.CharField(_("version of the form"), max_length=40)
    patient_signed_at = models.DateTimeField(_("patient signed at"))
    family_signed_at = models.DateTimeField(_("family signed at"), null=True, blank=True)
    obtained_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("obtained by")
    )

    objects = SiteScopedQuerySet["Consent"].as_manager()

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        constraints = [
            models.UniqueConstraint(fields=["participant", "form_version"], name="consent_once_per_version")
        ]

    def __str__(self) -> str:
        return f"{self.participant_id} {self.form_version}"


class ContactQuerySet(SiteScopedQuerySet["Contact"]):
    """Reads of contact details: a capability of their own."""

    capability = CONTACT_VIEW


class Contact(Base):
    """How to reach a participant. Encrypted, apart from clinical data, visible to the own hospital alone."""

    participant = models.OneToOneField(Participant, models.PROTECT, related_name="contact")
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+")
    name = SealedText(_("name"), blank=True)
    phone = SealedText(_("telephone"), blank=True)
    email = SealedText(_("e-mail"), blank=True)
    language = models.CharField(_("language"), max_length=10, default="zh-hans")
    opted_out = models.BooleanField(_("wants no messages"), default=False)

    objects = ContactQuerySet.as_manager()

    class Meta:
        verbose_name = _("contact details")
        verbose_name_plural = _("contact details")

    def __str__(self) -> str:
        return f"{self.participant_id}"


def contact_of(participant: Participant, actor: "Actor") -> Contact | None:
    """The contact details, for an actor who may see them; that they were seen is recorded."""
    found = Contact.objects.visible_to(actor).filter(participant=participant).first()
    if found:
        note(
            actor=actor,
            action="view",
            about="participants_contact",
            key=found.pk,
            site=participant.site_id,
            participant=participant.pk,
        )
    return found
