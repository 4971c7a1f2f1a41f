"""What an amendment changes, and for whom."""

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy

from trialsite.console.differences import worded
from trialsite.console.pages.base import Page
from trialsite.core.errors import NotFound
from trialsite.enrollment.amendments import amendment
from trialsite.protocol.models import ProtocolVersion
from trialsite.staff import capabilities


class AmendmentPage(Page):
    """Two versions side by side; without a choice, the two newest."""

    capability = capabilities.PROTOCOL_VIEW
    template = "console/amendment.html"
    title = gettext_lazy("Amendment")

    def get(self, request: HttpRequest) -> HttpResponse:
        rows = ProtocolVersion.objects.visible_to(self.actor).order_by("-pk")
        versions = list(rows.values_list("version", flat=True))
        new = request.GET.get("new") or next(iter(versions[:1]), "")
        old = request.GET.get("old") or next(iter(versions[1:2]), new)
        if {old, new} - set(versions):
            raise NotFound
        found = amendment(self.actor, old, new) if versions else None
        return self.show(
            {
                "versions": versions,
                "old": old,
                "new": new,
                "found": found,
                "rows": worded(found.differences) if found else [],
            }
        )
