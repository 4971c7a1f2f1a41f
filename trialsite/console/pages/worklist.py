"""What is due at the actor's hospitals."""

from django.conf import settings
from django.http import (
    HttpRequest,
    HttpResponse,
)
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trialsite.console import reading
from trialsite.console.pages.base import Page
from trialsite.core import clock
from trialsite.participants.models import owing_reconsent
from trialsite.protocol.windows import events, in_force
from trialsite.sites.models import Site
from trialsite.staff import capabilities
from trialsite.staff.access import has
from visits import days


class Worklist(Page):
    """What is due: next steps and visits."""

    capability = capabilities.VISIT_VIEW
    template = "console/worklist.html"
    title = gettext_lazy("Worklist")

    def get(self, request: HttpRequest) -> HttpResponse:
        site, kind = request.GET.get("site", ""), request.GET.get("kind", "")
        elsewhere = kind in ("today", "steps", "consents")
        due = [] if elsewhere else reading.visits_due(self.actor, site=site)
        if kind == "to_book":
            due = [row for row in due if row.to_book and row.urgency != "overdue"]
        elif kind == "open":
            due = [row for row in due if row.urgency in ("open", "closing")]
        elif kind:
            due = [row for row in due if row.urgency == kind]
        slots = days.suggest(self.actor, [row.visit for row in due if row.to_book], limit=1)
        waiting = reading.steps_due(self.actor) if kind in ("", "steps") else []
        owed = owing_reconsent(self.actor, clock.today(settings.TIME_ZONE))
        owing = list(owed) if kind in ("", "consents") else []
        return self.show(
            {
                "today": reading.appointments_today(self.actor, site=site) if kind in ("", "today") else [],
                "due": [(row, next(iter(slots.get(row.visit.pk, [])), None)) for row in due],
                "uncertain": any(not slot.certain for found in slots.values() for slot in found),
                "may_book": has(self.actor, capabilities.VISIT_MANAGE),
                "waiting": [pair for pair in waiting if not site or pair[0].site.code == site],
                "owing": [one for one in owing if not site or one.site.code == site],
                "names": events(in_force()),
                "sites": Site.objects.visible_to(self.actor, "participant.view"),
                "site": site,
                "kind": kind,
                "kinds": [
                    ("", _("everything")),
                    ("today", _("today")),
                    ("steps", _("next steps")),
                    ("consents", _("consents owed")),
                    ("overdue", _("overdue")),
                    ("closing", _("closing within 3 days")),
                    ("open", _("window open")),
                    ("to_book", _("to be booked")),
                ],
            }
        )
