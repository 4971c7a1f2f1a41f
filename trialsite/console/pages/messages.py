"""What a person decides about a message, and what a member of staff wants to receive."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trialsite.console.pages.base import Page, StepPage
from trialsite.core.errors import NotFound
from trialsite.outbox import rules, services
from trialsite.outbox.models import Message
from trialsite.staff import capabilities
from visits import reading

_DECISIONS: Final[Mapping[str, tuple[Any, Callable[..., Message], str]]] = {
    "retry": (gettext_lazy("Try again"), services.retry, "pending"),
    "give_up": (
        gettext_lazy("Give up: it is no longer needed, or was said otherwise"),
        services.give_up,
        "given_up",
    ),
    "delivered": (gettext_lazy("It was delivered after all"), services.mark_delivered, "sent"),
}


class DecisionForm(forms.Form):
    """One decision and its reason."""

    decision = forms.ChoiceField(label=gettext_lazy("Decision"), widget=forms.RadioSelect)
    reason = forms.CharField(
        label=gettext_lazy("Reason"), max_length=300, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )


class DecidePage(StepPage):
    """One message that failed or is uncertain: what is known of it, and the decision."""

    capability = capabilities.REMINDER_MANAGE
    template = "console/message.html"
    title = gettext_lazy("Work off a message")
    form_class = DecisionForm
    explanation = gettext_lazy(
        "Nobody sends this message again by itself. After a provider’s no, trying again sends a new message. "
        "Where nobody knows whether it arrived, first ask the participant or the provider: "
        "trying again may let it arrive twice."
    )

    def message(self) -> Any:
        """NotFound for one of another hospital."""
        rows = Message.objects.visible_to(self.actor).with_names().select_related("site", "worked_off_by")
        found = rows.filter(pk=self.kwargs["message"]).first()
        if found is None:
            raise NotFound
        return found

    def possible(self) -> list[tuple[str, Any]]:
        """The decisions that the message's state leaves."""
        state = self.message().state
        return [
            (name, label)
            for name, (label, _service, to) in _DECISIONS.items()
            if state in rules.FOR_PERSON and state in rules.leading_to(to)
        ]

    def prepare(self, form: forms.Form) -> None:
        field: Any = form.fields["decision"]
        field.choices = self.possible()

    def _rule(self, message: Message) -> str:
        kind = str(message.payload.get("rule", ""))
        return reading.rule_names(self.request.LANGUAGE_CODE).get(kind, kind)

    def summary(self) -> list[tuple[Any, Any]]:
        message = self.message()
        lines = [
            (_("Participant"), message.subject_code or "–"),
            (_("Hospital"), message.site.name),
            (_("Kind"), settings.OUTBOX_TITLES.get(message.kind, message.kind)),
            (_("Rule"), " · ".join(filter(None, (message.payload.get("code"), self._rule(message))))),
            (_("Recipient"), message.recipient_name or _("participant")),
            (_("Channel"), message.get_via_display() or message.get_channel_display()),
            (_("Due"), message.due_at),
            (_("Attempts"), message.attempts),
            (_("Answer"), message.told or "–"),
        ]
        if message.worked_off_by:
            because = f"{message.worked_off_by.full_name}: {message.worked_off_because}"
            lines.append((_("Worked off"), because))
        return [line for line in lines if line[1] != ""]

    def draw(self, form: forms.Form, *, status: int = 200) -> HttpResponse:
        self.prepare(form)
        message = self.message()
        return self.show(
            {
                "title": self.title,
                "message": message,
                "open": bool(self.possible()),
                "form": form,
                "explanation": self.explanation,
                "summary": self.summary(),
                "button": _("Decide"),
                "back": reverse("admin:outbox_message_changelist") + "?work=open",
            },
            status=status,
        )

    def act(self, data: Mapping[str, Any]) -> None:
        service = _DECISIONS[data["decision"]][1]
        service(actor=self.actor, message=self.message(), reason=data["reason"])

    def home(self) -> HttpResponse:
        return redirect(reverse("admin:outbox_message_changelist") + "?work=open")


class MyMessages(Page):
    """Which optional messages the person wants."""

    capability = capabilities.TOKEN_OWN
    template = "console/my_messages.html"
    title = gettext_lazy("My messages")

    def get(self, request: HttpRequest) -> HttpResponse:
        wanted = services.preferences(self.actor)
        kinds = [(kind, settings.OUTBOX_TITLES[kind], value) for kind, value in wanted.items()]
        return self.show({"kinds": kinds, "saved": "saved" in request.GET})

    def post(self, request: HttpRequest) -> HttpResponse:
        for kind in services.preferences(self.actor):
            services.set_preference(actor=self.actor, kind=kind, wanted=kind in request.POST)
        return redirect(reverse("my-messages") + "?saved=1")
