"""The sealed list and the allocations. Closed to other rooms (an import wall)."""

import datetime as dt
from typing import TYPE_CHECKING, Self, TypeVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from trialsite.core.models import Base
from trialsite.staff.access import has
from trialsite.staff.capabilities import LEDGER_VIEW
from trialsite.staff.querysets import ArmHidingQuerySet

if TYPE_CHECKING:
    from trialsite.audit.context import Actor


M = TypeVar("M", bound=models.Model)


class LedgerQuerySet(models.QuerySet[M]):
    """Reads of what belongs to the whole trial: for those who may view the ledger."""

    def visible_to(self, actor: "Actor") -> Self:
        """Every row, to whoever may view the ledger."""
        return self if has(actor, LEDGER_VIEW) else self.none()


class Scheme(Base):
    """The trial's randomization: which list, where the ledger stands. One row, whose lock orders all allocations.

    The specification itself (method, sizes, bounds) is stored only under SEQUENCE_KEY, in `rule`, padded so that its
    length tells nothing either; in the open stand its hash and the factors, which those who record their values know.
    """

    class State(models.TextChoices):
        ACTIVE = "active", _("active")
        PAUSED = "paused", _("paused")
        CLOSED = "closed", _("closed")

    trial = models.CharField(_("trial"), max_length=40, unique=True)
    environment = models.CharField(_("environment"), max_length=20)
    specification_hash = models.CharField(_("hash of the specification"), max_length=64)
    commitments = models.JSONField(_("commitments"))
    arms = models.JSONField(_("arms"))
    factors = models.JSONField(_("factors"), default=list)
    rule = models.BinaryField(default=b"")
    # The public value that was combined with the secrets, hex; mostly none.
    public = models.CharField(max_length=400, blank=True)
    total_cap = models.PositiveIntegerField(_("total cap"))
    cap = models.PositiveIntegerField(_("lower cap"), null=True, blank=True)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.ACTIVE)
    position = models.PositiveIntegerField(_("allocations"), default=0)
    head = models.CharField(_("ledger head"), max_length=64)

    objects = LedgerQuerySet["Scheme"].as_manager()

    class Meta:
        verbose_name = _("randomization")
        verbose_name_plural = _("randomization")
        constraints = [
            models.CheckConstraint(condition=Q(position__lte=F("total_cap")), name="scheme_within_cap"),
            models.CheckConstraint(
                condition=Q(cap=None) | Q(cap__lte=F("total_cap")), name="scheme_cap_only_lower"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["active", "paused", "closed"]), name="scheme_state_known"
            ),
        ]

    def __str__(self) -> str:
        return self.trial


class Stratum(Base):
    """One list: `next_index` is the entry that the next participant gets. A row, not a sequence: no gaps."""

    class State(models.TextChoices):
        ACTIVE = "active", _("active")
        PAUSED = "paused", _("paused")
        CLOSED = "closed", _("closed")

    scheme = models.ForeignKey(Scheme, models.PROTECT, related_name="strata")
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+")
    key = models.CharField(max_length=400)
    length = models.PositiveIntegerField()
    next_index = models.PositiveIntegerField(default=1)
    root = models.CharField(max_length=64)
    # The envelopes for days when the system is down.
    emergency_length = models.PositiveIntegerField(default=0)
    next_emergency = models.PositiveIntegerField(default=1)
    emergency_root = models.CharField(max_length=64, blank=True)
    # Of the envelopes passed by now, those that were declared void.
    voided = models.PositiveIntegerField(default=0)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.ACTIVE)
    cap = models.PositiveIntegerField(_("cap"), null=True, blank=True)

    objects = LedgerQuerySet["Stratum"].as_manager()

    class Meta:
        verbose_name = _("stratum")
        verbose_name_plural = _("strata")
        ordering = ["key"]
        constraints = [
            models.UniqueConstraint(fields=["scheme", "key"], name="stratum_once"),
            models.CheckConstraint(
                condition=Q(state__in=["active", "paused", "closed"]), name="stratum_state_known"
            ),
            models.CheckConstraint(
                condition=Q(next_index__gte=1) & Q(next_index__lte=F("length") + 1),
                name="stratum_within_list",
            ),
            models.CheckConstraint(
                condition=Q(next_emergency__gte=1) & Q(next_emergency__lte=F("emergency_length") + 1),
                name="stratum_within_envelopes",
            ),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def used(self) -> int:
        """Entries that were taken, of the list and of the envelopes: what a cap counts. Void ones are not."""
        return self.next_index + self.next_emergency - self.voided - 2


class Kind(models.TextChoices):
    """Which list an entry belongs to: the one that the system opens, or the envelopes for when it is down."""

    MAIN = "main", _("list")
    EMERGENCY = "emergency", _("envelope")


class SealedEntry(Base):
    """One entry under AES-GCM, with the leaf that binds it to the published root and the Merkle path between them."""

    stratum = models.ForeignKey(Stratum, models.PROTECT, related_name="entries")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.MAIN)
    index = models.PositiveIntegerField()
    ciphertext = models.BinaryField()
    leaf = models.BinaryField()
    # Computed when the list is installed, so that opening an entry costs the same in a list of any length.
    path = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "stratum", "index"], name="entry_once"),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="entry_kind_known"),
        ]

    def __str__(self) -> str:
        return f"{self.stratum_id} {self.index}"


class AllocationQuerySet(ArmHidingQuerySet["Allocation"]):
    """Reads of allocations: every row reveals an arm. Whoever sees the participant sees it, also after a transfer."""

    site_path = "participant__site"


class Allocation(Base):
    """One allocation, which is also one row of the ledger. Never changed, never deleted."""

    participant = models.OneToOneField(
        "participants.Participant", models.PROTECT, related_name="+", verbose_name=_("participant")
    )
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+", verbose_name=_("hospital"))
    stratum = models.ForeignKey(Stratum, models.PROTECT, related_name="+")
    kind = models.CharField(_("list"), max_length=10, choices=Kind.choices, default=Kind.MAIN)
    index = models.PositiveIntegerField()
    # The frozen stratification values, factor → level; `strata_hash` binds them.
    strata = models.JSONField(default=dict)
    arm = models.CharField(_("arm"), max_length=40)
    r = models.BinaryField()
    path = models.JSONField()
    # Of an envelope: when it was opened on paper. `allocated_at` is when it was entered.
    opened_at = models.DateTimeField(_("envelope opened at"), null=True, blank=True)
    strata_hash = models.CharField(max_length=64)
    eligibility_hash = models.CharField(max_length=64)
    idempotency_key = models.CharField(max_length=100, unique=True)
    position = models.PositiveIntegerField(_("position"), unique=True)
    allocated_at = models.DateTimeField(_("time"))
    allocated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("by")
    )
    previous_hash = models.CharField(max_length=64, unique=True)
    hash = models.CharField(_("hash"), max_length=64, unique=True)
    reveals_arm = models.BooleanField(default=True)

    objects = AllocationQuerySet.as_manager()

    class Meta:
        verbose_name = _("allocation")
        verbose_name_plural = _("allocations")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "stratum", "index"], name="allocation_once_per_entry"),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="allocation_kind_known"),
            models.CheckConstraint(condition=Q(reveals_arm=True), name="allocation_always_reveals"),
            models.CheckConstraint(
                condition=Q(opened_at=None) | (Q(kind=Kind.EMERGENCY) & Q(opened_at__lte=F("allocated_at"))),
                name="allocation_opened_before_entered",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.position}"

    @property
    def randomized_at(self) -> dt.datetime:
        """When the arm became known: at the opening of the envelope, or by the system."""
        return self.opened_at or self.allocated_at


class VoidEnvelope(Base):
    """An envelope that nobody can be entered for, declared by two people; those behind it go on."""

    stratum = models.ForeignKey(Stratum, models.PROTECT, related_name="voids", verbose_name=_("stratum"))
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+", verbose_name=_("hospital"))
    index = models.PositiveIntegerField(_("number of the envelope"))
    reason = models.CharField(_("reason"), max_length=300)
    declared_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("by")
    )
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("second person")
    )

    objects = LedgerQuerySet["VoidEnvelope"].as_manager()

    class Meta:
        verbose_name = _("void envelope")
        verbose_name_plural = _("void envelopes")
        ordering = ["stratum", "index"]
        constraints = [
            models.UniqueConstraint(fields=["stratum", "index"], name="envelope_void_once"),
            models.CheckConstraint(condition=~Q(confirmed_by=F("declared_by")), name="envelope_void_by_two"),
            models.CheckConstraint(condition=~Q(reason=""), name="envelope_void_says_why"),
        ]

    def __str__(self) -> str:
        return f"{self.stratum_id} {self.index}"


class Correction(Base):
    """The mark *randomized in error*: why, and what is true instead. Irreversible; the allocation stands."""

    class Kind(models.TextChoices):
        INELIGIBLE = "ineligible", _("was not eligible")
        STRATUM = "stratum", _("wrong stratification values")
        PERSON = "person", _("wrong or repeated person")
        OTHER = "other", _("another error")

    allocation = models.OneToOneField(Allocation, models.PROTECT, related_name="correction")
    participant = models.ForeignKey("participants.Participant", models.PROTECT, related_name="+")
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+", verbose_name=_("hospital"))
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    reason = models.CharField(_("reason"), max_length=500)
    truth = models.CharField(_("what is true"), max_length=1000)
    marked_at = models.DateTimeField(_("marked at"))
    marked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("marked by")
    )
    # Free text may name the arm.
    reveals_arm = models.BooleanField(default=True)

    objects = ArmHidingQuerySet["Correction"].as_manager()

    class Meta:
        verbose_name = _("randomized in error")
        verbose_name_plural = _("randomized in error")
        constraints = [
            models.CheckConstraint(condition=Q(reveals_arm=True), name="correction_always_reveals"),
            models.CheckConstraint(
                condition=Q(kind__in=["ineligible", "stratum", "person", "other"]),
                name="correction_kind_known",
            ),
            models.CheckConstraint(condition=~Q(reason="") & ~Q(truth=""), name="correction_says_why"),
        ]

    def __str__(self) -> str:
        return f"{self.participant_id}"


class Era(Base):
    """One life of the database: system identifier and timeline of PostgreSQL, and where the ledger stood at its start.

    Allocation goes on only in the newest era; another begins when two people have attested the ledger's head.
    """

    scheme = models.ForeignKey(Scheme, models.PROTECT, related_name="eras")
    number = models.PositiveIntegerField()
    cluster = models.CharField(max_length=24)
    timeline = models.PositiveIntegerField()
    position = models.PositiveIntegerField(_("position"))
    head = models.CharField(_("ledger head"), max_length=64)

    objects = LedgerQuerySet["Era"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scheme", "number"], name="era_once")]

    def __str__(self) -> str:
        return f"{self.number}"


class Attestation(Base):
    """One person's word that position and head are those of the last mail; two different people begin an era."""

    scheme = models.ForeignKey(Scheme, models.PROTECT, related_name="attestations")
    after_era = models.PositiveIntegerField()
    position = models.PositiveIntegerField(_("position"))
    head = models.CharField(_("ledger head"), max_length=64)
    attested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("by")
    )

    objects = LedgerQuerySet["Attestation"].as_manager()

    class Meta:
        verbose_name = _("attestation of the ledger")
        verbose_name_plural = _("attestations of the ledger")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["scheme", "after_era", "position", "head", "attested_by"], name="attested_once_each"
            )
        ]

    def __str__(self) -> str:
        return f"{self.position}"
