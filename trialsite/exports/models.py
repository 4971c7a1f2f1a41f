"""Snapshots: files that were written once and are given out by their number, unchanged, for good.

Their bytes stand in the database: every process finds them, and a backup holds them.
"""

from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from trialsite.core.models import Base
from trialsite.staff.access import sites_of
from trialsite.staff.capabilities import ARM_SEE, DATA_EXPORT

if TYPE_CHECKING:
    from trialsite.audit.context import Actor

# Bytes of one portion: few enough to hold in memory, many enough for few rows.
PORTION: Final = 1024 * 1024
TRANSITIONS: Final = {
    "waiting": frozenset({"ready", "failed"}),
    "failed": frozenset({"ready"}),
    "ready": frozenset(),
}


class SnapshotQuerySet(models.QuerySet["Snapshot"]):
    """Reads of snapshots."""

    def visible_to(self, actor: "Actor") -> "SnapshotQuerySet":
        """Those that hold nothing which `actor` could not export now: hospitals and arms alike."""
        sites, arms = sites_of(actor, DATA_EXPORT), sites_of(actor, ARM_SEE)
        found = self
        if sites is not None:
            found = found.filter(sites__contained_by=sites) if sites else found.none()
        return found if arms is None else found.filter(Q(shows_arms=False) | Q(sites__contained_by=arms))


class Snapshot(Base):
    """One file. `sites` are the ids of the hospitals it holds; `head` is the trail's head when it was written.

    `session` is the token that it was asked for with; it and `sites` narrow what the worker reads.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        READY = "ready", _("ready")
        FAILED = "failed", _("failed")

    class Format(models.TextChoices):
        CSV = "csv", _("CSV files in a ZIP")
        XLSX = "xlsx", _("Excel workbook")

    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("by")
    )
    format = models.CharField(_("format"), max_length=10, choices=Format.choices)
    purpose = models.CharField(_("purpose"), max_length=200)
    sites = models.JSONField(_("hospitals"))
    session = models.CharField(max_length=80, blank=True)
    shows_arms = models.BooleanField(_("shows arms"))
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.WAITING)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    sha256 = models.CharField(_("hash"), max_length=64, blank=True)
    size = models.BigIntegerField(_("bytes"), default=0)
    contents = models.JSONField(_("contents"), default=dict)
    head = models.CharField(_("head of the trail"), max_length=64, blank=True)

    objects = SnapshotQuerySet.as_manager()

    class Meta:
        verbose_name = _("snapshot")
        verbose_name_plural = _("snapshots")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=sorted(TRANSITIONS)), name="snapshot_state_known"),
            models.CheckConstraint(
                condition=~Q(state="ready") | ~Q(sha256=""), name="snapshot_ready_with_hash"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk}"

    @property
    def file_name(self) -> str:
        """What the file is called."""
        return f"snapshot-{self.pk:05d}.{'zip' if self.format == self.Format.CSV else 'xlsx'}"


class SnapshotPortion(Base):
    """The bytes of a file from `number` × PORTION on. Never changed, never deleted; seen as their snapshot is."""

    snapshot = models.ForeignKey(Snapshot, models.PROTECT, related_name="portions")
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        verbose_name = _("portion of a snapshot")
        verbose_name_plural = _("portions of snapshots")
        ordering = ["snapshot", "number"]
        constraints = [models.UniqueConstraint(fields=["snapshot", "number"], name="snapshot_portion_once")]

    def __str__(self) -> str:
        return f"{self.snapshot_id} {self.number}"
