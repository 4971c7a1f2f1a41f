"""While someone types: checks beside the fields, drafts on the server, the verdict over what is not yet saved."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from trialsite.casebook import entering, services
from trialsite.casebook.models import Record
from trialsite.casebook.rules import entered
from trialsite.console import criteria, entry
from trialsite.console.pages.base import Values
from trialsite.console.pages.places import OfForm, Place, seen_version
from trialsite.core import clock
from trialsite.core.errors import DomainError, NotFound
from trialsite.enrollment import facts, steps
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Form
from trialsite.staff import capabilities
from trialsite.staff.access import has
from trialsite.staff.models import User


class DraftPage(OfForm):
    """Checks as someone types; and where `keep` comes along, a new record or a draft is stored as a draft."""

    capability = capabilities.RECORD_EDIT
    template = "console/draft.html"

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        at = self.place()
        if at.form.drives or at.former:
            raise NotFound
        values = self.entries(at)
        version, line = request.POST.get("version", "0")[:9], ""
        refused: Mapping[str, list[str]] = {}
        open_still = at.record is None or not at.record.needs_reason
        if "keep" in request.POST and open_still and "differs" not in request.POST:
            version, line, refused = self._keep(at, values, version)
        tried = entering.try_values(
            participant=at.participant, event=at.event.code, form=at.form, values=values, repeat=at.repeat
        )
        return render(
            request,
            self.template,
            {
                "line": line,
                "kept": "keep" in request.POST,
                "refused": bool(refused),
                "version": version,
                "not_asked": " ".join(sorted(tried.not_asked)),
                "faults": [
                    (name, [*{*tried.faults.get(name, []), *refused.get(name, [])}])
                    for name, item in at.form.items.items()
                    if not item.derive
                ],
                "computed": [
                    (name, tried.data.get(name, {}).get("value", "–"))
                    for name, item in at.form.items.items()
                    if item.derive
                ],
            },
        )

    def _keep(self, at: Place, values: Values, seen: str) -> tuple[str, str, Mapping[str, list[str]]]:
        """(version, sentence, faults) after storing as a draft what can be stored; a power cut takes no whole page.

        An item at fault stays as it was stored; where that is at fault too, it is left out.
        """
        stored = entered(at.record.data, at.form) if at.record else {}
        kept, refused = dict(values), dict[str, list[str]]()
        while kept or at.record:
            try:
                saved = services.save_record(
                    actor=self.actor,
                    participant=at.participant,
                    event=at.event.code,
                    form=at.form.code,
                    repeat=at.repeat,
                    values=kept,
                    expected_version=seen_version(self.request),
                    complete=False,
                )
            except NotFound:
                raise
            except DomainError as error:
                refused |= error.fields
                at_fault = [name for name in error.fields if name in kept or name in stored]
                if not at_fault:
                    return seen, str(error), refused
                kept = {name: value for name, value in kept.items() if name not in at_fault}
                kept |= {name: stored.pop(name) for name in at_fault if name in stored}
            else:
                now = clock.local(clock.now(), at.participant.site.timezone)
                line = (
                    _("Draft saved {time}")
                    if not refused
                    else _("Draft saved {time}, without the fields at fault")
                )
                return str(saved.record.version), line.format(time=f"{now:%H:%M}"), refused
        return seen, "", refused


class LivePage(OfForm):
    """The verdict over what stands in the fields just now: computed by the server, nothing is stored."""

    capability = capabilities.RECORD_EDIT
    template = "console/live.html"

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        at = self.place()
        if at.former:
            raise NotFound
        values = entry.posted(at.form, request.POST, at.participant.site.timezone)
        shown = live(self.actor, at.participant, at.event.code, at.form, values, None)
        if shown is None:
            raise NotFound
        return render(request, self.template, {"live": shown, "swapping": True})


def live(
    actor: User,
    participant: Participant,
    event: str,
    form: Form,
    values: Values | None,
    record: Record | None,
) -> dict[str, Any] | None:
    """What the panel beside a form of screening or recheck shows; None beside other forms.

    `values` are entries not yet saved; None takes the stored `record`.
    """
    if not facts.decides(participant.protocol_version.definition, event):
        return None
    if not has(actor, capabilities.ELIGIBILITY_VIEW, site=participant.site_id):
        return None
    definition = participant.protocol_version.definition
    bearing = criteria.bearing_on(definition, form.code)
    if not bearing:
        return None
    entries = values if values is not None else entered(record.data, form) if record else {}
    tried = entering.try_values(participant=participant, event=event, form=form, values=entries)
    t0 = facts.reference_day(participant)
    verdict = facts.preview(participant, event, form, tried.data, t0)
    rows = [row for row in criteria.explained(definition, verdict, t0=t0) if row.criterion.id in bearing]
    states = [one.satisfied for one in verdict.findings]
    return {
        "verdict": verdict,
        "t0": t0,
        "may_plan": steps.PLAN_SURGERY.possible_from(participant.status),
        "code": participant.code,
        "rows": rows,
        "satisfied": states.count(True),
        "failing": states.count(False),
        "open": states.count(None),
        "faults": [
            (form.items[name].label, texts) for name, texts in tried.faults.items() if name in form.items
        ],
        "computed": {
            name: tried.data.get(name, {}).get("value", "–")
            for name, item in form.items.items()
            if item.derive
        },
        "not_asked": " ".join(sorted(tried.not_asked)),
    }
