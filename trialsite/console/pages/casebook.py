"""The casebook of one participant: its matrix, what readers do at a form, and the investigator's signature."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trialsite.casebook import progress, querying, reviewing
from trialsite.casebook.models import Lock, Query, Record, Verification
from trialsite.console import casebook
from trialsite.console.forms import SignatureFields
from trialsite.console.pages.base import OfParticipant, StepPage, Values
from trialsite.console.pages.forms import FormPage
from trialsite.console.pages.places import Place
from trialsite.core.errors import DomainError, NotFound
from trialsite.staff import capabilities
from trialsite.staff.access import has


class CasebookPage(OfParticipant):
    """Visits × forms, the state of each as symbol, colour and word."""

    capability = capabilities.RECORD_VIEW
    template = "console/casebook.html"

    def get(self, request: HttpRequest, code: str) -> HttpResponse:
        participant = self.participant()
        book = casebook.read(self.actor, participant)
        return self.show(
            {
                "title": f"{participant.code} · {_('Casebook')}",
                "participant": participant,
                "book": book,
                "states": [(state, *shown) for state, shown in progress.STATES.items()],
                "may_lock": has(self.actor, capabilities.RECORD_LOCK, site=participant.site_id),
                "may_sign": has(self.actor, capabilities.CASEBOOK_SIGN, site=participant.site_id),
            }
        )


class ReviewPage(FormPage):
    """One thing that a reader does at a form: `act` names it, and after a colon what it is done to."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        at = self.place()
        if at.record is None:
            raise NotFound
        act, _colon, target = request.POST.get("act", "").partition(":")
        doing = getattr(self, f"_{act}", None) if act in _ACTS else None
        if doing is None:
            raise NotFound
        try:
            doing(at, at.record, target, request.POST.get(f"text:{target}", ""))
        except NotFound:
            raise
        except DomainError as error:
            return self.draw(self.place(), at.record.data, error=error)
        messages.success(request, _("Saved."))
        anchor = target if target in at.form.items else request.POST.get(f"item:{target}", "")
        return redirect(f"{at.address()}#row-{anchor}" if anchor in at.form.items else at.address())

    def _raise(self, at: Place, record: Record, item: str, text: str) -> None:
        querying.raise_query(actor=self.actor, record=record, item=item, text=text)

    def _answer(self, at: Place, record: Record, key: str, text: str) -> None:
        querying.answer_query(actor=self.actor, query=self._query(record, key), text=text)

    def _close(self, at: Place, record: Record, key: str, text: str) -> None:
        querying.close_query(actor=self.actor, query=self._query(record, key), text=text)

    def _reopen(self, at: Place, record: Record, key: str, text: str) -> None:
        querying.reopen_query(actor=self.actor, query=self._query(record, key), text=text)

    def _verify(self, at: Place, record: Record, item: str, text: str) -> None:
        reviewing.verify(actor=self.actor, record=record, items=[item] if item else [])

    def _unverify(self, at: Place, record: Record, key: str, text: str) -> None:
        rows = Verification.objects.visible_to(self.actor).standing().filter(record=record)
        found = rows.filter(pk=_number(key)).first()
        if found is None:
            raise NotFound
        reviewing.take_back(actor=self.actor, verification=found, reason=text)

    def _freeze(self, at: Place, record: Record, target: str, text: str) -> None:
        self._place_lock(at, record, Lock.Kind.FREEZE, text)

    def _lock(self, at: Place, record: Record, target: str, text: str) -> None:
        self._place_lock(at, record, Lock.Kind.LOCK, text)

    def _place_lock(self, at: Place, record: Record, kind: str, text: str) -> None:
        level, _colon, item = self.request.POST.get("reach", "").partition(":")
        where: dict[str, dict[str, Any]] = {
            "item": {"record": record, "item": item},
            "form": {"record": record},
            "visit": {"participant": at.participant, "event": at.event.code},
            "participant": {"participant": at.participant},
        }
        if level not in where or (level == "item" and item not in at.form.items):
            raise NotFound
        reviewing.place_lock(actor=self.actor, kind=kind, level=level, reason=text, **where[level])

    def _lift(self, at: Place, record: Record, key: str, text: str) -> None:
        over = Lock.objects.visible_to(self.actor).over(
            participant=at.participant.pk, event=at.event.code, record=record.pk
        )
        found = over.filter(pk=_number(key)).first()
        if found is None:
            raise NotFound
        reviewing.lift_lock(actor=self.actor, lock=found, reason=text)

    def _query(self, record: Record, key: str) -> Query:
        found = Query.objects.visible_to(self.actor).filter(record=record, pk=_number(key)).first()
        if found is None:
            raise NotFound
        return found


_ACTS = frozenset({"raise", "answer", "close", "reopen", "verify", "unverify", "freeze", "lock", "lift"})


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise NotFound
    return int(text)


class SignCasebookPage(StepPage):
    """The investigator's signature over everything recorded of a participant."""

    capability = capabilities.CASEBOOK_SIGN
    title = gettext_lazy("Sign the casebook")
    explanation = gettext_lazy(
        "With your password you sign that you have reviewed this casebook and that it is complete and correct to your"
        " knowledge. The signature falls when a record changes."
    )
    button = gettext_lazy("Sign")
    form_class = SignatureFields
    template = "console/casebook_sign.html"

    def show(self, context: Values, *, status: int = 200, template: str = "") -> HttpResponse:
        """With what waits; while something does, nothing is offered to sign. What is only missing is named beside."""
        participant = self.participant()
        waiting = [
            (
                reverse("form", args=[participant.code, record.event, record.form, record.repeat]),
                _place(record, self.request.LANGUAGE_CODE),
                query,
            )
            for record, query in reviewing.waiting(participant)
        ]
        missing = [cell for cell in self.book.cells.values() if cell.reached == "expected"]
        shown = {**context, "waiting": waiting, "missing": missing}
        return super().show(shown, status=status, template=template)

    @cached_property
    def book(self) -> casebook.Casebook:
        """The casebook as the signer sees it."""
        return casebook.read(self.actor, self.participant())

    def summary(self) -> list[tuple[Any, Any]]:
        book = self.book
        records = sum(len(cell.records) for cell in book.cells.values())
        return [
            (_("Records"), records),
            (_("Drafts"), sum(cell.reached == "draft" for cell in book.cells.values())),
            (_("Open queries"), book.queries),
            (_("Not entered yet"), sum(cell.reached == "expected" for cell in book.cells.values())),
        ]

    def act(self, data: Mapping[str, Any]) -> None:
        reviewing.sign_casebook(actor=self.actor, participant=self.participant(), **data)

    def home(self) -> HttpResponse:
        return redirect(reverse("casebook", args=[self.kwargs["code"]]))


def _place(record: Record, language: str) -> str:
    """Where a record stands, in the words of its own version of the protocol."""
    definition = record.protocol_version.definition
    form = definition.form(record.form)
    number = f" {record.repeat}" if form.repeating or record.repeat > 1 else ""
    return f"{definition.name_of(record.event).to(language)} · {form.name.to(language)}{number}"
