"""What follows from a verdict after surgery: a breach is recorded with its reason."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from trialsite.console.forms import BreachForm
from trialsite.console.pages.base import StepPage
from trialsite.core.errors import NotFound
from trialsite.enrollment import breaches
from trialsite.staff import capabilities


class BreachPage(StepPage):
    """A criterion that was not satisfied though the participant was operated."""

    capability = capabilities.RECORD_EDIT
    title = gettext_lazy("Record a breach of eligibility")
    explanation = gettext_lazy("There is no waiver. The breach is kept as a protocol deviation.")
    form_class = BreachForm

    def summary(self) -> list[tuple[Any, Any]]:
        participant, asked = self.participant(), self.kwargs["criterion"]
        breach = breaches.breached(participant).get(asked)
        known = participant.protocol_version.definition.criteria
        found = breach.criterion if breach else next((one for one in known if one.id == asked), None)
        if found is None:
            raise NotFound
        return [(_("Criterion"), f"{found.id} · {found.title.to(get_language() or 'en')}")]

    def act(self, data: Mapping[str, Any]) -> None:
        breaches.record(
            actor=self.actor, participant=self.participant(), criterion=self.kwargs["criterion"], **data
        )
