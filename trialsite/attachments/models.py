"""Attachments, and their bytes apart from them: a list never reads a file."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from trialsite.core.models import Base
from trialsite.staff.access import sites_of
from trialsite.staff.capabilities import CONTACT_VIEW
from trialsite.staff.querysets import ArmHidingQuerySet

if TYPE_CHECKING:
    from trialsite.audit.context import Actor


class AttachmentQuerySet(ArmHidingQuerySet["Attachment"]):
    """Reads of attachments. Whoever may not see contact details sees no scan that names the participant."""

    def visible_to(self, actor: "Actor") -> "AttachmentQuerySet":
        """As for records; those that identify only where `actor` holds `contact.view`."""
        scoped = super().visible_to(actor)
        sites = sites_of(actor, CONTACT_VIEW)
        return scoped if sites is None else scoped.filter(Q(identifies=False) | Q(site_id__in=sites))

    def standing(self) -> "AttachmentQuerySet":
        """Those that nobody withdrew."""
        return self.filter(withdrawn_at=None)


class Attachment(Base):
    """A file of a record or of a consent. `content_type` is what its content is, whatever name it came under.

    The name that it had is not kept: people name scans after patients. `identifies`: it shows who the participant is,
    as every consent does, and any other file of which its uploader says so.
    """

    participant = models.ForeignKey(
        "participants.Participant", models.PROTECT, related_name="attachments", verbose_name=_("participant")
    )
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+", verbose_name=_("hospital"))
    record = models.ForeignKey(
        "casebook.Record", models.PROTECT, related_name="attachments", null=True, verbose_name=_("record")
    )
    consent = models.ForeignKey(
        "participants.Consent",
        models.PROTECT,
        related_name="attachments",
        null=True,
        verbose_name=_("consent"),
    )
    title = models.CharField(_("title"), max_length=120)
    content_type = models.CharField(_("type"), max_length=40)
    size = models.PositiveIntegerField(_("bytes"))
    sha256 = models.CharField(_("hash"), max_length=64)
    identifies = models.BooleanField(default=False)
    reveals_arm = models.BooleanField(default=False)
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("added by")
    )
    withdrawn_at = models.DateTimeField(_("withdrawn at"), null=True, blank=True)
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("withdrawn by"),
    )
    withdrawn_reason = models.CharField(_("why it was withdrawn"), max_length=300, blank=True)

    objects = AttachmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("attachment")
        verbose_name_plural = _("attachments")
        ordering = ["participant", "created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["record", "consent", "sha256", "identifies"],
                condition=Q(withdrawn_at=None),
                nulls_distinct=False,
                name="attachment_once",
            ),
            models.CheckConstraint(
                condition=Q(record__isnull=False, consent=None)
                | Q(record=None, consent__isnull=False, identifies=True),
                name="attachment_belongs_to_one",
            ),
            models.CheckConstraint(
                condition=Q(content_type__in=["application/pdf", "image/jpeg", "image/png"]),
                name="attachment_type_known",
            ),
            models.CheckConstraint(
                condition=Q(withdrawn_at=None, withdrawn_by=None)
                | Q(withdrawn_at__isnull=False, withdrawn_by__isnull=False) & ~Q(withdrawn_reason=""),
                name="attachment_withdrawn_with_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk}"


class AttachmentContent(Base):
    """The bytes. Never changed, never deleted; hidden as their attachment is."""

    attachment = models.OneToOneField(Attachment, models.PROTECT, related_name="content")
    participant = models.ForeignKey("participants.Participant", models.PROTECT, related_name="+")
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+")
    identifies = models.BooleanField(default=False)
    reveals_arm = models.BooleanField(default=False)
    data = models.BinaryField()

    class Meta:
        verbose_name = _("content of an attachment")
        verbose_name_plural = _("contents of attachments")

    def __str__(self) -> str:
        return f"{self.attachment_id}"
