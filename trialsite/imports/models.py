"""Imports: the file as it came, what became of it, and why rows were refused."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from trialsite.core.models import Base

if TYPE_CHECKING:
    from trialsite.audit.context import Actor

TRANSITIONS: Final = {
    "waiting": frozenset({"done", "stopped"}),
    "done": frozenset(),
    "stopped": frozenset(),
}


class ImportQuerySet(models.QuerySet["Import"]):
    """Reads of imports."""

    def visible_to(self, actor: "Actor") -> "ImportQuerySet":
        """One's own: rows of other hospitals may be among those of another person."""
        return self.filter(requested_by=actor.pk)

    def open(self) -> "ImportQuerySet":
        """Those with rows that nobody has worked off."""
        return self.filter(state="waiting")


class Import(Base):
    """One file of rows for one form. The first `done` of its `rows` are worked off; each is in one of three counts.

    `sites` are the ids of the hospitals whose records the requester could change then (null: all); `session` is the
    token that it came with. Both go on narrowing what the rows may reach.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        DONE = "done", _("done")
        STOPPED = "stopped", _("stopped")

    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("by")
    )
    form = models.CharField(_("form"), max_length=40)
    format = models.CharField(_("format"), max_length=10)
    sha256 = models.CharField(_("hash"), max_length=64)
    dry_run = models.BooleanField(_("dry run"))
    reason = models.CharField(_("reason"), max_length=200)
    sites = models.JSONField(_("hospitals"), null=True)
    session = models.CharField(max_length=80, blank=True)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.WAITING)
    rows = models.PositiveIntegerField(_("rows"))
    done = models.PositiveIntegerField(_("worked off"), default=0)
    saved = models.PositiveIntegerField(_("saved"), default=0)
    unchanged = models.PositiveIntegerField(_("unchanged"), default=0)
    refused = models.PositiveIntegerField(_("refused"), default=0)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = ImportQuerySet.as_manager()

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["requested_by", "sha256", "form", "dry_run"],
                condition=Q(state="waiting"),
                name="import_waits_once",
            ),
            models.CheckConstraint(condition=Q(state__in=sorted(TRANSITIONS)), name="import_state_known"),
            models.CheckConstraint(
                condition=Q(done=F("saved") + F("unchanged") + F("refused"), done__lte=F("rows")),
                name="import_counts_add_up",
            ),
            models.CheckConstraint(
                condition=~Q(state="done") | Q(done=F("rows"), finished_at__isnull=False),
                name="import_done_with_all",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk}"


class ImportFile(Base):
    """The bytes of a file, apart from what is counted while it is worked off."""

    of = models.OneToOneField(Import, models.PROTECT, related_name="file")
    content = models.BinaryField()

    class Meta:
        verbose_name = _("imported file")
        verbose_name_plural = _("imported files")

    def __str__(self) -> str:
        return f"{self.of_id}"


class RowFault(Base):
    """Why one row was refused: a code; and what was `said`, in each language a `message` and `fields` by column.

    Each reader has the words in their own language, and they stay as they were told when those of the program change.
    """

    of = models.ForeignKey(Import, models.PROTECT, related_name="faults")
    row = models.PositiveIntegerField(_("row"))
    participant = models.CharField(_("participant"), max_length=40, blank=True)
    event = models.CharField(_("event"), max_length=40, blank=True)
    code = models.CharField(_("code"), max_length=40)
    said = models.JSONField(_("message"))

    class Meta:
        verbose_name = _("refused row")
        verbose_name_plural = _("refused rows")
        ordering = ["of", "row"]
        constraints = [models.UniqueConstraint(fields=["of", "row"], name="import_fault_once_per_row")]

    def __str__(self) -> str:
        return f"{self.of_id} {self.row}"

    @property
    def message(self) -> str:
        """The sentence, in the language of whoever reads."""
        return str(self._said["message"])

    @property
    def fields(self) -> dict[str, list[str]]:
        """The sentences of each column at fault, in the language of whoever reads."""
        return dict(self._said["fields"])

    @property
    def _said(self) -> Mapping[str, Any]:
        said: Mapping[str, Any] = self.said[(get_language() or "en")[:2]]
        return said
