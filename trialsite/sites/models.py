"""A hospital of the trial."""

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F, Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from trialsite.core.models import Base
from trialsite.staff.access import sites_of
from trialsite.staff.capabilities import SITE_VIEW

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
