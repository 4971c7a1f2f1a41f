"""Training, delegated tasks, reviews of access."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from trialsite.core.models import Base
from trialsite.sites.models import Site
from trialsite.staff.capabilities import AUDIT_VIEW, ROSTER_VIEW
from trialsite.staff.models import Signature
from trialsite.staff.querysets import SiteScopedQuerySet


class TrainingQuerySet(SiteScopedQuerySet["Training"]):
    """Reads of training."""

    capability = ROSTER_VIEW


class Training(Base):
    """One completed training of one person, with where its certificate is kept. Entries are added, never changed."""

    site = models.ForeignKey(Site, models.PROTECT, related_name="+", verbose_name=_("hospital"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="training", verbose_name=_("person")
    )
    topic = models.CharField(_("training"), max_length=120)
    completed_on = models.DateField(_("completed on"))
    valid_until = models.DateField(_("valid until"), null=True, blank=True)
    evidence = models.CharField(_("where the certificate is kept"), max_length=200)
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("recorded by")
    )

    objects = TrainingQuerySet.as_manager()

    class Meta:
        verbose_name = _("training")
        verbose_name_plural = _("training")
        ordering = ["-completed_on", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(valid_until=None) | Q(valid_until__gte=F("completed_on")),
                name="training_valid_after_completion",
            )
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.topic}"


class DelegationQuerySet(SiteScopedQuerySet["Delegation"]):
    """Reads of the delegation log."""

    capability = ROSTER_VIEW

    def open(self) -> "DelegationQuerySet":
        """Authorisations that have not ended."""
        return self.filter(ends_at=None)

    def held(self, *, site: Any, user: Any, task: str, at: Any) -> "DelegationQuerySet":
        """Those of `user` for `task` at `site` that were in force at the instant `at`; each may be an OuterRef."""
        in_force = Q(ends_at=None) | Q(ends_at__gt=at)
        return self.filter(in_force, site=site, user=user, task=task, starts_at__lte=at)


class Delegation(Base):
    """One task that the investigator in chief authorised one person for, under a signature."""

    class Task(models.TextChoices):
        CONSENT = "consent", _("informed consent")
        ELIGIBILITY = "eligibility", _("judging eligibility")
        SURGERY = "surgery", _("surgery")
        RANDOMIZATION = "randomization", _("randomization")
        RADIOTHERAPY = "radiotherapy", _("radiotherapy")
        ASSESSMENT = "assessment", _("assessing outcomes")
        SAFETY = "safety", _("judging adverse events")
        DATA = "data", _("entering data")
        CONTACT = "contact", _("contact with participants")

    site = models.ForeignKey(Site, models.PROTECT, related_name="+", verbose_name=_("hospital"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="delegations", verbose_name=_("person")
    )
    task = models.CharField(_("task"), max_length=20, choices=Task.choices)
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)
    authorised_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("authorised by")
    )
    signature = models.ForeignKey(Signature, models.PROTECT, related_name="+")

    objects = DelegationQuerySet.as_manager()

    class Meta:
        verbose_name = _("delegated task")
        verbose_name_plural = _("delegation log")
        ordering = ["site_id", "user_id", "task", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["site", "user", "task"], condition=Q(ends_at=None), name="delegation_open_once"
            ),
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gte=F("starts_at")), name="delegation_ends_after_start"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.task}"


class AccessReviewQuerySet(SiteScopedQuerySet["AccessReview"]):
    """Reads of reviews."""

    capability = ROSTER_VIEW


class AccessReview(Base):
    """One look through all access to a hospital: what was shown (`report`), what was found, under a signature."""

    site = models.ForeignKey(Site, models.PROTECT, related_name="+", verbose_name=_("hospital"))
    reviewed_at = models.DateTimeField(_("reviewed at"))
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("reviewer")
    )
    report = models.JSONField(_("report"))
    findings = models.TextField(_("findings"))
    signature = models.OneToOneField(Signature, models.PROTECT, related_name="+")

    objects = AccessReviewQuerySet.as_manager()

    class Meta:
        verbose_name = _("review of access")
        verbose_name_plural = _("reviews of access")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.site_id} {self.reviewed_at:%Y-%m-%d}"


class TrailReviewQuerySet(SiteScopedQuerySet["TrailReview"]):
    """Reads of reviews."""

    capability = AUDIT_VIEW


class TrailReview(Base):
    """One review of a hospital's audit trail: which days of it, what was looked at, what was found, at which head.

    Source: ICH E6(R3) 4.2.3.
    """

    site = models.ForeignKey(Site, models.PROTECT, related_name="+", verbose_name=_("hospital"))
    reviewed_at = models.DateTimeField(_("reviewed at"))
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("reviewer")
    )
    since = models.DateField(_("from"))
    until = models.DateField(_("to"))
    scope = models.CharField(_("what was looked at"), max_length=300)
    findings = models.TextField(_("findings"))
    head = models.CharField(_("head of the trail"), max_length=64)

    objects = TrailReviewQuerySet.as_manager()

    class Meta:
        verbose_name = _("review of the trail")
        verbose_name_plural = _("reviews of the trail")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(until__gte=F("since")), name="trail_review_ends_after_start")
        ]

    def __str__(self) -> str:
        return f"{self.site_id} {self.since} {self.until}"
