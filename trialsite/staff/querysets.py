"""Reads that leave the building start here."""

from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.db import models

from trialsite.staff.access import sites_of
from trialsite.staff.capabilities import ARM_SEE, PARTICIPANT_VIEW

if TYPE_CHECKING:
    from trialsite.audit.context import Actor

M = TypeVar("M", bound=models.Model)


class SiteScopedQuerySet(models.QuerySet[M]):
    """Rows that belong to a hospital. `visible_to` is the filter; a row policy stands behind it."""

    site_path = "site"
    capability = PARTICIPANT_VIEW

    def visible_to(self, actor: "Actor") -> Self:
        """Rows of the hospitals where `actor` holds the capability of this table."""
        sites = sites_of(actor, self.capability)
        return self if sites is None else self.filter(**{f"{self.site_path}_id__in": sites})


class ArmHidingQuerySet(SiteScopedQuerySet[M]):
    """Rows of which some would reveal the arm: column `reveals_arm`."""

    def visible_to(self, actor: "Actor") -> Self:
        """As above, without rows that reveal the arm where `actor` may not see it."""
        scoped = super().visible_to(actor)
        sites: list[int] | None = sites_of(actor, ARM_SEE)
        if sites is None:
            return scoped
        open_rows: Any = models.Q(reveals_arm=False) | models.Q(**{f"{self.site_path}_id__in": sites})
        return scoped.filter(open_rows)
