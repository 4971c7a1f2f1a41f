"""Files of rows: tried first, every fault of every row shown, then saved for good."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trialsite.console.forms import ImportForm
from trialsite.console.pages.base import Page
from trialsite.core.errors import DomainError, NotFound
from trialsite.imports import services
from trialsite.imports.models import Import
from trialsite.protocol.models import ProtocolVersion
from trialsite.staff import capabilities
from trialsite.staff.access import sites_of

_SHOWN = 100


class ImportsPage(Page):
    """A file to try, and one's own imports."""

    capability = capabilities.RECORD_EDIT
    template = "console/imports.html"
    title = gettext_lazy("Imports")
    # A file that is somewhat too large meets a sentence beside the field, not the wall of the server.
    upload_limit = 8 * services.MOST_BYTES

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._draw(ImportForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = ImportForm(request.POST, request.FILES)
        self._prepare(form)
        if not form.is_valid():
            return self._draw(form, status=422)
        data = form.cleaned_data
        try:
            made, _new = services.request_upload(
                actor=self.actor,
                form=data["form"],
                reason=data["reason"],
                content=data["file"].read(services.MOST_BYTES + 1),
            )
        except DomainError as error:
            for name, sentences in error.fields.items():
                form.add_error(name if name in form.fields else "file", sentences)
            if not error.fields:
                form.add_error(None, str(error))
            return self._draw(form, status=422)
        return redirect("import", made.pk)

    def _prepare(self, form: forms.Form) -> None:
        version = ProtocolVersion.objects.current()
        arms = sites_of(self.actor, capabilities.ARM_SEE) != []
        language = self.request.LANGUAGE_CODE
        described = version.definition.forms if version else ()
        choices: Any = form.fields["form"]
        choices.choices = [
            (one.code, f"{one.name.to(language)} ({one.code})")
            for one in described
            if not one.drives and (arms or not one.reveals_arm)
        ]

    def _draw(self, form: forms.Form, *, status: int = 200) -> HttpResponse:
        self._prepare(form)
        names = dict(form.fields["form"].choices)  # type: ignore[attr-defined]
        rows = list(Import.objects.visible_to(self.actor)[:50])
        for row in rows:
            row.named = names.get(row.form, row.form)  # type: ignore[attr-defined]
        return self.show({"form": form, "imports": rows}, status=status)


class ImportPage(Page):
    """How far one import is, what was refused and why; one that was tried can be saved, one that waits resumed."""

    capability = capabilities.RECORD_EDIT
    template = "console/import.html"

    def get(self, request: HttpRequest, import_number: int) -> HttpResponse:
        found = self._import(import_number)
        faults = Paginator(found.faults.all(), _SHOWN)
        asked = request.GET.get("page", "1")
        context = {
            "title": _("Import {number}").format(number=found.pk),
            "one": found,
            "faults": faults.get_page(asked),
        }
        if "part" in request.GET:
            return render(request, "console/import_state.html", context)
        return self.show(context)

    def post(self, request: HttpRequest, import_number: int) -> HttpResponse:
        found = self._import(import_number)
        if request.POST.get("act") == "resume":
            services.resume(actor=self.actor, found=found)
            messages.success(request, _("The worker was told again."))
            return redirect("import", found.pk)
        if request.POST.get("act") != "save" or not found.dry_run or found.state != Import.State.DONE:
            raise NotFound
        try:
            made, _new = services.confirm(actor=self.actor, tried=found)
        except NotFound:
            raise
        except DomainError as error:
            messages.error(request, str(error))
            return redirect("import", found.pk)
        return redirect("import", made.pk)

    def _import(self, number: int) -> Import:
        found = Import.objects.visible_to(self.actor).filter(pk=min(number, 10**18)).first()
        if found is None:
            raise NotFound
        return found
