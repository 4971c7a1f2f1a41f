"""Freezing and locking a participant, a visit or everything: what still hinders it, and how it is lifted again."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trialsite.casebook import reviewing
from trialsite.casebook.models import CasebookSignature, Lock
from trialsite.console import casebook, quality
from trialsite.console.forms import CasebookLockForm, DatabaseLockForm, ReasonForm
from trialsite.console.pages.base import StepPage, Values
from trialsite.core.errors import Invalid, NotFound
from trialsite.staff import capabilities


class CasebookLockPage(StepPage):
    """Freezing, locking or lifting over a participant or one of the visits, whatever is recorded there."""

    capability = capabilities.RECORD_LOCK
    title = gettext_lazy("Freeze or lock")
    explanation = gettext_lazy(
        "A freeze keeps everybody from changing data while they are cleaned; a lock is for good, and takes the place of"
        " a freeze. Lifting needs a reason too. An item or one form is frozen or locked on the form."
    )
    form_class = CasebookLockForm

    def prepare(self, form: forms.Form) -> None:
        participant, language = self.participant(), self.request.LANGUAGE_CODE
        known = {event.code for event in participant.protocol_version.definition.visits}
        reach: Any = form.fields["reach"]
        reach.choices = [
            ("", _("the whole participant")),
            *(
                (event.code, f"{event.code} · {event.name.to(language)}")
                for event in casebook.read(self.actor, participant).events
                if event.code in known
            ),
        ]
        reach.required = False

    def standing(self) -> list[Lock]:
        """What stands over the participant or one of the visits."""
        rows = Lock.objects.visible_to(self.actor).standing().filter(participant=self.participant())
        over = rows.filter(level__in=(Lock.Level.PARTICIPANT, Lock.Level.VISIT))
        return list(over.select_related("placed_by"))

    def summary(self) -> list[tuple[Any, Any]]:
        return [
            (
                f"{lock.get_kind_display()}: {lock.get_level_display()} {lock.event}".strip(),
                f"{lock.reason} · {lock.placed_by.full_name}, {lock.created_at:%Y-%m-%d}",
            )
            for lock in self.standing()
        ]

    def act(self, data: Mapping[str, Any]) -> None:
        event, reason = data["reach"], data["reason"]
        if data["kind"] != "lift":
            level = Lock.Level.VISIT if event else Lock.Level.PARTICIPANT
            reviewing.place_lock(
                actor=self.actor,
                kind=data["kind"],
                level=level,
                reason=reason,
                participant=self.participant(),
                event=event,
            )
            return
        found = next((lock for lock in self.standing() if lock.event == event), None)
        if found is None:
            raise Invalid(fields={"reach": [_("Nothing is frozen or locked there.")]})
        reviewing.lift_lock(actor=self.actor, lock=found, reason=reason)

    def home(self) -> HttpResponse:
        return redirect("casebook", self.kwargs["code"])


class _OverEverything(StepPage):
    """Base: for who may lock at all hospitals."""

    capability = capabilities.RECORD_LOCK
    trial_wide = True

    def standing(self) -> Lock | None:
        """The freeze or lock that stands over everything."""
        rows = Lock.objects.visible_to(self.actor).standing().filter(level=Lock.Level.DATABASE)
        return rows.select_related("placed_by").first()

    def home(self) -> HttpResponse:
        return redirect("database-lock")


class DatabaseLockPage(_OverEverything):
    """What still hinders the lock, hospital by hospital; the lock itself."""

    template = "console/database_lock.html"
    title = gettext_lazy("Database lock")
    explanation = gettext_lazy(
        "A freeze keeps everybody from changing data while they are cleaned. A lock is for good: it is placed once no"
        " draft and no query waits."
    )
    button = gettext_lazy("Freeze or lock")
    form_class = DatabaseLockForm

    def show(self, context: Values, *, status: int = 200, template: str = "") -> HttpResponse:
        rows = quality.by_site(quality.hospitals(self.actor), quality.by_participant(self.actor))
        signed = dict(
            CasebookSignature.objects.visible_to(self.actor)
            .standing()
            .order_by()
            .values_list("site_id")
            .annotate(number=Count("participant", distinct=True))
        )
        together = sum((one for _site, _number, one in rows), quality.Progress())
        return super().show(
            {
                **context,
                "rows": [(site, number, one, signed.get(site.pk, 0)) for site, number, one in rows],
                "all": (sum(number for _site, number, _one in rows), together, sum(signed.values())),
                "standing": self.standing(),
            },
            status=status,
            template=template,
        )

    def act(self, data: Mapping[str, Any]) -> None:
        reviewing.place_lock(
            actor=self.actor, kind=data["kind"], level=Lock.Level.DATABASE, reason=data["reason"]
        )


class LiftDatabaseLockPage(_OverEverything):
    """Lifting it, with the reason."""

    title = gettext_lazy("Lift the freeze or lock over the database")
    explanation = gettext_lazy("From then on data can be changed again. The reason stands in the trail.")
    button = gettext_lazy("Lift")
    form_class = ReasonForm

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return super().get(request, **kwargs) if self.standing() else self.home()

    def _required(self) -> Lock:
        found = self.standing()
        if found is None:
            raise NotFound
        return found

    def summary(self) -> list[tuple[Any, Any]]:
        lock = self._required()
        return [
            (gettext_lazy("Kind"), lock.get_kind_display()),
            (gettext_lazy("by"), lock.placed_by.full_name),
            (gettext_lazy("Reason"), lock.reason),
        ]

    def act(self, data: Mapping[str, Any]) -> None:
        reviewing.lift_lock(actor=self.actor, lock=self._required(), reason=data["reason"])
