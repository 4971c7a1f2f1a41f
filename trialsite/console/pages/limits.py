"""Entering the limits of normal of a hospital's laboratory."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from trialsite.casebook import limits
from trialsite.console.forms import LimitForm
from trialsite.console.pages.base import StepPage
from trialsite.core.errors import NotFound
from trialsite.protocol.definition import Definition
from trialsite.protocol.models import ProtocolVersion
from trialsite.sites.models import Site
from trialsite.staff import capabilities


class LimitPage(StepPage):
    """A new limit of normal."""

    capability = capabilities.LIMIT_MANAGE
    title = gettext_lazy("Enter a limit of normal")
    explanation = gettext_lazy(
        "Samples from this day on take it wherever a form leaves the limit open. Forms already saved keep theirs."
    )
    form_class = LimitForm

    def definition(self) -> Definition:
        version = ProtocolVersion.objects.current()
        if version is None:
            raise NotFound
        return version.definition

    def prepare(self, form: forms.Form) -> None:
        definition, language = self.definition(), get_language() or "en"
        sites: Any = form.fields["site"]
        sites.queryset = Site.objects.visible_to(self.actor, capabilities.LIMIT_MANAGE)
        what: Any = form.fields["what"]
        what.choices = [
            (
                f"{one.code}.{item.name}",
                f"{item.label.to(language)} ({', '.join(item.accepted_units) or '–'})",
            )
            for one in definition.forms
            for item in one.items.values()
            if item.uln
        ]
        sex: Any = form.fields["sex"]
        sex.choices = [("", _("both"))] + [
            (choice.code, choice.label.to(language)) for choice in limits.sexes(definition)
        ]

    def act(self, data: Mapping[str, Any]) -> None:
        given = dict(data)
        form, _dot, item = given.pop("what").partition(".")
        limits.enter(actor=self.actor, definition=self.definition(), form=form, item=item, **given)

    def home(self) -> HttpResponse:
        return redirect("admin:casebook_normallimit_changelist")
