"""The simulator on a page: what each design would do in a trial like this one. It opens no list and asks for none."""

from contextlib import suppress
from typing import Any, Final

from django import forms
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from randomization import overview, simulation
from randomization.simulation import BadDesign, Population, Row
from trialsite.console.pages.base import Page
from trialsite.core.errors import NotFound
from trialsite.protocol.models import ProtocolVersion
from trialsite.staff import capabilities
from trialsite.staff.models import User

# With these bounds a page takes about a second of one processor; the command has none of them.
TRIALS: Final = 2000
MOST_PARTICIPANTS: Final = 500
MOST_STRATA: Final = 100
MOST_DESIGNS: Final = 10
_WORDS: Final = {
    "complete": gettext_lazy("complete randomization"),
    "blocks": gettext_lazy("blocks of {numbers}"),
    "big_stick": gettext_lazy("big stick {numbers}"),
    "minimisation": gettext_lazy("minimization, p = {numbers}"),
}


class DesignsForm(forms.Form):
    """The trial, and the designs that are weighed."""

    participants = forms.IntegerField(
        label=gettext_lazy("Participants"), min_value=2, max_value=MOST_PARTICIPANTS
    )
    sites = forms.CharField(
        label=gettext_lazy("Shares of the hospitals"),
        max_length=200,
        help_text=gettext_lazy("with / between, such as 50/30/20"),
    )
    factors = forms.CharField(
        label=gettext_lazy("Further factors"),
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("a line for each: the shares of its levels, such as 50/50"),
    )
    ratio = forms.CharField(
        label=gettext_lazy("Ratio of the arms"), max_length=5, help_text=gettext_lazy("such as 1:1 or 2:1")
    )
    designs = forms.CharField(
        label=gettext_lazy("Designs"),
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=gettext_lazy(
            "a line for each: complete, blocks:4,6, big_stick:3, minimisation:0.8; empty: the usual ones"
        ),
    )
    seed = forms.IntegerField(label=gettext_lazy("Seed"), min_value=0, max_value=2**31)

    def clean_sites(self) -> tuple[float, ...]:
        return _shares(self.cleaned_data["sites"])

    def clean_factors(self) -> list[tuple[float, ...]]:
        return [_shares(line) for line in self.cleaned_data["factors"].split("\n") if line.strip()]

    def clean_ratio(self) -> simulation.Ratio:
        try:
            return simulation.ratio_of(self.cleaned_data["ratio"])
        except ValueError as error:
            raise forms.ValidationError(
                _("Two whole numbers from 1 to 10 are needed, such as 2:1.")
            ) from error

    def clean(self) -> dict[str, Any]:
        """The whole: so many strata and designs as the page can bear, each design one that is known."""
        data: dict[str, Any] = super().clean() or {}
        if self.errors:
            return data
        strata = len(data["sites"])
        for levels in data["factors"]:
            strata *= len(levels)
        if strata > MOST_STRATA:
            self.add_error("factors", _("At most {most} strata are simulated here.").format(most=MOST_STRATA))
        named = [line.strip() for line in data["designs"].split("\n") if line.strip()]
        data["designs"] = list(dict.fromkeys(named)) or list(simulation.usual(data["ratio"]))
        if len(data["designs"]) > MOST_DESIGNS:
            self.add_error(
                "designs", _("At most {most} designs are simulated here.").format(most=MOST_DESIGNS)
            )
        return data


def _shares(text: str) -> tuple[float, ...]:
    try:
        return simulation.shares_of(text)
    except ValueError as error:
        raise forms.ValidationError(
            _("Numbers from 0.001 to 1000000 with / between are needed, such as 50/30/20.")
        ) from error


class DesignsPage(Page):
    """Nothing is stored; what is asked for stands in the address, so that it can be shown again and printed."""

    capability = capabilities.LEDGER_VIEW
    template = "console/designs.html"
    title = gettext_lazy("Compare designs")

    def get(self, request: HttpRequest) -> HttpResponse:
        if "participants" not in request.GET:
            return self.show({"form": DesignsForm(initial=_own_trial(self.actor)), "most": TRIALS})
        form = DesignsForm(request.GET)
        if not form.is_valid():
            return self.show({"form": form, "most": TRIALS}, status=422)
        data = form.cleaned_data
        population = Population(data["participants"], (data["sites"], *data["factors"]))
        try:
            rows = simulation.table(
                data["designs"], population, trials=TRIALS, seed=data["seed"], ratio=data["ratio"]
            )
        except BadDesign as error:
            form.add_error("designs", _("{design} is not known for this ratio.").format(design=error))
            return self.show({"form": form, "most": TRIALS}, status=422)
        return self.show({"form": form, **_shown(rows, population)})


def _own_trial(actor: User) -> dict[str, Any]:
    """This trial's hospitals with their targets as shares, its factors with levels of equal shares."""
    asked: dict[str, Any] = {"participants": 120, "sites": "50/30/20", "ratio": "1:1", "seed": 1}
    version = ProtocolVersion.objects.current()
    if version is not None:
        trial = version.definition
        asked["participants"] = min(trial.total_cap, MOST_PARTICIPANTS)
        asked["sites"] = "/".join(str(site.target) for site in trial.sites)
    with suppress(NotFound):
        cuts = overview.overview(actor).scheme.factors
        asked["factors"] = "\n".join("/".join("1" for _level in cut["levels"]) for cut in cuts)
    return asked


def _words(design: str) -> str:
    name, _colon, numbers = design.partition(":")
    return str(_WORDS[name]).format(numbers=numbers.replace(",", ", "))


def _shown(rows: list[Row], population: Population) -> dict[str, Any]:
    picture = simulation.figure(rows, population, trials=TRIALS, words=_words)
    return {
        "rows": [(_words(row.design), row) for row in rows],
        "most": TRIALS,
        "picture": render_to_string("randomization/designs.svg", picture),
    }
