"""What every page shares: its capability, the frame of the admin site, the refusal beside the field."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views import View

from trialsite.console.forms import SignatureFields
from trialsite.core.errors import DomainError, NotFound
from trialsite.participants.models import Participant
from trialsite.staff import second_factor
from trialsite.staff.access import has, has_everywhere
from trialsite.staff.models import User

Values = Mapping[str, Any]


class Page(View):
    """A page of the admin site that declares its capability; whoever lacks it gets 403, whoever is unknown signs in.

    A page of what belongs to the trial as a whole is `trial_wide`: for who holds the capability at all hospitals.
    """

    capability: ClassVar[str] = ""
    trial_wide: ClassVar[bool] = False
    template: ClassVar[str] = ""
    title: ClassVar[Any] = ""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not request.user.is_authenticated or not request.user.is_active:
            return redirect_to_login(request.get_full_path(), "/admin/login/")
        if not has(request.user, self.capability) or not self._wide_enough(request.user):
            raise PermissionDenied
        try:
            return super().dispatch(request, *args, **kwargs)
        except NotFound as error:
            raise Http404 from error

    def _wide_enough(self, user: Any) -> bool:
        return not self.trial_wide or has_everywhere(user, self.capability)

    @property
    def actor(self) -> User:
        """Who is signed in."""
        user: Any = self.request.user
        return user  # type: ignore[no-any-return]

    def show(self, context: Values, *, status: int = 200, template: str = "") -> HttpResponse:
        """The page with the frame of the admin site around it."""
        frame = admin.site.each_context(self.request)
        return render(
            self.request, template or self.template, {**frame, "title": self.title, **context}, status=status
        )


class OfParticipant(Page):
    """Base of the pages of one participant."""

    def participant(self) -> Participant:
        """NotFound for one of another hospital."""
        return Participant.objects.visible_to(self.actor).by_code(self.kwargs["code"])

    def home(self) -> HttpResponse:
        """Back to the participant's page."""
        return redirect("participant", code=self.kwargs["code"])


class StepPage(OfParticipant):
    """Base of the small steps: a Django form, one service."""

    template = "console/step.html"
    form_class: ClassVar[type[forms.Form]]
    explanation: ClassVar[Any] = ""
    button: ClassVar[Any] = gettext_lazy("Save")

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self.draw(self.form_class(initial=self.initial()))

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        form = self.bound()
        self._ready(form)
        if not form.is_valid():
            return self.draw(form, status=422)
        try:
            self.act(form.cleaned_data)
        except DomainError as error:
            for name, sentences in error.fields.items():
                form.add_error(name if name in form.fields else None, sentences)
            if not error.fields:
                form.add_error(None, str(error))
            return self.draw(form, status=422)
        messages.success(request, _("Saved."))
        return self.home()

    def bound(self) -> forms.Form:
        """The form with what was sent; a page that takes files adds them."""
        return self.form_class(self.request.POST)

    def initial(self) -> dict[str, Any]:
        """What the form shows at first."""
        return {}

    def _ready(self, form: forms.Form) -> None:
        """The form as this actor meets it: a signature asks for a code only where one is due."""
        if isinstance(form, SignatureFields) and not second_factor.needed_to_sign(self.actor):
            form.fields.pop("code", None)
        self.prepare(form)

    def prepare(self, form: forms.Form) -> None:
        """Give choices to fields that depend on who asks."""

    def act(self, data: Mapping[str, Any]) -> None:
        """Call the service."""
        raise NotImplementedError

    def summary(self) -> list[tuple[Any, Any]]:
        """Lines to read before confirming."""
        return []

    def draw(self, form: forms.Form, *, status: int = 200) -> HttpResponse:
        """The page."""
        participant = self.participant() if "code" in self.kwargs else None
        self._ready(form)
        return self.show(
            {
                "title": f"{participant.code} · {self.title}" if participant else self.title,
                "participant": participant,
                "form": form,
                "explanation": self.explanation,
                "summary": self.summary(),
                "button": self.button,
            },
            status=status,
        )
