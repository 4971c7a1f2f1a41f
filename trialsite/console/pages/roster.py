"""Who works at a hospital: access and its review, training, the delegation log."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trialsite.audit.notes import note
from trialsite.console.forms import SignatureFields
from trialsite.console.pages.base import Page, StepPage
from trialsite.core import clock
from trialsite.core.errors import NotFound
from trialsite.core.sheets import csv_rows
from trialsite.roster import reminders, services
from trialsite.roster.models import AccessReview, Delegation, Training
from trialsite.roster.reading import report
from trialsite.sites.models import Site
from trialsite.staff import capabilities
from trialsite.staff.access import has, sites_of
from trialsite.staff.models import Membership, Signature, User
from trialsite.staff.services import end_membership, grant
from trialsite.staff.wording import ROLE_NAMES

FLAGS: dict[str, Any] = {
    "ended": gettext_lazy("ended"),
    "closed": gettext_lazy("account closed"),
    "to_begin": gettext_lazy("not begun"),
    "never": gettext_lazy("never used"),
    "dormant": gettext_lazy("dormant"),
    "untrained": gettext_lazy("no valid training"),
    "clash": gettext_lazy("holds roles that exclude each other"),
}


class OfHospital(Page):
    """Base: one hospital at a time, chosen by `?site=`, the first that one may see by default."""

    capability = capabilities.ROSTER_VIEW

    @cached_property
    def sites(self) -> list[Site]:
        """The hospitals to choose from."""
        return list(Site.objects.visible_to(self.actor, capabilities.ROSTER_VIEW))

    @cached_property
    def site(self) -> Site:
        """The one that was chosen; NotFound for one that one may not see."""
        wanted = self.request.GET.get("site", "")
        for one in self.sites:
            if not wanted or one.code == wanted:
                return one
        raise NotFound

    def signed(self, rows: QuerySet[Any]) -> list[tuple[Any, Signature | None]]:
        """Each row with its signature; None for whoever keeps accounts alone, since signatures belong to the data."""
        seen = Signature.objects.visible_to(self.actor).in_bulk([one.signature_id for one in rows])
        return [(one, seen.get(one.signature_id)) for one in rows]

    def may(self, capability: str) -> bool:
        """Whether whoever looks holds `capability` here."""
        return has(self.actor, capability, site=self.site)


class AccessPage(OfHospital):
    """The report of access, and the reviews that were signed over it."""

    template = "console/access.html"
    title = gettext_lazy("Access")

    def get(self, request: HttpRequest) -> HttpResponse:
        reviews = AccessReview.objects.visible_to(self.actor).filter(site=self.site)
        late = any(site == self.site for site, _since in reminders.late(clock.now()))
        return self.show(
            {
                "sites": self.sites,
                "site": self.site,
                "rows": [(row, [FLAGS[flag] for flag in row.flags]) for row in report(self.actor, self.site)],
                "reviews": self.signed(reviews.select_related("reviewer")[:12]),
                "late": late,
                "may_review": self.may(capabilities.ACCESS_REVIEW),
                "may_manage": self.may(capabilities.USER_MANAGE),
            }
        )


class AccessCsv(OfHospital):
    """The same as CSV; the export is recorded."""

    def get(self, request: HttpRequest) -> StreamingHttpResponse:
        note(actor=self.actor, action="export", about="staff_membership", site=self.site.pk)
        rows = [row.document() for row in report(self.actor, self.site)]
        lines = csv_rows([list(rows[0]) if rows else [], *(row.values() for row in rows)])
        name = f"access-{self.site.code}-{clock.now():%Y%m%d}.csv"
        return StreamingHttpResponse(
            list(lines),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )


class RosterPage(OfHospital):
    """Delegation log and training of one hospital."""

    template = "console/roster.html"
    title = gettext_lazy("Delegation log and training")

    def get(self, request: HttpRequest) -> HttpResponse:
        log = Delegation.objects.visible_to(self.actor).filter(site=self.site)
        training = Training.objects.visible_to(self.actor).filter(site=self.site)
        return self.show(
            {
                "sites": self.sites,
                "site": self.site,
                "log": self.signed(log.select_related("user", "authorised_by")),
                "training": training.select_related("user", "recorded_by"),
                "today": clock.today(self.site.timezone),
                "may_delegate": self.may(capabilities.DELEGATION_SIGN),
                "may_train": self.may(capabilities.TRAINING_RECORD),
            }
        )


class _Day(forms.DateInput):
    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class _Person(forms.ModelChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.full_name} ({obj.username})"


class SitedForm(forms.Form):
    """A form about a person of a hospital."""

    site: Any = forms.ModelChoiceField(
        Site.objects.none(), label=gettext_lazy("Hospital"), empty_label=None, to_field_name="code"
    )


class TrainingForm(SitedForm):
    """A completed training."""

    user = _Person(User.objects.none(), label=gettext_lazy("Person"))
    topic = forms.CharField(label=gettext_lazy("Training"), max_length=120, initial="GCP")
    completed_on = forms.DateField(label=gettext_lazy("Completed on"), widget=_Day())
    valid_until = forms.DateField(label=gettext_lazy("Valid until"), widget=_Day(), required=False)
    evidence = forms.CharField(label=gettext_lazy("Where the certificate is kept"), max_length=200)


class DelegateForm(SitedForm, SignatureFields):
    """Tasks of one person, signed."""

    user = _Person(User.objects.none(), label=gettext_lazy("Person"))
    tasks = forms.MultipleChoiceField(
        label=gettext_lazy("Tasks"), choices=Delegation.Task.choices, widget=forms.CheckboxSelectMultiple
    )
    field_order = ("site", "user", "tasks", "password", "code")


class ReviewForm(SitedForm, SignatureFields):
    """The findings, signed."""

    findings = forms.CharField(label=gettext_lazy("Findings"), widget=forms.Textarea(attrs={"rows": 4}))
    field_order = ("site", "findings", "password", "code")


class GrantForm(SitedForm):
    """A role for a person, and why."""

    user = _Person(User.objects.none(), label=gettext_lazy("Person"))
    role = forms.ChoiceField(label=gettext_lazy("Role"))
    everywhere = forms.BooleanField(label=gettext_lazy("At all hospitals"), required=False)
    begins_on = forms.DateField(label=gettext_lazy("From"), widget=_Day(), required=False)
    ends_on = forms.DateField(label=gettext_lazy("Until"), widget=_Day(), required=False)
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=300)


class ReasonForm(forms.Form):
    """Why."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"), max_length=300, widget=forms.Textarea(attrs={"rows": 3})
    )


class _SitedStep(StepPage):
    """A step whose form names the hospital; it goes back to that hospital's page."""

    back: ClassVar[str] = "roster"

    def initial(self) -> dict[str, Any]:
        return {"site": self.request.GET.get("site", "")}

    def prepare(self, form: forms.Form) -> None:
        sites: Any = form.fields["site"]
        sites.queryset = Site.objects.visible_to(self.actor, self.capability)
        if "user" in form.fields:
            people: Any = form.fields["user"]
            people.queryset = self.people(sites.queryset)

    def people(self, sites: Any) -> Any:
        """Whom the form offers: people with a role at one of these hospitals."""
        there = Membership.objects.current().filter(site__in=sites) | Membership.objects.current().filter(
            site=None
        )
        found = User.objects.filter(kind=User.Kind.PERSON, is_active=True)
        return found.filter(pk__in=there.values("user_id")).order_by("full_name")

    def home(self) -> HttpResponse:
        return redirect(f"{reverse(self.back)}?{urlencode({'site': self.request.POST.get('site', '')})}")


class TrainingPage(_SitedStep):
    """A new training entry."""

    capability = capabilities.TRAINING_RECORD
    title = gettext_lazy("Record training")
    form_class = TrainingForm

    def act(self, data: Mapping[str, Any]) -> None:
        services.record_training(actor=self.actor, **data)


class DelegatePage(_SitedStep):
    """New authorisations."""

    capability = capabilities.DELEGATION_SIGN
    title = gettext_lazy("Authorise for tasks")
    explanation = gettext_lazy("The entry stays in the delegation log; when a task ends, its end is added.")
    button = gettext_lazy("Sign")
    form_class = DelegateForm

    def act(self, data: Mapping[str, Any]) -> None:
        services.delegate(actor=self.actor, **data)


class ReviewPage(_SitedStep):
    """A review of access."""

    capability = capabilities.ACCESS_REVIEW
    title = gettext_lazy("Sign the review of access")
    explanation = gettext_lazy("The report as it stands now is kept with your signature.")
    button = gettext_lazy("Sign")
    form_class = ReviewForm
    back = "access"

    def act(self, data: Mapping[str, Any]) -> None:
        services.review_access(actor=self.actor, **data)


class GrantPage(_SitedStep):
    """A role."""

    capability = capabilities.USER_MANAGE
    title = gettext_lazy("Give a role")
    form_class = GrantForm
    back = "access"

    def prepare(self, form: forms.Form) -> None:
        super().prepare(form)
        roles: Any = form.fields["role"]
        roles.choices = [(role, name) for role, name in ROLE_NAMES.items() if role != "system"]

    def people(self, sites: Any) -> Any:
        return User.objects.exclude(kind=User.Kind.SYSTEM).filter(is_active=True).order_by("full_name")

    def act(self, data: Mapping[str, Any]) -> None:
        site = data["site"]
        grant(
            actor=self.actor,
            user=data["user"],
            role=data["role"],
            site=None if data["everywhere"] else site,
            reason=data["reason"],
            starts_at=clock.midnight(data["begins_on"], site.timezone) if data["begins_on"] else None,
            ends_at=clock.midnight(data["ends_on"] + dt.timedelta(days=1), site.timezone)
            if data["ends_on"]
            else None,
        )


class _EndPage(StepPage):
    """The end of something that a number names."""

    form_class = ReasonForm
    button = gettext_lazy("End now")


class EndMembershipPage(_EndPage):
    """The end of a role."""

    capability = capabilities.USER_MANAGE
    title = gettext_lazy("End a role")

    @cached_property
    def membership(self) -> Membership:
        """The role that ends."""
        found = Membership.objects.filter(pk=self.kwargs["membership"]).select_related("user", "site").first()
        kept = sites_of(self.actor, capabilities.USER_MANAGE)
        if found is None or (kept is not None and found.site_id not in kept):
            raise NotFound
        return found

    def summary(self) -> list[tuple[Any, Any]]:
        one = self.membership
        where = one.site.name if one.site else _("all hospitals")
        return [(_("Person"), one.user.full_name), (_("Role"), one.role_name), (_("Hospital"), where)]

    def act(self, data: Mapping[str, Any]) -> None:
        end_membership(actor=self.actor, membership=self.membership, **data)

    def home(self) -> HttpResponse:
        return redirect("access")


class EndDelegationPage(_EndPage):
    """The end of an authorisation."""

    capability = capabilities.DELEGATION_SIGN
    title = gettext_lazy("End an authorisation")

    @cached_property
    def delegation(self) -> Delegation:
        """The authorisation that ends."""
        rows = Delegation.objects.visible_to(self.actor).select_related("user", "site")
        found = rows.filter(pk=self.kwargs["delegation"]).first()
        if found is None:
            raise NotFound
        return found

    def summary(self) -> list[tuple[Any, Any]]:
        one = self.delegation
        return [(_("Person"), one.user.full_name), (_("Task"), one.get_task_display())]

    def act(self, data: Mapping[str, Any]) -> None:
        services.end_delegation(actor=self.actor, delegation=self.delegation, **data)

    def home(self) -> HttpResponse:
        return redirect("roster")
