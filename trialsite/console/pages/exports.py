"""What leaves as tables: CSV of each table, and snapshots that stay the same for good."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trialsite.audit.context import acting
from trialsite.console.forms import SnapshotForm
from trialsite.console.pages.base import Page
from trialsite.core.errors import DomainError, NotFound
from trialsite.exports import services
from trialsite.exports.api import csv_saved, saved_as
from trialsite.exports.models import Snapshot
from trialsite.exports.tables import tables
from trialsite.staff import capabilities
from trialsite.staff.access import sites_of


class ExportsPage(Page):
    """Tables to take now, and snapshots to ask for and to take again by their number."""

    capability = capabilities.DATA_EXPORT
    template = "console/exports.html"
    title = gettext_lazy("Exports")

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._draw(self._form())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = self._form(request.POST)
        if not form.is_valid():
            return self._draw(form, status=422)
        try:
            made = services.request_snapshot(actor=self.actor, **form.cleaned_data)
        except DomainError as error:
            form.add_error(None, str(error))
            return self._draw(form, status=error.status)
        messages.success(
            request, _("Snapshot {number} is being written; this page shows it.").format(number=made.pk)
        )
        return redirect("exports")

    def _form(self, given: Any = None) -> SnapshotForm:
        """Whoever sees no arms has nothing to leave out."""
        form = SnapshotForm(given)
        if not self._sees_arms():
            del form.fields["blinded"]
        return form

    def _sees_arms(self) -> bool:
        return sites_of(self.actor, capabilities.ARM_SEE) != []

    def _draw(self, form: SnapshotForm, *, status: int = 200) -> HttpResponse:
        return self.show(
            {
                "form": form,
                "tables": tables(self.actor),
                "snapshots": Snapshot.objects.visible_to(self.actor).select_related("requested_by")[:50],
                "sees_arms": self._sees_arms(),
            },
            status=status,
        )


class ExportCsv(Page):
    """One table (`?table=`), streamed row by row in a transaction of its own. The export is noted first."""

    capability = capabilities.DATA_EXPORT
    own_transaction = True

    def get(self, request: HttpRequest) -> HttpResponseBase:
        name = request.GET.get("table", "")
        if not name:
            return redirect("exports")
        with acting(self.actor):
            return csv_saved(self.actor, name, blinded=request.GET.get("blinded") == "1")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not request.user.is_authenticated:
            return super().dispatch(request, *args, **kwargs)
        with acting(self.actor):
            return super().dispatch(request, *args, **kwargs)


class SnapshotFile(Page):
    """The file of a snapshot, compared with its hash before it is given out."""

    capability = capabilities.DATA_EXPORT

    def get(self, request: HttpRequest, number: int) -> HttpResponseBase:
        if number >= 10**18:
            raise NotFound
        try:
            snapshot, portions = services.snapshot_file(actor=self.actor, number=number)
        except NotFound:
            raise
        except DomainError as error:
            messages.error(request, str(error))
            return redirect("exports")
        return saved_as(snapshot, portions)
