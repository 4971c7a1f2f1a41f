"""Messages and their fate."""

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Case, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Cast, Substr
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from trialsite.core.models import Base
from trialsite.outbox import rules
from trialsite.staff.capabilities import REMINDER_VIEW
from trialsite.staff.models import User
from trialsite.staff.querysets import SiteScopedQuerySet

if TYPE_CHECKING:
    from trialsite.audit.context import Actor


class MessageQuerySet(SiteScopedQuerySet["Message"]):
    """Reads of messages."""

    capability = REMINDER_VIEW

    def with_names(self) -> "MessageQuerySet":
        """With `recipient_name` of those that go to staff; empty for participants, whose names are not shown."""
        user = User.objects.filter(pk=Cast(Substr(OuterRef("recipient"), 6), models.BigIntegerField()))
        return self.annotate(
            recipient_name=Case(
                When(recipient__startswith="user:", then=Subquery(user.values("full_name")[:1])),
                default=Value(""),
            )
        )

    def for_person(self, actor: "Actor") -> "MessageQuerySet":
        """Those that a person must work off: failed or uncertain."""
        return self.visible_to(actor).filter(state__in=rules.FOR_PERSON)


class Message(Base):
    """One message to one recipient. `key` makes a second one impossible; `subject_code` is a pseudonym for display."""

    class State(models.TextChoices):
        PENDING = "pending", _("waiting")
        SENDING = "sending", _("being sent")
        SENT = "sent", _("sent")
        CANCELLED = "cancelled", _("cancelled")
        FAILED = "failed", _("failed")
        UNCERTAIN = "uncertain", _("uncertain")

    key = models.CharField(_("key"), max_length=200, unique=True)
    kind = models.CharField(_("kind"), max_length=40)
    recipient = models.CharField(_("recipient"), max_length=60)
    channel = models.CharField(_("channel"), max_length=20, default="email")
    payload = models.JSONField(default=dict)
    subject_code = models.CharField(_("about"), max_length=40, blank=True)
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+", verbose_name=_("hospital"))
    due_at = models.DateTimeField(_("due"))
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.PENDING)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    claimed_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    answer = models.TextField(_("answer"), blank=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=sorted(rules.TRANSITIONS)), name="message_state_known"
            )
        ]
        indexes = [
            models.Index(fields=["due_at", "id"], condition=Q(state="pending"), name="message_pending_due"),
            models.Index(fields=["claimed_at"], condition=Q(state="sending"), name="message_sending"),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def told(self) -> str:
        """What became of it, in the reader's language; a mail server's own words stay as they came."""
        return gettext(self.answer) if self.answer else ""
