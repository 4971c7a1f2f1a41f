"""The pages. Each reads through `visible_to`, writes through one service, and shows refusals where they belong."""

import csv
import dataclasses
import email
import email.policy
import io
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.views import redirect_to_login
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseForbidden,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views import View

from randomization import arms
from trialsite.audit.context import acting
from trialsite.audit.models import Event, Seal
from trialsite.audit.notes import note
from trialsite.casebook import services as casebook
from trialsite.casebook.models import Query, Record
from trialsite.console import criteria, entry, reading, trail
from trialsite.console.forms import (
    AttendForm,
    BookForm,
    ConsentForm,
    ContactForm,
    RandomizeForm,
    ReasonForm,
    RegisterForm,
    SignForm,
    TrailForm,
)
from trialsite.core import clock
from trialsite.core.errors import DomainError, NotFound
from trialsite.enrollment import facts, services, steps
from trialsite.outbox.models import Message
from trialsite.outbox.services import message_id
from trialsite.participants import services as participants
from trialsite.participants.models import Participant, contact_of
from trialsite.protocol.definition import Form, Unknown
from trialsite.sites.models import Site
from trialsite.staff import capabilities
from trialsite.staff.access import has
from trialsite.staff.models import User
from visits import rules as visit_rules
from visits import services as visits
from visits.models import Visit

Values = Mapping[str, Any]


class Page(View):
    """A page of the admin site that declares its capability; whoever lacks it gets 403, whoever is unknown signs in."""

    capability: ClassVar[str] = ""
    template: ClassVar[str] = ""
    title: ClassVar[Any] = ""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not request.user.is_authenticated or not request.user.is_active:
            return redirect_to_login(request.get_full_path(), "/admin/login/")
        if not has(request.user, self.capability):
            return HttpResponseForbidden(_("Your role does not permit this."))
        try:
            return super().dispatch(request, *args, **kwargs)
        except NotFound as error:
            raise Http404 from error

    @property
    def actor(self) -> User:
        """Who is signed in."""
        user: Any = self.request.user
        return user  # type: ignore[no-any-return]

    def show(self, context: Values, *, status: int = 200) -> HttpResponse:
        """The page with the frame of the admin site around it."""
        frame = admin.site.each_context(self.request)
        return render(self.request, self.template, {**frame, "title": self.title, **context}, status=status)


class Worklist(Page):
    """What is due: next steps and visits."""

    capability = capabilities.VISIT_VIEW
    template = "console/worklist.html"
    title = gettext_lazy("Worklist")

    def get(self, request: HttpRequest) -> HttpResponse:
        site, kind = request.GET.get("site", ""), request.GET.get("kind", "")
        due = [row for row in reading.visits_due(self.actor) if not site or row.visit.site.code == site]
        if kind == "to_book":
            due = [row for row in due if row.to_book and row.urgency != "overdue"]
        elif kind:
            due = [row for row in due if row.urgency == kind]
        waiting = reading.steps_due(self.actor) if kind in ("", "steps") else []
        return self.show(
            {
                "due": [] if kind == "steps" else due,
                "waiting": [pair for pair in waiting if not site or pair[0].site.code == site],
                "sites": Site.objects.visible_to(self.actor, "participant.view"),
                "site": site,
                "kind": kind,
                "kinds": [
                    ("", _("everything")),
                    ("steps", _("next steps")),
                    ("overdue", _("overdue")),
                    ("closing", _("closing within 3 days")),
                    ("open", _("window open")),
                    ("to_book", _("to be booked")),
                ],
            }
        )


class OfParticipant(Page):
    """Base of the pages of one participant."""

    def participant(self) -> Participant:
        """NotFound for one of another hospital."""
        return Participant.objects.visible_to(self.actor).by_code(self.kwargs["code"])

    def home(self) -> HttpResponse:
        """Back to the participant's page."""
        return redirect("participant", code=self.kwargs["code"])


class ParticipantPage(OfParticipant):
    """One participant: where they stand, the next step, and everything recorded."""

    capability = capabilities.PARTICIPANT_VIEW
    template = "console/participant.html"

    def get(self, request: HttpRequest, code: str) -> HttpResponse:
        actor, participant = self.actor, self.participant()
        definition = participant.protocol_version.definition
        records = list(
            Record.objects.visible_to(actor).filter(participant=participant).select_related("updated_by")
        )
        queries = list(
            Query.objects.visible_to(actor).open().filter(participant=participant).select_related("record")
        )
        signed = reading.signed(actor).get(pk=participant.pk).is_signed
        t0 = facts.reference_day(participant)
        verdict = services.verdict(participant=participant, surgery_on=t0)
        allocation = arms.visible_to(actor).filter(participant=participant).first()
        planned = list(Visit.objects.visible_to(actor).filter(participant=participant))
        settled = not any(visit.state in visit_rules.OPEN for visit in planned)
        step = steps.next_step(participant.status, signed=signed, settled=settled)
        today = clock.today(participant.site.timezone)
        return self.show(
            {
                "title": participant.code,
                "participant": participant,
                "step": step,
                "may_step": step and has(actor, step.capability, site=participant.site_id),
                "ends": self._ends(participant),
                "path": self._path(participant),
                "consents": participant.consents.select_related("obtained_by"),
                "verdict": verdict if participant.status != "registered" else None,
                "t0": t0,
                "criteria": criteria.explained(definition, verdict),
                "signed": signed,
                "signatures": participant.verdicts.select_related("signature"),
                "forms": _forms(definition, participant, records, queries),
                "may_edit": has(actor, capabilities.RECORD_EDIT, site=participant.site_id),
                "queries": queries,
                "allocation": allocation,
                "arm": allocation and next(arm for arm in definition.arms if arm.code == allocation.arm),
                "visits": [_visit(visit, definition, today) for visit in planned],
                "may_manage": has(actor, capabilities.VISIT_MANAGE, site=participant.site_id),
                "messages_out": Message.objects.visible_to(actor)
                .with_names()
                .filter(subject_code=participant.code)[:20],
                "may_contact": has(actor, capabilities.CONTACT_VIEW, site=participant.site_id),
                "events": Event.objects.filter(participant_id=participant.pk)[:15]
                if has(actor, capabilities.AUDIT_VIEW, site=participant.site_id)
                else [],
            }
        )

    def _ends(self, participant: Participant) -> list[steps.Step]:
        return [
            step
            for step in (steps.FAIL, steps.WITHDRAW, steps.DIE, steps.START_SBRT)
            if step.possible_from(participant.status)
            and has(self.actor, step.capability, site=participant.site_id)
            and (
                step is not steps.START_SBRT
                or has(self.actor, capabilities.ARM_SEE, site=participant.site_id)
            )
        ]

    @staticmethod
    def _path(participant: Participant) -> list[tuple[str, str]]:
        order = ["registered", "consented", "eligible", "operated", "randomized"]
        at = order.index(participant.status) if participant.status in order else len(order)
        return [
            (str(Participant.Status(status).label), "done" if place < at else "now" if place == at else "")
            for place, status in enumerate(order)
        ]


def _forms(
    definition: Any, participant: Participant, records: list[Record], queries: list[Query]
) -> list[Any]:
    """(event, form, record, number of open queries) for everything that can be filled in now."""
    events = {"registered": [], "consented": ["SCR", "BL"], "eligible": ["SCR", "BL"]}.get(
        participant.status, ["SCR", "BL", "RAND", "W1", "W2", "W4", "M3", "M6", "M12", "UNS"]
    )
    stored = {(record.event, record.form): record for record in records}
    opened = [(query.record.event, query.record.form) for query in queries]
    return [
        (definition.visit(event), form, stored.get((event, form.code)), opened.count((event, form.code)))
        for event in events
        for form in definition.forms_at(event)
        if not form.drives
    ]


@dataclass(frozen=True)
class _Shown:
    visit: Visit
    name: Any
    study_day: int
    urgency: str
    open: bool


def _visit(visit: Visit, definition: Any, today: Any) -> _Shown:
    return _Shown(
        visit,
        definition.visit(visit.code).name,
        visit_rules.study_day(visit.anchor_on, visit.target_on),
        visit_rules.urgency(visit.state, visit.opens_on, visit.closes_on, today),
        visit.state in visit_rules.OPEN,
    )


class FormPage(OfParticipant):
    """One form of the casebook, drawn from its definition."""

    capability = capabilities.RECORD_EDIT
    template = "console/form.html"

    def get(self, request: HttpRequest, code: str, event: str, form: str) -> HttpResponse:
        participant, described = self._described(event, form)
        record = self._record(participant, event, form)
        return self._draw(participant, described, record, record.data if record else {})

    def post(self, request: HttpRequest, code: str, event: str, form: str) -> HttpResponse:
        participant, described = self._described(event, form)
        values = entry.posted(described, request.POST)
        seen = request.POST.get("version", "")
        try:
            saved = casebook.save_record(
                actor=self.actor,
                participant=participant,
                event=event,
                form=form,
                values=values,
                expected_version=int(seen) if seen.isdecimal() and seen != "0" else None,
                reason=request.POST.get("reason", ""),
                complete="draft" not in request.POST,
            )
        except DomainError as error:
            record = self._record(participant, event, form)
            return self._draw(participant, described, record, values, error=error)
        if saved.queries:
            messages.warning(request, _("Saved. Please look at the questions beside the fields."))
            return redirect(request.path)
        messages.success(request, _("Saved."))
        return self.home()

    def _described(self, event: str, form: str) -> tuple[Participant, Form]:
        participant = self.participant()
        definition = participant.protocol_version.definition
        try:
            described = definition.form(form)
            known = form in definition.visit(event).forms
        except Unknown as error:
            raise NotFound from error
        if not known or described.drives:
            raise NotFound
        return participant, described

    def _record(self, participant: Participant, event: str, form: str) -> Record | None:
        rows = Record.objects.visible_to(self.actor)
        return rows.filter(participant=participant, event=event, form=form, repeat=1).first()

    def _draw(
        self,
        participant: Participant,
        form: Form,
        record: Record | None,
        values: Values,
        *,
        error: DomainError | None = None,
    ) -> HttpResponse:
        queries = {query.item: query.text for query in record.queries.open()} if record else {}
        return self.show(
            {
                "title": f"{participant.code} · {form.name.to(self.request.LANGUAGE_CODE)}",
                "participant": participant,
                "form": form,
                "record": record,
                "parts": entry.parts(form, values, error.fields if error else {}, queries),
                "error": error,
                "reason": self.request.POST.get("reason", ""),
                "seen": self.request.POST.get("version") or (record.version if record else 0),
                "drafting": True,
            },
            status=422 if error else 200,
        )


class DrivenPage(OfParticipant):
    """A form that records a key fact: surgery, start of SBRT, death, withdrawal."""

    template = "console/form.html"
    form_code: ClassVar[str] = ""
    service: ClassVar[Callable[..., Any]]

    def get(self, request: HttpRequest, code: str) -> HttpResponse:
        return self._draw({})

    def post(self, request: HttpRequest, code: str) -> HttpResponse:
        participant = self.participant()
        form = participant.protocol_version.definition.form(self.form_code)
        values = entry.posted(form, request.POST)
        try:
            type(self).service(actor=self.actor, participant=participant, values=values)
        except DomainError as error:
            return self._draw(values, error=error)
        messages.success(request, _("Saved."))
        return self.home()

    def _draw(self, values: Values, *, error: DomainError | None = None) -> HttpResponse:
        participant = self.participant()
        form = participant.protocol_version.definition.form(self.form_code)
        return self.show(
            {
                "title": f"{participant.code} · {form.name.to(self.request.LANGUAGE_CODE)}",
                "participant": participant,
                "form": form,
                "parts": entry.parts(form, values, error.fields if error else {}),
                "error": error,
            },
            status=422 if error else 200,
        )


class SurgeryPage(DrivenPage):
    """The surgery."""

    capability = capabilities.SURGERY_RECORD
    form_code = "surgery"
    service = services.operate


class SbrtPage(DrivenPage):
    """The start of SBRT."""

    capability = capabilities.SURGERY_RECORD
    form_code = "sbrt"
    service = services.start_sbrt


class DeathPage(DrivenPage):
    """A death."""

    capability = capabilities.END_RECORD
    form_code = "death"
    service = services.record_death


class WithdrawalPage(DrivenPage):
    """A withdrawal."""

    capability = capabilities.END_RECORD
    form_code = "withdrawal"
    service = services.withdraw


class StepPage(OfParticipant):
    """Base of the small steps: a Django form, one service."""

    template = "console/step.html"
    form_class: ClassVar[type[forms.Form]]
    explanation: ClassVar[Any] = ""
    button: ClassVar[Any] = gettext_lazy("Save")

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self.draw(self.form_class(initial=self.initial()))

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        form = self.form_class(request.POST)
        self.prepare(form)
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

    def initial(self) -> dict[str, Any]:
        """What the form shows at first."""
        return {}

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
        self.prepare(form)
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


class RegisterPage(StepPage):
    """A new participant."""

    capability = capabilities.PARTICIPANT_REGISTER
    title = gettext_lazy("Register a participant")
    explanation = gettext_lazy("The participant gets the next code of the hospital. No name is entered here.")
    button = gettext_lazy("Register")
    form_class = RegisterForm
    made: Participant

    def initial(self) -> dict[str, Any]:
        return {"key": secrets.token_hex(16)}

    def prepare(self, form: forms.Form) -> None:
        sites: Any = form.fields["site"]
        sites.queryset = Site.objects.visible_to(self.actor, capabilities.PARTICIPANT_REGISTER)

    def act(self, data: Mapping[str, Any]) -> None:
        self.made = services.register(actor=self.actor, site=data["site"], registration_key=data["key"])

    def home(self) -> HttpResponse:
        return redirect("participant", code=self.made.code)


class ConsentPage(StepPage):
    """Consent."""

    capability = capabilities.CONSENT_RECORD
    title = gettext_lazy("Record consent")
    form_class = ConsentForm

    def act(self, data: Mapping[str, Any]) -> None:
        services.consent(actor=self.actor, participant=self.participant(), **data)


class SignPage(StepPage):
    """The investigator's signature on eligibility."""

    capability = capabilities.ELIGIBILITY_SIGN
    title = gettext_lazy("Sign eligibility")
    explanation = gettext_lazy(
        "With your password you sign that you have checked the criteria and that this participant is eligible."
    )
    button = gettext_lazy("Sign")
    form_class = SignForm

    def act(self, data: Mapping[str, Any]) -> None:
        services.sign_eligibility(actor=self.actor, participant=self.participant(), **data)


class FailPage(StepPage):
    """Screen failure."""

    capability = capabilities.RECORD_EDIT
    title = gettext_lazy("Record screen failure")
    form_class = ReasonForm

    def act(self, data: Mapping[str, Any]) -> None:
        services.fail_screening(actor=self.actor, participant=self.participant(), **data)


class CompletePage(StepPage):
    """The end as planned."""

    capability = capabilities.END_RECORD
    title = gettext_lazy("Record completion")
    explanation = gettext_lazy("Every visit is settled. Records can still be corrected, with a reason.")
    form_class = forms.Form

    def act(self, data: Mapping[str, Any]) -> None:
        services.complete(actor=self.actor, participant=self.participant())


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
        return {name: getattr(contact, name) for name in ContactForm.base_fields} if contact else {}

    def act(self, data: Mapping[str, Any]) -> None:
        participants.set_contact(actor=self.actor, participant=self.participant(), **data)


class RandomizePage(StepPage):
    """Randomization: read, confirm, and see the allocation. The service commits by itself."""

    capability = capabilities.RANDOMIZE
    own_transaction = True
    title = gettext_lazy("Randomize")
    explanation = gettext_lazy("The allocation is final: it cannot be taken back or repeated.")
    button = gettext_lazy("Randomize now")
    form_class = RandomizeForm

    def initial(self) -> dict[str, Any]:
        return {"key": secrets.token_hex(16)}

    def draw(self, form: forms.Form, *, status: int = 200) -> HttpResponse:
        with acting(self.actor):
            return super().draw(form, status=status)

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self.draw(self.form_class(initial=self.initial()))

    def summary(self) -> list[tuple[Any, Any]]:
        participant = self.participant()
        return [
            (_("Participant"), participant.code),
            (_("Hospital"), participant.site.name),
            (_("Status"), participant.get_status_display()),
            (_("Stratum"), participant.site.code),
        ]

    def act(self, data: Mapping[str, Any]) -> None:
        with acting(self.actor):
            participant = self.participant()
        services.randomize(actor=self.actor, participant=participant, idempotency_key=data["key"])


class VisitStep(StepPage):
    """Base of what is done with one visit."""

    capability = capabilities.VISIT_MANAGE

    def visit(self) -> Visit:
        """NotFound for one that may not be seen."""
        rows = Visit.objects.visible_to(self.actor).select_related("participant", "site")
        found = rows.filter(pk=self.kwargs["pk"]).first()
        if found is None:
            raise NotFound
        return found

    def summary(self) -> list[tuple[Any, Any]]:
        visit = self.visit()
        return [
            (_("Participant"), visit.participant.code),
            (_("Visit"), visit.code),
            (_("Window"), f"{visit.opens_on} – {visit.closes_on}"),
            (_("Appointment"), visit.appointment_at or "–"),
        ]

    def home(self) -> HttpResponse:
        return redirect("participant", code=self.visit().participant.code)


class BookPage(VisitStep):
    """Book or move an appointment."""

    title = gettext_lazy("Book an appointment")
    form_class = BookForm

    def act(self, data: Mapping[str, Any]) -> None:
        visits.book(actor=self.actor, visit=self.visit(), **data)


class AttendPage(VisitStep):
    """The participant came."""

    title = gettext_lazy("Record the visit")
    form_class = AttendForm

    def initial(self) -> dict[str, Any]:
        return {"on": clock.today(self.visit().site.timezone)}

    def act(self, data: Mapping[str, Any]) -> None:
        visits.attend(actor=self.actor, visit=self.visit(), **data)


class MissPage(VisitStep):
    """The visit did not take place."""

    title = gettext_lazy("Record a missed visit")
    form_class = ReasonForm

    def act(self, data: Mapping[str, Any]) -> None:
        visits.miss(actor=self.actor, visit=self.visit(), **data)


class MailPage(Page):
    """The mail that has left, where it is written to files (demo and training)."""

    capability = capabilities.REMINDER_VIEW
    template = "console/mail.html"
    title = gettext_lazy("Mail (demo)")

    def get(self, request: HttpRequest) -> HttpResponse:
        if settings.TRIALSITE_ENV == "prod":
            raise Http404
        return self.show({"mails": _mails(self.actor)})


def _mails(actor: User) -> list[dict[str, str]]:
    """The newest mails about participants whom `actor` may see, newest first."""
    if not settings.EMAIL_FILE_PATH:
        return []
    known = {
        message_id(key)
        for key in Message.objects.visible_to(actor).filter(state="sent").values_list("key", flat=True)[:500]
    }
    files = sorted(Path(str(settings.EMAIL_FILE_PATH)).glob("*.log"), key=lambda path: path.stat().st_mtime)
    found = []
    for path in reversed(files[-200:]):
        for part in path.read_bytes().split(b"\n" + b"-" * 79 + b"\n"):
            mail = email.message_from_bytes(part, policy=email.policy.default)
            if str(mail.get("Message-ID", "")) in known:
                found.append(
                    {
                        "subject": str(mail["Subject"]),
                        "to": str(mail["To"]),
                        "date": str(mail["Date"]),
                        "body": str(mail.get_content()) if not mail.is_multipart() else "",
                    }
                )
    return found[:100]


class TrailPage(Page):
    """The audit trail for reading: by participant, person, table, field and time."""

    capability = capabilities.AUDIT_VIEW
    template = "console/trail.html"
    title = gettext_lazy("Audit trail")
    at_once: ClassVar[int] = 100

    def asked(self) -> tuple[TrailForm, trail.Asked]:
        """The form, and what was asked where it is valid."""
        people = User.objects.order_by("username").values_list("username", "full_name")
        form = TrailForm(self.request.GET, people=people, tables=trail.tables())
        return form, trail.Asked(**form.cleaned_data) if form.is_valid() else trail.Asked()

    def get(self, request: HttpRequest) -> HttpResponse:
        form, asked = self.asked()
        before = request.GET.get("before", "")
        found = trail.events(self.actor, asked)
        if before.isdecimal() and len(before) < 19:
            found = found.filter(pk__lt=int(before))
        shown = list(found[: self.at_once + 1]) if form.is_valid() else []
        query = request.GET.copy()
        query.pop("before", None)
        return self.show(
            {
                "form": form,
                "lines": trail.Reader(self.actor).lines(shown[: self.at_once]),
                "query": query.urlencode(),
                "newer": bool(before),
                "first": query.urlencode(),
                "older": shown[self.at_once - 1].pk if len(shown) > self.at_once else None,
                "head": Seal.objects.first(),
            },
            status=200 if form.is_valid() else 422,
        )


class TrailCsv(TrailPage):
    """The same as CSV, of any size: rows are streamed, in a transaction of their own. The export is recorded first."""

    own_transaction = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not request.user.is_authenticated:
            return super().dispatch(request, *args, **kwargs)
        with acting(self.actor):
            return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest) -> HttpResponseBase:  # type: ignore[override]
        form, asked = self.asked()
        if not form.is_valid():
            return HttpResponseBadRequest(str(form.errors.as_text()))
        note(
            actor=self.actor, action="export", about="audit_event", details={"query": request.GET.urlencode()}
        )
        name = f"trail-{clock.now():%Y%m%dT%H%M%SZ}.csv"
        return StreamingHttpResponse(
            _csv(self.actor, asked),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )


def _csv(actor: User, asked: trail.Asked) -> Iterator[str]:
    """UTF-8 with its mark, so that spreadsheets show Chinese; a value that would be a formula is made a text."""
    line = io.StringIO()
    writer = csv.writer(line)

    def row(values: Iterable[Any]) -> str:
        writer.writerow([harmless(str(value)) for value in values])
        told = line.getvalue()
        line.seek(0)
        line.truncate()
        return told

    names = [field.name for field in dataclasses.fields(trail.Line)]
    yield "\ufeff" + row(names)
    with acting(actor):
        reader = trail.Reader(actor)
        for one in reader.lines(trail.events(actor, asked).iterator(chunk_size=2000)):
            yield row([one.at.isoformat(), *(getattr(one, name) for name in names[1:])])


def harmless(value: str) -> str:
    """A value that no spreadsheet takes for a formula."""
    return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
