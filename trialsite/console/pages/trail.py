"""The audit trail for reading and as CSV."""

import dataclasses
from collections.abc import Iterator
from typing import Any, ClassVar

from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy

from trialsite.audit.context import acting
from trialsite.audit.models import Seal
from trialsite.audit.notes import note
from trialsite.console import trail
from trialsite.console.forms import (
    TrailForm,
)
from trialsite.console.pages.base import Page
from trialsite.core import clock
from trialsite.core.sheets import csv_rows
from trialsite.staff import capabilities
from trialsite.staff.models import User


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
    return csv_rows(_rows(actor, asked))


def _rows(actor: User, asked: trail.Asked) -> Iterator[list[Any]]:
    names = [field.name for field in dataclasses.fields(trail.Line)]
    yield names
    with acting(actor):
        reader = trail.Reader(actor)
        for one in reader.lines(trail.events(actor, asked).iterator(chunk_size=2000)):
            yield [one.at.isoformat(), *(getattr(one, name) for name in names[1:])]
