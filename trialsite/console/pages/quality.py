"""The quality of the data: what is missing and overdue, queries by age, verification, values that stand out."""

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy

from trialsite.casebook.models import Query
from trialsite.console import quality, scatter
from trialsite.console.pages.base import Page
from trialsite.core import clock
from trialsite.protocol.models import ProtocolVersion
from trialsite.staff import capabilities


class QualityPage(Page):
    """Progress of each hospital and participant, and what there is to clean."""

    capability = capabilities.RECORD_VIEW
    template = "console/quality.html"
    title = gettext_lazy("Data quality")

    def get(self, request: HttpRequest) -> HttpResponse:
        sites = quality.hospitals(self.actor)
        rows = quality.by_participant(self.actor)
        by_site = quality.by_site(sites, rows)
        chosen = request.GET.get("site", "")
        version = ProtocolVersion.objects.current()
        items = quality.questioned(self.actor, version.definition) if version else []
        asked = request.GET.get("item", "")
        named = {f"{form.code}.{item.name}": (form, item) for form, item, _number in items}
        name = asked if asked in named else next(iter(named), "")
        figure = None
        if name:
            form, item = named[name]
            figure = scatter.figure(
                item, quality.values_of(self.actor, form, item), [site.code for site in sites]
            )
        states = dict(Query.State.choices)
        return self.show(
            {
                "by_site": by_site,
                "all": (len(rows), sum((one for _site, _number, one in by_site), quality.Progress())),
                "rows": [
                    (who, one)
                    for who, one in rows
                    if chosen in ("", who.site.code) and (one.expected or one.queries)
                ],
                "sites": sites,
                "site": chosen,
                "ages": [
                    (site, states[state], state, counts, sum(counts))
                    for site, state, counts in quality.ages(self.actor, sites, clock.now())
                ],
                "limits": quality.AGES,
                "items": [
                    (f"{form.code}.{item.name}", form.name, item.label, number)
                    for form, item, number in items
                ],
                "item": name,
                "figure": figure,
                "chosen": named.get(name),
            }
        )
