"""The audit trail for reading and as CSV."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from django import forms
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trialsite.audit.context import acting
from trialsite.audit.models import Seal
from trialsite.audit.notes import note
from trialsite.console.forms import (
    TrailForm,
)
from trialsite.console.pages.base import Page, StepPage
from trialsite.core import clock, paper
from trialsite.core.sheets import csv_rows
from trialsite.exports import inquiry, trail
from trialsite.participants.vault import conceal, revealed
from trialsite.roster.models import TrailReview
from trialsite.roster.services import review_trail
from trialsite.sites.models import Site
from trialsite.staff import capabilities
from trialsite.staff.access import has, sites_of
from trialsite.staff.models import User


class TrailPage(Page):
    """The audit trail for reading: by participant, person, table, field and time."""

    capability = capabilities.AUDIT_VIEW
    template = "console/trail.html"
    title = gettext_lazy("Audit trail")
    at_once: ClassVar[int] = 100

    def asked(self) -> tuple[TrailForm, inquiry.Asked]:
        """The form, and what was asked where it is valid."""
        people = User.objects.order_by("username").values_list("username", "full_name")
        form = TrailForm(self.request.GET, people=people, tables=trail.tables())
        return form, inquiry.Asked(**form.cleaned_data) if form.is_valid() else inquiry.Asked()

    def get(self, request: HttpRequest) -> HttpResponse:
        form, asked = self.asked()
        before = request.GET.get("before", "")
        found = inquiry.events(self.actor, asked)
        if (place := revealed(before)) is not None:
            found = found.filter(pk__lt=place)
        shown = list(found[: self.at_once + 1]) if form.is_valid() else []
        query = request.GET.copy()
        query.pop("before", None)
        return self.show(
            {
                "form": form,
                "lines": trail.Reader(self.actor, field=asked.field).lines(shown[: self.at_once]),
                "items": trail.items(self.actor),
                "zone": f"{timezone.get_current_timezone_name()} ({timezone.localtime():%z})",
                "query": query.urlencode(),
                "newer": bool(before),
                "first": query.urlencode(),
                "older": conceal(shown[self.at_once - 1].pk) if len(shown) > self.at_once else None,
                "shows_head": has(self.actor, capabilities.SEAL_VIEW),
                "head": Seal.objects.first(),
                # Findings may speak of an arm.
                "reviews": _reviews(self.actor),
                "may_review": has(self.actor, capabilities.TRAIL_REVIEW),
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


class TrailPdf(TrailCsv):
    """The same as PDF of at most 2,000 pages; beyond that it says so, and the CSV takes any size."""

    most: ClassVar[int] = 2000
    # An event takes three lines at least: no page holds more of them, so that far too many are refused without drawing.
    on_a_page: ClassVar[int] = 23

    def get(self, request: HttpRequest) -> HttpResponseBase:  # type: ignore[override]
        form, asked = self.asked()
        if not form.is_valid():
            return HttpResponseBadRequest(str(form.errors.as_text()))
        events = inquiry.events(self.actor, asked)
        if events.order_by()[: self.most * self.on_a_page + 1].count() > self.most * self.on_a_page:
            return self.too_long()
        newest, now = Seal.objects.first(), clock.now()
        head = [
            f"{_('Audit trail')} · {now:%Y-%m-%d %H:%M:%S} UTC · {self.actor.full_name}",
            f"{_('Asked for')}: {request.GET.urlencode() or _('all')}",
        ]
        if has(self.actor, capabilities.SEAL_VIEW):
            head.append(f"{_('Head of the trail')}: {newest.hash if newest else '–'}")
        lines = trail.Reader(self.actor, field=asked.field).lines(events.iterator(chunk_size=2000))
        entries = (_entry(line) for line in lines)
        try:
            made = paper.listing(
                entries, head=head, foot=f"TrialSite · {now:%Y-%m-%d %H:%M} UTC", most=self.most
            )
        except paper.TooLong:
            return self.too_long()
        note(
            actor=self.actor, action="export", about="audit_event", details={"query": request.GET.urlencode()}
        )
        name = f"trail-{now:%Y%m%dT%H%M%SZ}.pdf"
        return HttpResponse(
            made,
            content_type="application/pdf",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def too_long(self) -> HttpResponse:
        """422, and what to do instead."""
        sentence = _("This would be more than {pages} pages. Ask for less, or take the CSV.")
        return HttpResponse(
            sentence.format(pages=self.most), status=422, content_type="text/plain; charset=utf-8"
        )


def _entry(line: trail.Line) -> list[str]:
    """One line of the trail as a few lines on paper; times in UTC."""
    where = " · ".join(part for part in (line.participant, line.site) if part)
    first = f"{line.at:%Y-%m-%d %H:%M:%S} · {line.person} ({line.roles}) · {where}"
    what = f"{line.what}: {line.action}"
    if line.place:
        what += f" · {line.place}"
    if line.field:
        what += f" · {line.field}: {line.old or '–'} → {line.new or '–'}"
    source = " · ".join(part for part in (line.program, line.address, line.request, line.session) if part)
    return [
        first,
        what,
        *([f"{_('Reason')}: {line.reason}"] if line.reason else []),
        f"#{line.number} {source}" if line.number else source,
    ]


def _reviews(actor: User) -> Any:
    """The newest reviews, of hospitals whose arms `actor` may see."""
    rows, sites = TrailReview.objects.visible_to(actor), sites_of(actor, capabilities.ARM_SEE)
    rows = rows if sites is None else rows.filter(site__in=sites)
    return rows.select_related("site", "reviewer")[:6]


class TrailReviewForm(forms.Form):
    """What was reviewed, and what was found."""

    site: Any = forms.ModelChoiceField(
        Site.objects.none(), label=gettext_lazy("Hospital"), empty_label=None, to_field_name="code"
    )
    since = forms.DateField(label=gettext_lazy("From"), widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label=gettext_lazy("Until"), widget=forms.DateInput(attrs={"type": "date"}))
    scope = forms.CharField(label=gettext_lazy("What was looked at"), max_length=300)
    findings = forms.CharField(label=gettext_lazy("Findings"), widget=forms.Textarea(attrs={"rows": 4}))


class TrailReviewPage(StepPage):
    """The record of a review of the trail."""

    capability = capabilities.TRAIL_REVIEW
    title = gettext_lazy("Record a review of the trail")
    explanation = gettext_lazy("The head of the trail at this moment is kept with the review.")
    form_class = TrailReviewForm

    def prepare(self, form: forms.Form) -> None:
        sites: Any = form.fields["site"]
        sites.queryset = Site.objects.visible_to(self.actor, self.capability)

    def act(self, data: Mapping[str, Any]) -> None:
        review_trail(actor=self.actor, **data)

    def home(self) -> HttpResponse:
        return redirect("trail")


def _csv(actor: User, asked: inquiry.Asked) -> Iterator[str]:
    return csv_rows(_rows(actor, asked))


def _rows(actor: User, asked: inquiry.Asked) -> Iterator[list[Any]]:
    names = [field.name for field in dataclasses.fields(trail.Line)]
    yield names
    with acting(actor):
        reader = trail.Reader(actor, field=asked.field)
        for one in reader.lines(inquiry.events(actor, asked).iterator(chunk_size=2000)):
            yield [one.at.isoformat(), *(getattr(one, name) for name in names[1:])]
