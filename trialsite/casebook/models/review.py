"""What readers of the casebook leave behind: messages on queries, verification, freezes and locks, signatures."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from trialsite.casebook.models.records import Query, Record
from trialsite.core.models import Base
from trialsite.staff.access import sites_of
from trialsite.staff.capabilities import ARM_SEE, RECORD_VIEW
from trialsite.staff.querysets import ArmHidingQuerySet, SiteScopedQuerySet

if TYPE_CHECKING:
    from trialsite.audit.context import Actor


class QueryMessageQuerySet(ArmHidingQuerySet["QueryMessage"]):
    """Reads of messages on queries."""


class QueryMessage(Base):
    """One step in the life of a query, in its author's words. Never changed."""

    class Act(models.TextChoices):
        RAISE = "raise", _("raised")
        ANSWER = "answer", _("answered")
        CLOSE = "close", _("closed")
        REOPEN = "reopen", _("re-opened")

    query = models.ForeignKey(Query, models.PROTECT, related_name="thread", verbose_name=_("query"))
    participant = models.ForeignKey(
        "participants.Participant", models.PROTECT, related_name="+", verbose_name=_("participant")
    )
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+", verbose_name=_("hospital"))
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("by")
    )
    act = models.CharField(_("step"), max_length=10, choices=Act.choices)
    text = models.TextField(_("text"), max_length=2000)
    reveals_arm = models.BooleanField(default=False)

    objects = QueryMessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("message on a query")
        verbose_name_plural = _("messages on queries")
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.query_id} {self.act}"


class VerificationQuerySet(ArmHidingQuerySet["Verification"]):
    """Reads of verifications."""

    def standing(self) -> "VerificationQuerySet":
        """Those whose entry has not changed since, and that nobody took back."""
        return self.filter(fallen_at=None)


class Verification(Base):
    """Source data verification of one item, or of a whole form where `item` is empty (ICH E6(R3) 3.11.4.5)."""

    record = models.ForeignKey(Record, models.PROTECT, related_name="verifications", verbose_name=_("record"))
    participant = models.ForeignKey(
        "participants.Participant", models.PROTECT, related_name="+", verbose_name=_("participant")
    )
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+", verbose_name=_("hospital"))
    item = models.CharField(_("item"), max_length=40, blank=True)
    version = models.PositiveIntegerField(_("version"))
    verified_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("by")
    )
    fallen_at = models.DateTimeField(_("fallen at"), null=True, blank=True)
    fallen_reason = models.CharField(_("why it fell"), max_length=300, blank=True)
    reveals_arm = models.BooleanField(default=False)

    objects = VerificationQuerySet.as_manager()

    class Meta:
        verbose_name = _("verification")
        verbose_name_plural = _("verifications")
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["record", "item"], condition=Q(fallen_at=None), name="verification_stands_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.record_id} {self.item}"


class LockQuerySet(SiteScopedQuerySet["Lock"]):
    """Reads of locks; one over the whole database belongs to no hospital and is seen by all."""

    capability = RECORD_VIEW

    def visible_to(self, actor: "Actor") -> "LockQuerySet":
        """Locks of the actor's hospitals and those over everything; what tells an arm only to who may see it."""
        sites, arms = sites_of(actor, self.capability), sites_of(actor, ARM_SEE)
        rows = self if sites is None else self.filter(Q(site=None) | Q(site__in=sites))
        return rows if arms is None else rows.filter(Q(reveals_arm=False) | Q(site__in=arms))

    def standing(self) -> "LockQuerySet":
        """Those that nobody has lifted."""
        return self.filter(lifted_at=None)

    def over(self, *, participant: int, event: str, record: int | None) -> "LockQuerySet":
        """Standing locks that bear on a record of `participant` at `event` (its id, None for one to be made)."""
        reach = Q(level="database")
        reach |= Q(level="participant", participant=participant)
        reach |= Q(level="visit", participant=participant, event=event)
        if record is not None:
            reach |= Q(level__in=("form", "item"), record=record)
        return self.standing().filter(reach)


class Lock(Base):
    """A freeze (while data are cleaned) or a lock (for good) over an item, form, visit, participant or everything."""

    class Level(models.TextChoices):
        ITEM = "item", _("item")
        FORM = "form", _("form")
        VISIT = "visit", _("visit")
        PARTICIPANT = "participant", _("participant")
        DATABASE = "database", _("database")

    class Kind(models.TextChoices):
        FREEZE = "freeze", _("freeze")
        LOCK = "lock", _("lock")

    level = models.CharField(_("reach"), max_length=12, choices=Level.choices)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    participant = models.ForeignKey(
        "participants.Participant",
        models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("participant"),
    )
    site = models.ForeignKey(
        "sites.Site", models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("hospital")
    )
    event = models.CharField(_("event"), max_length=40, blank=True)
    record = models.ForeignKey(
        Record, models.PROTECT, related_name="locks", null=True, blank=True, verbose_name=_("record")
    )
    item = models.CharField(_("item"), max_length=40, blank=True)
    placed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("by")
    )
    reason = models.CharField(_("reason"), max_length=300)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("lifted by"),
    )
    lifted_at = models.DateTimeField(_("lifted at"), null=True, blank=True)
    lift_reason = models.CharField(_("why it was lifted"), max_length=300, blank=True)
    reveals_arm = models.BooleanField(default=False)

    objects = LockQuerySet.as_manager()

    class Meta:
        verbose_name = _("lock")
        verbose_name_plural = _("locks")
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["-created_at", "-id"], name="lock_newest")]
        constraints = [
            models.UniqueConstraint(
                fields=["level", "participant", "event", "record", "item"],
                condition=Q(lifted_at=None),
                nulls_distinct=False,
                name="lock_stands_once",
            ),
            models.CheckConstraint(
                condition=Q(level="database", participant=None, site=None, record=None)
                | Q(level="participant", participant__isnull=False, record=None, event="")
                | Q(level="visit", participant__isnull=False, record=None) & ~Q(event="")
                | Q(level="form", participant__isnull=False, record__isnull=False, item="")
                | Q(level="item", participant__isnull=False, record__isnull=False) & ~Q(item=""),
                name="lock_names_what_it_reaches",
            ),
            models.CheckConstraint(
                condition=Q(lifted_at=None, lifted_by=None)
                | Q(lifted_at__isnull=False, lifted_by__isnull=False) & ~Q(lift_reason=""),
                name="lock_lifted_with_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.level} {self.pk}"


class CasebookSignatureQuerySet(SiteScopedQuerySet["CasebookSignature"]):
    """Reads of signatures over casebooks: for those who see the arms, since the number of records tells it."""

    capability = ARM_SEE

    def standing(self) -> "CasebookSignatureQuerySet":
        """Those over which no record has changed since."""
        return self.filter(signature__fallen_at=None)


class CasebookSignature(Base):
    """An investigator's signature over everything recorded of a participant (ICH E6(R3) 2.12.6, 3.16.1)."""

    participant = models.ForeignKey(
        "participants.Participant",
        models.PROTECT,
        related_name="casebook_signatures",
        verbose_name=_("participant"),
    )
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+", verbose_name=_("hospital"))
    signature = models.OneToOneField("staff.Signature", models.PROTECT, related_name="+")
    records = models.PositiveIntegerField(_("records"))

    objects = CasebookSignatureQuerySet.as_manager()

    class Meta:
        verbose_name = _("signature over a casebook")
        verbose_name_plural = _("signatures over casebooks")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.participant_id} {self.records}"
