"""The trail as Django sees it: to read only, since no role but the table's owner may write it."""

from typing import TYPE_CHECKING

from django.db import models
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from trialsite.audit.context import Actor


class EventQuerySet(models.QuerySet["Event"]):
    """Reads of the trail. The row policy of the table decides what the bound actor may see."""

    def of_row(self, table: str, key: object) -> "EventQuerySet":
        """The history of one row, newest first."""
        return self.filter(table_name=table, row_key=str(key))

    def visible_to(self, actor: "Actor") -> "EventQuerySet":
        """What the bound actor may read; the policy `audit_event_reader` in the database decides."""
        return self.filter(pk__gt=0) if actor.pk else self.none()


class Event(models.Model):
    """One change of one row: `changes` maps each changed field to [old value, new value], or to "changed"."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(_("time"))
    xid = models.BigIntegerField()
    actor_id = models.BigIntegerField(_("person"), db_index=True)
    roles = models.TextField(_("roles at the time"), blank=True)
    action = models.TextField(_("action"))
    table_name = models.TextField(_("table"))
    row_key = models.TextField(_("row"))
    site_id = models.BigIntegerField(null=True)
    participant_id = models.BigIntegerField(null=True)
    reveals_arm = models.BooleanField()
    changes = models.JSONField(_("changes"))
    reason = models.TextField(_("reason"), blank=True)
    application = models.TextField(_("program"), blank=True)
    request = models.TextField(blank=True)
    address = models.TextField(blank=True)
    session = models.TextField(blank=True)

    objects = EventQuerySet.as_manager()

    class Meta:
        db_table = "audit_event"
        ordering = ["-id"]
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        indexes = [
            models.Index(fields=["participant_id", "id"], name="audit_by_participant"),
            models.Index(fields=["table_name", "row_key"], name="audit_by_row"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.table_name} {self.row_key}"
