"""Contact details: the sheet of one participant, its erasure, and the search by name, telephone or mail."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy

from trialsite.console.forms import ContactForm, ReasonForm, SearchForm
from trialsite.console.pages.base import Page, StepPage
from trialsite.core.errors import DomainError
from trialsite.participants import services
from trialsite.participants.models import contact_of
from trialsite.staff import capabilities


class ContactPage(StepPage):
    """Contact details, for those who may see them."""

    capability = capabilities.CONTACT_EDIT
    title = gettext_lazy("Contact details")
    explanation = gettext_lazy(
        "Stored encrypted and apart from clinical data; visible to this hospital only."
    )
    form_class = ContactForm

    def initial(self) -> dict[str, Any]:
        contact = contact_of(self.participant(), self.actor)
        shown = [name for name in ContactForm.base_fields if name != "reason"]
        return {name: getattr(contact, name) for name in shown} if contact else {}

    def act(self, data: Mapping[str, Any]) -> None:
        services.set_contact(actor=self.actor, participant=self.participant(), **data)


class ErasurePage(StepPage):
    """Erasure of the contact details, for good."""

    capability = capabilities.CONTACT_ERASE
    title = gettext_lazy("Erase contact details")
    explanation = gettext_lazy(
        "Name, telephone and mail become unreadable for good, and no message is sent any more. "
        "Clinical data stay under the code."
    )
    button = gettext_lazy("Erase for good")
    form_class = ReasonForm

    def act(self, data: Mapping[str, Any]) -> None:
        services.erase_contact(actor=self.actor, participant=self.participant(), **data)


class SearchPage(Page):
    """Who is this? The text is posted, so that it stands in no address, and is never recorded."""

    capability = capabilities.CONTACT_VIEW
    template = "console/search.html"
    title = gettext_lazy("Find a participant")

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.show({"form": SearchForm()})

    def post(self, request: HttpRequest) -> HttpResponse:
        form = SearchForm(request.POST)
        if not form.is_valid():
            return self.show({"form": form}, status=422)
        try:
            found = services.find_by_contact(actor=self.actor, **form.cleaned_data)
        except DomainError as error:
            for name, sentences in error.fields.items():
                form.add_error(name if name in form.fields else None, sentences)
            return self.show({"form": form}, status=422)
        return self.show({"form": form, "found": found, "searched": True})
