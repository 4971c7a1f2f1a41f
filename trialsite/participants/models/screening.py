"""Screening: why it failed, who is the same person, who moved to another hospital."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from trialsite.core.models import Base
from trialsite.participants.models.participants import Participant
from trialsite.staff.querysets import SiteScopedQuerySet


class ScreenFailure(Base):
    """Why a screening ended: a reason of the list, the criteria that failed at that time, and a note."""

    class Reason(models.TextChoices):
        CRITERIA = "criteria", _("criteria not satisfied")
        DECLINED = "declined", _("declined to take part")
        PHYSICIAN = "physician", _("decision of the physician")
        OTHER_TREATMENT = "other_treatment", _("other treatment preferred")
        LOST = "lost", _("could not be reached")
        OTHER = "other", _("other reason")

    participant = models.OneToOneField(
        Participant, models.PROTECT, related_name="screen_failure", verbose_name=_("participant")
    )
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+", verbose_name=_("hospital"))
    reason = models.CharField(_("reason"), max_length=20, choices=Reason.choices)
    # Identifiers of criteria, in the order of the protocol.
    criteria = models.JSONField(_("criteria"), default=list)
    note = models.CharField(_("note"), max_length=500, blank=True)
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("recorded by")
    )

    objects = SiteScopedQuerySet["ScreenFailure"].as_manager()

    class Meta:
        verbose_name = _("screen failure")
        verbose_name_plural = _("screen failures")
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    reason__in=["criteria", "declined", "physician", "other_treatment", "lost", "other"]
                ),
                name="screen_failure_reason_known",
            ),
            models.CheckConstraint(
                condition=~Q(reason="criteria") | ~Q(criteria=[]), name="screen_failure_names_criteria"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant_id} {self.reason}"


class Identity(Base):
    """A blind index of the person: digests of what was told, under every key of the ring; the text is kept nowhere.

    Where nobody can say who it is, `unavailable` says why, and there are no digests.
    """

    participant = models.OneToOneField(Participant, models.PROTECT, related_name="identity")
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+")
    digests = ArrayField(models.CharField(max_length=64))
    unavailable = models.CharField(_("not available"), max_length=300, blank=True, default="")

    objects = SiteScopedQuerySet["Identity"].as_manager()

    class Meta:
        verbose_name = _("blind index of a person")
        verbose_name_plural = _("blind indexes of persons")
        constraints = [
            models.CheckConstraint(
                condition=Q(digests__len=0) & ~Q(unavailable="") | Q(digests__len__gt=0, unavailable=""),
                name="identity_known_or_why_not",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant_id}"


class SamePerson(Base):
    """Two participants of different hospitals who are one person. Only whoever reviews identities may read it."""

    first = models.ForeignKey(Participant, models.PROTECT, related_name="+", verbose_name=_("first"))
    second = models.ForeignKey(Participant, models.PROTECT, related_name="+", verbose_name=_("second"))

    objects: models.Manager["SamePerson"] = models.Manager()

    class Meta:
        verbose_name = _("same person")
        verbose_name_plural = _("same persons")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["first", "second"], name="same_person_once"),
            models.CheckConstraint(condition=~Q(first=F("second")), name="same_person_of_two"),
        ]

    def __str__(self) -> str:
        return f"{self.first_id} {self.second_id}"

    @property
    def stands(self) -> bool:
        """Whether both are the same person by what is entered now: a mistyped entry may have been corrected since."""
        first, second = (getattr(one, "identity", None) for one in (self.first, self.second))
        return bool(first and second and set(first.digests) & set(second.digests))


class Transfer(Base):
    """A participant who moved to another hospital: code, arm and stratum stay."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, related_name="transfers", verbose_name=_("participant")
    )
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+", verbose_name=_("hospital"))
    from_site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+", verbose_name=_("from"))
    to_site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+", verbose_name=_("to"))
    reason = models.CharField(_("reason"), max_length=300)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("by")
    )

    objects = SiteScopedQuerySet["Transfer"].as_manager()

    class Meta:
        verbose_name = _("transfer")
        verbose_name_plural = _("transfers")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.participant_id} {self.from_site_id} {self.to_site_id}"
