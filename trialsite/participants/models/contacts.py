"""Contact details, apart from clinical data."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from trialsite.audit.notes import note
from trialsite.core.models import Base
from trialsite.participants import vault
from trialsite.participants.models.participants import Participant
from trialsite.staff.capabilities import CONTACT_VIEW
from trialsite.staff.querysets import SiteScopedQuerySet

if TYPE_CHECKING:
    from trialsite.audit.context import Actor


class ContactQuerySet(SiteScopedQuerySet["Contact"]):
    """Reads of contact details: a capability of their own."""

    capability = CONTACT_VIEW

    def behind(self) -> "ContactQuerySet":
        """Those whose data key or blind indexes are not under the newest keys."""
        newest = Q(key_id=vault.newest_data_key(), index_key_id__in=["", vault.newest_index_key()])
        return self.filter(erased_at=None).exclude(newest).order_by("pk")


class Contact(Base):
    """How to reach a participant. Encrypted, apart from clinical data, visible to the own hospital alone.

    `sealed` holds name, telephone and mail under the participant's data key, which stands wrapped beside it. Erasure
    destroys the key and keeps the row, so that nobody enters the details again by mistake.
    """

    class Channel(models.TextChoices):
        EMAIL = "email", _("e-mail")
        SMS = "sms", _("text message")

    participant = models.OneToOneField(Participant, models.PROTECT, related_name="contact")
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+")
    sealed = models.TextField(blank=True, default="")
    wrapped_key = models.TextField(blank=True, default="")
    key_id = models.CharField(max_length=16, blank=True, default="")
    name_index = models.CharField(max_length=64, blank=True, default="")
    phone_index = models.CharField(max_length=64, blank=True, default="")
    email_index = models.CharField(max_length=64, blank=True, default="")
    index_key_id = models.CharField(max_length=16, blank=True, default="")
    language = models.CharField(_("language"), max_length=10, default="zh-hans")
    channel = models.CharField(
        _("preferred channel"), max_length=10, choices=Channel.choices, default=Channel.EMAIL
    )
    contact_consent = models.BooleanField(_("agrees to be contacted"), default=False)
    opted_out = models.BooleanField(_("wants no messages"), default=False)
    erased_at = models.DateTimeField(_("erased at"), null=True, blank=True)

    objects = ContactQuerySet.as_manager()

    class Meta:
        verbose_name = _("contact details")
        verbose_name_plural = _("contact details")
        constraints = [
            models.CheckConstraint(
                condition=Q(erased_at=None)
                | Q(sealed="", wrapped_key="", name_index="", phone_index="", email_index="")
                & Q(contact_consent=False, opted_out=True),
                name="contact_erased_is_empty",
            ),
            models.CheckConstraint(condition=Q(channel__in=["email", "sms"]), name="contact_channel_known"),
        ]
        indexes = [
            models.Index(fields=[f"{field}_index"], condition=~Q(**{f"{field}_index": ""}), name=name)
            for field, name in (
                ("name", "contact_by_name"),
                ("phone", "contact_by_phone"),
                ("email", "contact_by_email"),
            )
        ]

    def __str__(self) -> str:
        return f"{self.participant_id}"

    @property
    def name(self) -> str:
        """The name in clear; empty after erasure."""
        return self.details["name"]

    @property
    def phone(self) -> str:
        """The telephone number as it was entered."""
        return self.details["phone"]

    @property
    def email(self) -> str:
        """The mail address."""
        return self.details["email"]

    @property
    def wants_messages(self) -> bool:
        """Whether messages may be sent at all: agreed to, and not opted out of since."""
        return self.contact_consent and not self.opted_out

    @property
    def details(self) -> dict[str, str]:
        """Name, telephone and mail in clear. Raises vault.KeyLost where no key of the ring opens the data key."""
        if not self.sealed:
            return {"name": "", "phone": "", "email": ""}
        known: tuple[str, dict[str, str]] | None = getattr(self, "_opened", None)
        if known is None or known[0] != self.sealed:
            known = self._opened = (self.sealed, vault.unseal(self.wrapped_key, self.sealed))
        return known[1]

    def seal(self, details: Mapping[str, str]) -> None:
        """Encrypt and index `details` (name, phone, email); does not save."""
        self.sealed = vault.seal(self.wrapped_key, details)
        self.index(details)

    def index(self, details: Mapping[str, str]) -> None:
        """Index `details` under the newest key; does not save."""
        self.name_index = vault.digest("name", details["name"])
        self.phone_index = vault.digest("phone", details["phone"])
        self.email_index = vault.digest("email", details["email"])
        self.index_key_id = vault.newest_index_key()

    def forget(self) -> None:
        """Destroy key, text and indexes; does not save."""
        self.sealed = self.wrapped_key = self.key_id = ""
        self.name_index = self.phone_index = self.email_index = self.index_key_id = ""
        self.contact_consent, self.opted_out = False, True


def contact_of(participant: Participant, actor: "Actor") -> Contact | None:
    """The contact details, for an actor who may see them; that they were seen is recorded."""
    found = Contact.objects.visible_to(actor).filter(participant=participant).first()
    if found:
        note(
            actor=actor,
            action="view",
            about="participants_contact",
            key=found.pk,
            site=participant.site_id,
            participant=participant.pk,
        )
    return found
