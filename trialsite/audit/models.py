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
    epoch = models.IntegerField()
    xid = models.BigIntegerField()
    actor_id = models.BigIntegerField(_("person"))
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
            models.Index(fields=["actor_id", "id"], name="audit_by_person"),
            models.Index(
                fields=["actor_id", "id"], condition=models.Q(action="sign_in"), name="audit_by_sign_in"
            ),
            models.Index(fields=["epoch", "xid", "id"], name="audit_by_transaction"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.table_name} {self.row_key}"


class Seal(models.Model):
    """A hash over the events of finished transactions `from_xid` ≤ xid < `to_xid`, bound to the seal before it.

    Made by the database function `edc_seal()` alone; `hash` of the newest is the head of the trail.
    """

    id = models.BigIntegerField(primary_key=True)
    epoch = models.IntegerField()
    from_xid = models.BigIntegerField()
    to_xid = models.BigIntegerField()
    events = models.IntegerField(_("events"))
    content = models.TextField(_("content"))
    previous = models.TextField(unique=True)
    hash = models.TextField(_("hash"), unique=True)
    sealed_at = models.DateTimeField(_("sealed at"))

    class Meta:
        db_table = "audit_seal"
        ordering = ["-id"]
        verbose_name = _("seal of the trail")
        verbose_name_plural = _("seals of the trail")

    def __str__(self) -> str:
        return f"{self.id} {self.hash[:16]}"
