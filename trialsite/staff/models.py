"""Users, memberships, tokens and electronic signatures."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now
from django.utils.translation import gettext_lazy as _
from knox.models import AbstractAuthToken

from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.core.models import Base
from trialsite.staff.capabilities import CAPABILITIES
from trialsite.staff.querysets import ArmHidingQuerySet
from trialsite.staff.wording import role_name


class UserManager(BaseUserManager["User"]):
    """Creates users; only services call it."""

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(username__iexact=username)


class User(AbstractBaseUser):
    """Someone or something that acts. Accounts are disabled, never deleted, and a name is never given again."""

    class Kind(models.TextChoices):
        PERSON = "person", _("person")
        MACHINE = "machine", _("program")
        SYSTEM = "system", _("system")

    last_login = None
    username = models.CharField(_("user name"), max_length=60, unique=True)
    full_name = models.CharField(_("full name"), max_length=120)
    email = models.EmailField(_("e-mail"), blank=True)
    phone = models.CharField(_("telephone at work"), max_length=40, blank=True)
    language = models.CharField(
        _("language"), max_length=10, choices=[("en", "English"), ("zh-hans", "简体中文")], default="zh-hans"
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.PERSON)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), default=clock.now, editable=False)
    # The last invitation or renewal that an administrator sent, as long as it has not been used.
    invited_at = models.DateTimeField(_("invited at"), null=True, blank=True, editable=False)

    # The token that this request came with; it narrows what the account may do (`staff.access`).
    token: "Token | None" = None

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["full_name"]
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        ordering = ["username"]
        constraints = [models.UniqueConstraint(Lower("username"), name="user_name_once_whatever_its_case")]

    def __str__(self) -> str:
        return self.username

    def check_password(self, raw_password: str | None) -> bool:
        """As Django's. Where it renews a hash of older parameters, that is this person's own act in the trail."""
        with acting(self):
            return super().check_password(raw_password)

    @property
    def is_staff(self) -> bool:
        """Whether the admin lets this user in: every active person; what they see there is decided by capability."""
        return self.is_active and self.kind == self.Kind.PERSON

    @property
    def is_superuser(self) -> bool:
        """Nobody is above the permission file."""
        return False

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Django's model permissions are not used: each admin window asks for its capability."""
        return False

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_staff


class MembershipQuerySet(models.QuerySet["Membership"]):
    """Reads of memberships."""

    def current(self) -> "MembershipQuerySet":
        """Those in force now, by the database's clock, as the row policies judge it."""
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=Now()), starts_at__lte=Now(), user__is_active=True)

    def of_people_with(self, capability: str, *, site: int) -> "MembershipQuerySet":
        """Those by which a person holds `capability` at the hospital now."""
        roles = [role for role, names in CAPABILITIES.items() if capability in names]
        here = Q(site_id=None) | Q(site_id=site)
        return self.current().filter(here, role__in=roles, user__kind=User.Kind.PERSON)


class Membership(Base):
    """A role of a user at one hospital, or at all of them where `site` is empty, for a period."""

    user = models.ForeignKey(User, models.PROTECT, related_name="memberships", verbose_name=_("user"))
    role = models.CharField(_("role"), max_length=20)
    site = models.ForeignKey("sites.Site", models.PROTECT, null=True, blank=True, verbose_name=_("hospital"))
    starts_at = models.DateTimeField(_("from"), default=clock.now)
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        ordering = ["user", "role"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=models.F("starts_at")),
                name="membership_ends_after_start",
            ),
            models.UniqueConstraint(
                fields=["user", "role", "site"],
                condition=Q(ends_at=None),
                nulls_distinct=False,
                name="membership_open_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.role}"

    @property
    def role_name(self) -> str:
        """The role in the reader's language."""
        return role_name(self.role)


class RoleCapability(models.Model):
    """The permission file as rows, for the row policies; written by the owner alone."""

    role = models.CharField(max_length=20)
    capability = models.CharField(max_length=40)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["role", "capability"], name="role_capability_once")]

    def __str__(self) -> str:
        return f"{self.role}: {self.capability}"


class TokenQuerySet(models.QuerySet["Token"]):
    """Reads of tokens."""

    def alive(self) -> "TokenQuerySet":
        """Those that still open the door: not ended, and neither is their owner or the person who answers for them."""
        now = clock.now()
        holds_a_role = Membership.objects.current().filter(user_id=models.OuterRef("responsible_id"))
        return self.filter(
            Q(expiry=None) | Q(expiry__gt=now),
            models.Exists(holds_a_role),
            revoked_at=None,
            user__is_active=True,
            responsible__is_active=True,
        )


class Token(AbstractAuthToken):  # type: ignore[misc]
    """A program's key to the REST API. Shown once at creation; only its digest is kept.

    `scopes` are capabilities, each held by the owner when the token was made; `sites` are ids of hospitals, None for
    all that the owner has. `responsible` is the person who answers for it: it dies with that person's account or roles.
    """

    user = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("user"))
    responsible = models.ForeignKey(
        User, models.PROTECT, related_name="+", verbose_name=_("responsible person")
    )
    name = models.CharField(_("name"), max_length=60)
    scopes = ArrayField(models.CharField(max_length=40), verbose_name=_("scopes"))
    sites = ArrayField(models.BigIntegerField(), null=True, blank=True, verbose_name=_("hospitals"))
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)

    objects: ClassVar[Any] = TokenQuerySet.as_manager()

    class Meta:
        verbose_name = _("token")
        verbose_name_plural = _("tokens")
        constraints = [
            models.UniqueConstraint(fields=["token_key"], name="token_key_once"),
            models.CheckConstraint(condition=~Q(scopes=[]), name="token_has_scopes"),
            models.CheckConstraint(condition=Q(sites=None) | ~Q(sites=[]), name="token_has_hospitals"),
        ]

    def __str__(self) -> str:
        return str(self.token_key)


class TokenUse(models.Model):
    """When a token was last used; written at most once a minute, and apart from the trailed row."""

    token = models.OneToOneField(Token, models.PROTECT, primary_key=True, related_name="use")
    last_used_at = models.DateTimeField(_("last used"), null=True)

    def __str__(self) -> str:
        return str(self.token_id)


class Session(AbstractBaseSession):
    """One browser that is signed in, or about to be. Ending it is deleting its row.

    The columns beside Django's own let a person list the sessions and end those that are not theirs.
    """

    user = models.ForeignKey(User, models.CASCADE, null=True, related_name="sessions")
    signed_in_at = models.DateTimeField(_("signed in at"), null=True)
    seen_at = models.DateTimeField(_("last active"), null=True)
    address = models.GenericIPAddressField(_("address"), null=True)
    browser = models.CharField(_("browser"), max_length=200, blank=True)

    class Meta(AbstractBaseSession.Meta):
        abstract = False
        verbose_name = _("session")  # type: ignore[assignment]
        verbose_name_plural = _("sessions")  # type: ignore[assignment]

    @classmethod
    def get_session_store_class(cls) -> Any:
        from trialsite.staff.sessions import SessionStore

        return SessionStore


class SignatureQuerySet(ArmHidingQuerySet["Signature"]):
    """Reads of signatures."""

    def standing(self) -> "SignatureQuerySet":
        """Those whose content has not changed since."""
        return self.filter(fallen_at=None)

    def over(self, kind: str, record_id: int) -> "SignatureQuerySet":
        """Those that cover the record `record_id` of `kind`."""
        return self.filter(covered__kind=kind, covered__record_id=record_id)


class Signature(Base):
    """An electronic signature: who, when, with which meaning, over which content (21 CFR 11.50, 11.70).

    `content_hash` is the SHA-256 of the canonical JSON of what was signed. `covered` rows name the record
    versions it rests on; when one of them changes, the signature falls in the same transaction.
    """

    signer = models.ForeignKey(User, models.PROTECT, related_name="signatures", verbose_name=_("signed by"))
    printed_name = models.CharField(_("printed name"), max_length=120)
    meaning = models.CharField(_("meaning"), max_length=200)
    signed_at = models.DateTimeField(_("signed at"))
    content_hash = models.CharField(_("hash of the content"), max_length=64)
    site = models.ForeignKey("sites.Site", models.PROTECT, verbose_name=_("hospital"))
    fallen_at = models.DateTimeField(_("fallen at"), null=True, blank=True)
    fallen_reason = models.CharField(_("why it fell"), max_length=300, blank=True)
    # How many records it covers, or why it fell, would tell.
    reveals_arm = models.BooleanField(default=False)

    objects = SignatureQuerySet.as_manager()

    class Meta:
        verbose_name = _("signature")
        verbose_name_plural = _("signatures")
        # Keys are random: some rows are hidden.
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["-created_at", "-id"], name="signature_newest")]

    def __str__(self) -> str:
        return f"{self.printed_name}, {self.signed_at:%Y-%m-%d %H:%M} UTC"

    @property
    def standing(self) -> bool:
        """Whether the signed content is still what was signed."""
        return self.fallen_at is None


class SignedVersion(Base):
    """One record version that a signature covers."""

    signature = models.ForeignKey(Signature, models.PROTECT, related_name="covered")
    site = models.ForeignKey("sites.Site", models.PROTECT)
    kind = models.CharField(max_length=40)
    record_id = models.BigIntegerField()
    version = models.IntegerField()
    reveals_arm = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["signature", "kind", "record_id"], name="signature_covers_once")
        ]
        indexes = [models.Index(fields=["kind", "record_id"], name="signed_version_by_record")]

    def __str__(self) -> str:
        return f"{self.kind} {self.record_id} v{self.version}"


def system_actor(name: str) -> User:
    """The named system user, such as `system.outbox`; made by `prepare_database`."""
    return User.objects.get(username=name, kind=User.Kind.SYSTEM)
