"""A hospital of the trial, and the protocol versions activated there."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from trialsite.core.models import Base
from trialsite.protocol.models import ProtocolVersion
from trialsite.staff.access import sites_of
from trialsite.staff.capabilities import PROTOCOL_VIEW, SITE_VIEW
from trialsite.staff.models import Signature
from trialsite.staff.querysets import SiteScopedQuerySet

if TYPE_CHECKING:
    from trialsite.audit.context import Actor


class SiteQuerySet(models.QuerySet["Site"]):
    """Reads of hospitals."""

    def visible_to(self, actor: "Actor", capability: str = SITE_VIEW) -> "SiteQuerySet":
        """The hospitals where `actor` holds `capability`."""
        sites = sites_of(actor, capability)
        return self if sites is None else self.filter(pk__in=sites)


class Site(Base):
    """A hospital. Its name, target and cap come from the protocol; its state is changed by people."""

    class State(models.TextChoices):
        PLANNED = "planned", _("planned")
        ACTIVE = "active", _("active")
        PAUSED = "paused", _("paused")
        CLOSED = "closed", _("closed")

    code = models.SlugField(_("code"), max_length=12, unique=True)
    number = models.CharField(_("number"), max_length=4, unique=True)
    name_en = models.CharField(_("name (English)"), max_length=120)
    name_zh = models.CharField(_("name (Chinese)"), max_length=120)
    timezone = models.CharField(_("time zone"), max_length=40)
    phone = models.CharField(_("call-back number"), max_length=40, blank=True)
    target = models.PositiveIntegerField(_("target"))
    cap = models.PositiveIntegerField(_("cap"), null=True, blank=True)
    # Set by people with a reason, beside the protocol's cap; the lower one holds.
    limit = models.PositiveIntegerField(_("lower cap"), null=True, blank=True)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.PLANNED)

    objects = SiteQuerySet.as_manager()

    class Meta:
        verbose_name = _("hospital")
        verbose_name_plural = _("hospitals")
        ordering = ["number"]
        constraints = [
            models.CheckConstraint(
                condition=Q(cap=None) | Q(cap__gte=F("target")), name="site_cap_not_below_target"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["planned", "active", "paused", "closed"]), name="site_state_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The hospital's name in the reader's language."""
        return self.name_zh if (get_language() or "").startswith("zh") else self.name_en


class ActivationQuerySet(SiteScopedQuerySet["Activation"]):
    """Reads of activations."""

    capability = PROTOCOL_VIEW

    def standing(self) -> "ActivationQuerySet":
        """Proposed or active ones: at most one for each hospital and version."""
        return self.exclude(state="cancelled")

    def in_force(self, site: Site) -> "Activation | None":
        """The activation of the newest version that `site` may use; None where it may use none."""
        active = self.filter(site=site, state="active").select_related("protocol_version")
        return active.defer("protocol_version__document").order_by("-protocol_version_id").first()


class Activation(Base):
    """A protocol version at one hospital: used there once two people have signed, one for each side.

    Source: ICH E6(R3) 4.3.5, activation per site only after its approvals.
    """

    class State(models.TextChoices):
        PROPOSED = "proposed", _("one signature lacks")
        ACTIVE = "active", _("activated")
        CANCELLED = "cancelled", _("cancelled")

    site = models.ForeignKey(Site, models.PROTECT, related_name="activations", verbose_name=_("hospital"))
    protocol_version = models.ForeignKey(
        ProtocolVersion, models.PROTECT, related_name="activations", verbose_name=_("protocol version")
    )
    ethics_approved_on = models.DateField(_("approved by the ethics committee on"))
    ethics_reference = models.CharField(_("reference of the approval"), max_length=80)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.PROPOSED)
    activated_at = models.DateTimeField(_("activated at"), null=True, blank=True)

    objects = ActivationQuerySet.as_manager()

    class Meta:
        verbose_name = _("activation")
        verbose_name_plural = _("activations")
        ordering = ["site_id", "-protocol_version_id"]
        constraints = [
            models.UniqueConstraint(
                fields=["site", "protocol_version"],
                condition=~Q(state="cancelled"),
                name="activation_once_per_version",
            ),
            models.CheckConstraint(
                condition=Q(state="active", activated_at__isnull=False)
                | Q(state__in=["proposed", "cancelled"], activated_at=None),
                name="activation_active_with_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.site_id} {self.protocol_version_id} {self.state}"


class ActivationSignature(Base):
    """One of the two signatures under an activation. Nobody signs twice, and no side twice."""

    class Side(models.TextChoices):
        HOSPITAL = "hospital", _("for the hospital")
        SPONSOR = "sponsor", _("for the sponsor")

    activation = models.ForeignKey(Activation, models.PROTECT, related_name="signatures")
    site = models.ForeignKey(Site, models.PROTECT, related_name="+")
    side = models.CharField(_("side"), max_length=10, choices=Side.choices)
    signer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    signature = models.OneToOneField(Signature, models.PROTECT, related_name="activation")

    objects: models.Manager["ActivationSignature"] = models.Manager()

    class Meta:
        verbose_name = _("signature of an activation")
        verbose_name_plural = _("signatures of activations")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["activation", "side"], name="activation_one_signature_per_side"),
            models.UniqueConstraint(fields=["activation", "signer"], name="activation_four_eyes"),
            models.CheckConstraint(
                condition=Q(side__in=["hospital", "sponsor"]), name="activation_side_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.activation_id} {self.side}"
