"""The files of a participant: the scan of a signed consent, the report of an image."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trialsite.attachments import services
from trialsite.attachments.api import as_file
from trialsite.attachments.models import Attachment
from trialsite.casebook.models import Record
from trialsite.console.forms import AttachForm, WithdrawFileForm
from trialsite.console.pages.base import OfParticipant, StepPage
from trialsite.core.errors import DomainError, NotFound
from trialsite.participants.models import Consent, Participant
from trialsite.staff import capabilities
from trialsite.staff.access import has
from trialsite.staff.models import User


def files_of(actor: User, participant: Participant) -> Any:
    """Attachments of `participant` with what they belong to."""
    rows = Attachment.objects.visible_to(actor).filter(participant=participant)
    rows = rows.select_related("record__protocol_version", "consent", "added_by", "withdrawn_by")
    return rows.defer("record__protocol_version__document")


class AttachmentsPage(OfParticipant):
    """All files of one participant, and where there is room for one."""

    capability = capabilities.RECORD_VIEW
    template = "console/attachments.html"

    def get(self, request: HttpRequest, code: str) -> HttpResponse:
        participant = self.participant()
        site = participant.site_id
        may_consent = has(self.actor, capabilities.CONSENT_RECORD, site=site) and has(
            self.actor, capabilities.CONTACT_VIEW, site=site
        )
        return self.show(
            {
                "title": f"{participant.code} · {_('Attachments')}",
                "participant": participant,
                "files": [
                    (one, services.form_of(one.record).name if one.record else None)
                    for one in files_of(self.actor, participant)
                ],
                "consents": Consent.objects.visible_to(self.actor).filter(participant=participant)
                if may_consent
                else [],
                "may_edit": has(self.actor, capabilities.RECORD_EDIT, site=site),
            }
        )


class AttachPage(StepPage):
    """A file for a record (`?event=&form=&repeat=`), or for a consent (`?consent=` version of its form)."""

    capability = capabilities.RECORD_EDIT
    title = gettext_lazy("Attach a file")
    button = gettext_lazy("Attach")
    form_class = AttachForm
    template = "console/attach.html"
    upload_limit = 2 * services.MOST_BYTES

    @property
    def explanation(self) -> Any:
        """What may stand on the page, by what the file belongs to."""
        if self.request.GET.get("consent"):
            return _("The scan of the signed form. It is seen by the hospital's team only.")
        return _(
            "PDF, JPEG or PNG, at most 10 MB. Black out names and numbers first, or say that it shows who the"
            " participant is: others than the hospital read the rest."
        )

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if not request.GET.get("consent") and not request.GET.get("form"):
            self.participant()
            return redirect("attachments", kwargs["code"])
        return super().get(request, **kwargs)

    def bound(self) -> forms.Form:
        return AttachForm(self.request.POST, self.request.FILES)

    def to(self) -> Record | Consent:
        """What the address names."""
        participant, asked = self.participant(), self.request.GET
        found: Record | Consent | None
        if asked.get("consent"):
            consents = Consent.objects.visible_to(self.actor).filter(participant=participant)
            found = consents.filter(form_version=asked["consent"][:40]).first()
        else:
            repeat = asked.get("repeat", "1")
            rows = Record.objects.visible_to(self.actor).filter(
                participant=participant, event=asked.get("event", "")[:40], form=asked.get("form", "")[:40]
            )
            found = rows.filter(repeat=int(repeat[:4]) if repeat[:4].isdecimal() else 0).first()
        if found is None:
            raise NotFound
        return found

    def summary(self) -> list[tuple[Any, Any]]:
        to = self.to()
        if isinstance(to, Consent):
            return [(_("Consent"), to.form_version)]
        visit = to.protocol_version.definition.visit(to.event)
        return [
            (_("Visit"), visit.name.to(self.request.LANGUAGE_CODE)),
            (_("Form"), services.form_of(to).name.to(self.request.LANGUAGE_CODE)),
        ]

    def initial(self) -> dict[str, Any]:
        to = self.to()
        return {"identifies": isinstance(to, Record) and services.form_of(to).files_identify}

    def prepare(self, form: forms.Form) -> None:
        """Of a consent nobody has to say it."""
        if self.request.GET.get("consent"):
            form.fields.pop("identifies", None)

    def act(self, data: Mapping[str, Any]) -> None:
        to, file = self.to(), data["content"]
        services.attach(
            actor=self.actor,
            to=to,
            title=data["title"],
            content=file.read(services.MOST_BYTES + 1),
            identifies=data.get("identifies"),
        )

    def home(self) -> HttpResponse:
        return redirect("attachments", self.kwargs["code"])


class AttachmentPage(StepPage):
    """Withdrawing one file."""

    capability = capabilities.RECORD_EDIT
    title = gettext_lazy("Withdraw a file")
    explanation = gettext_lazy(
        "It is given out no more, such as one that belongs to somebody else. Its bytes stay for the inspection."
    )
    button = gettext_lazy("Withdraw")
    form_class = WithdrawFileForm

    def file(self) -> Attachment:
        """The file that the address names."""
        found = files_of(self.actor, self.participant()).filter(pk=min(self.kwargs["attachment"], 2**62))
        first: Attachment | None = found.first()
        if first is None:
            raise NotFound
        return first

    def summary(self) -> list[tuple[Any, Any]]:
        file = self.file()
        return [(_("Title"), file.title), ("SHA-256", file.sha256)]

    def act(self, data: Mapping[str, Any]) -> None:
        services.withdraw(actor=self.actor, attachment=self.file(), reason=data["reason"])

    def home(self) -> HttpResponse:
        return redirect("attachments", self.kwargs["code"])


class AttachmentFilePage(OfParticipant):
    """The bytes of one file, to be saved. The audit trail tells who took it."""

    capability = capabilities.RECORD_VIEW

    def get(self, request: HttpRequest, code: str, attachment: int) -> HttpResponse:
        found = files_of(self.actor, self.participant()).filter(pk=min(attachment, 2**62)).first()
        if found is None:
            raise NotFound
        try:
            return as_file(*services.give(actor=self.actor, attachment=found))
        except NotFound:
            raise
        except DomainError as error:
            return HttpResponse(str(error), status=error.status, content_type="text/plain; charset=utf-8")
