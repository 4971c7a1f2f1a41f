"""Messages and their fate."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Case, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Cast, Substr
from django.utils.module_loading import import_string
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

    def with_titles(self, language: str) -> "MessageQuerySet":
        """With `rule_name`: what the protocol calls the rule that a message follows, for `Message.title`."""
        names: dict[str, str] = import_string(settings.OUTBOX_RULE_NAMES)(language)
        known = [When(payload__rule=kind, then=Value(name)) for kind, name in names.items()]
        return self.annotate(rule_name=Case(*known, default=Value("")))

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
        GIVEN_UP = "given_up", _("given up")

    class Channel(models.TextChoices):
        EMAIL = "email", _("e-mail")
        SMS = "sms", _("SMS")
        # Which one is decided when the message leaves, and kept in `via`.
        PREFERRED = "preferred", _("as preferred")

    key = models.CharField(_("key"), max_length=200, unique=True)
    kind = models.CharField(_("kind"), max_length=40)
    recipient = models.CharField(_("recipient"), max_length=60)
    channel = models.CharField(_("channel"), max_length=20, choices=Channel.choices, default=Channel.EMAIL)
    payload = models.JSONField(default=dict)
    subject_code = models.CharField(_("about"), max_length=40, blank=True)
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+", verbose_name=_("hospital"))
    due_at = models.DateTimeField(_("due"))
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.PENDING)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    claimed_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    answer = models.TextField(_("answer"), blank=True)
    via = models.CharField(_("sent by"), max_length=20, blank=True, choices=Channel.choices, db_default="")
    # How often a person had it sent anew after a provider's no; part of the key that the provider keeps.
    rounds = models.PositiveIntegerField(default=0, db_default=0)
    worked_off_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("worked off by"),
    )
    worked_off_because = models.CharField(_("reason"), max_length=300, blank=True, db_default="")

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
    def by(self) -> str:
        """The channel that it leaves or has left by."""
        return self.via or self.channel

    @property
    def title(self) -> str:
        """Its kind, and of a visit which one and by which rule (see `with_titles`), in the reader's language."""
        kind = str(settings.OUTBOX_TITLES.get(self.kind, self.kind))
        rule = getattr(self, "rule_name", "") or self.payload.get("rule")
        more = " · ".join(filter(None, (self.payload.get("code"), rule)))
        return f"{kind}: {more}" if more else kind

    @property
    def told(self) -> str:
        """What became of it, in the reader's language; a mail server's own words stay as they came."""
        return gettext(self.answer) if self.answer else ""


class PreferenceQuerySet(models.QuerySet["Preference"]):
    """Reads of what people want."""

    def refuses(self, user: User, kind: str) -> bool:
        """Whether `user` wants no messages of this kind."""
        return self.filter(user=user, kind=kind, wanted=False).exists()


class Preference(Base):
    """Whether a member of staff wants messages of one kind; without a row: yes. Only optional kinds are asked."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("user")
    )
    kind = models.CharField(_("kind"), max_length=40)
    wanted = models.BooleanField(_("wanted"))

    objects = PreferenceQuerySet.as_manager()

    class Meta:
        verbose_name = _("choice of messages")
        verbose_name_plural = _("choices of messages")
        constraints = [models.UniqueConstraint(fields=["user", "kind"], name="preference_once")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.kind}"
