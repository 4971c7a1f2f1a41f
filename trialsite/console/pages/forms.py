"""Forms of the casebook, drawn from their definition: entry, two editors at once, bringing over to an amended form."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from trialsite.attachments.models import Attachment
from trialsite.casebook import entering, progress, services, wording
from trialsite.casebook.amending import Migration
from trialsite.casebook.errors import ValuesRefused, VersionConflict
from trialsite.casebook.messages import worded
from trialsite.casebook.models import MOST_RECORDS, Lock, Record
from trialsite.casebook.rules import entered
from trialsite.console import entry, review
from trialsite.console.pages.base import Values
from trialsite.console.pages.drafts import live
from trialsite.console.pages.places import OfForm, Place, seen_version
from trialsite.core.errors import DomainError, NotFound
from trialsite.protocol.definition import Form
from trialsite.staff import capabilities
from trialsite.staff.access import has
from visits.models import Visit

_STEPS = {
    "surgery": "step-operate",
    "treatment_start": "step-start_treatment",
    "treatment_end": "step-end_treatment",
    "death": "step-record_death",
    "withdrawal": "step-withdraw",
}


class FormPage(OfForm):
    """One form of the casebook, drawn from its definition; of one that repeats, the list."""

    template = "console/record.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        at = self.place()
        if at.many and "repeat" not in self.kwargs:
            return self._list(at)
        return self.draw(at, at.record.data if at.record else {})

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        at = self.place()
        if at.form.drives or at.former:
            raise NotFound
        values = self.entries(at)
        try:
            values = _settled(at, values, request.POST)
            saved = self._save(at, values)
        except NotFound:
            raise
        except DomainError as error:
            at = self.place()
            both = isinstance(error, VersionConflict) or "differs" in request.POST or self._is_overtaken(at)
            return self.draw(at, values, error=error, typed=True, both=both)
        at = replace(at, repeat=saved.record.repeat)
        if str(at.repeat) != str(self.kwargs.get("repeat", 1)):
            number = _("Someone else took that number meanwhile: yours is number {number}.")
            messages.warning(request, number.format(number=at.repeat))
        if saved.fallen:
            messages.warning(
                request, _("The signature that covered this form has fallen. It must be signed again.")
            )
        if saved.queries:
            messages.warning(request, _("Saved. Please look at the questions beside the fields."))
            return redirect(at.address())
        messages.success(request, _("Saved."))
        return redirect(reverse("casebook", args=[at.participant.code]))

    def _save(self, at: Place, values: Values) -> services.Saved:
        """At this place; a new entry whose number someone took meanwhile, under the next one that is free."""
        try:
            return self._save_as(at, values, at.repeat)
        except VersionConflict:
            now = self.place()
            if not self._is_taken(now):
                raise
            return self._save_as(now, self.entries(replace(now, record=None)), None)

    def _save_as(self, at: Place, values: Values, repeat: int | None) -> services.Saved:
        return services.save_record(
            actor=self.actor,
            participant=at.participant,
            event=at.event.code,
            form=at.form.code,
            repeat=repeat,
            values=values,
            expected_version=seen_version(self.request),
            reason=self.request.POST.get("reason", ""),
            complete="draft" not in self.request.POST,
        )

    def _is_overtaken(self, at: Place) -> bool:
        """Whether someone saved here since the page was shown: said at once, not after every mistake is mended."""
        there = at.record
        return there is not None and there.version != seen_version(self.request) and not self._is_taken(at)

    def _is_taken(self, at: Place) -> bool:
        """Whether another entry stands where the page showed none; one's own draft is what was typed here before."""
        there = at.record
        if there is None or not at.form.repeating or seen_version(self.request) is not None:
            return False
        return there.state == Record.State.COMPLETE or there.updated_by_id != self.actor.pk

    def draw(
        self,
        at: Place,
        values: Values,
        *,
        error: DomainError | None = None,
        typed: bool = False,
        both: bool = False,
    ) -> HttpResponse:
        """The page. `typed`: `values` are as posted; `both`: what is stored now stands beside them."""
        actor, record, form = self.actor, at.record, at.form
        site = at.participant.site_id
        seen = review.of(actor, at.participant, at.event.code, record)
        differing = _differing(at, values) if both else {}
        asked_for = self.request.POST.get("version", "")
        amended = None
        if record and not at.former:
            amended = entering.plan_migration(at.participant, record)
        may_write = has(actor, capabilities.RECORD_EDIT, site=site) and not seen.whole_locks
        may_edit = may_write and not form.drives and amended is None and not at.former
        state = progress.reached(record, seen.locks) if record else "empty"
        shown = values if typed else entered(record.data, form) if record else {}
        # Under a version that asks for it no more nothing is tried: it is read as it stands.
        not_asked: Iterable[str] = ()
        if not at.former:
            not_asked = entering.try_values(
                participant=at.participant, event=at.event.code, form=form, values=shown, repeat=at.repeat
            ).not_asked
        return self.show(
            {
                "title": f"{at.participant.code} · {at.event.name.to(self.request.LANGUAGE_CODE)} · "
                f"{form.name.to(self.request.LANGUAGE_CODE)}{f' {at.repeat}' if at.many else ''}",
                "at": at,
                "participant": at.participant,
                "form": form,
                "event": at.event.code,
                "record": record,
                "parts": entry.parts(
                    form,
                    {**values, **_told(record, values)},
                    error.fields if error else {},
                    seen.marks(form, differing),
                    zone=at.participant.site.timezone,
                ),
                "error": error,
                "differs": bool(differing),
                "reason": self.request.POST.get("reason", ""),
                "seen": asked_for if typed and not both and asked_for else record.version if record else 0,
                "may_edit": may_edit,
                "locked": not may_edit,
                "own_url": at.address(),
                "draft_url": at.address("form-draft"),
                "review_url": at.address("form-review"),
                "step": "step-correct_surgery"
                if record and form.drives == "surgery"
                else _STEPS.get(form.drives or ""),
                "review": seen,
                "scores": [
                    (
                        wording.score_name(
                            at.former or at.participant.protocol_version.definition,
                            score.instrument,
                            score.name,
                        ),
                        wording.score_value(score.value, score.reason),
                        score,
                    )
                    for score in seen.scores
                ],
                "state": state,
                "state_symbol": progress.STATES[state][0],
                "state_word": progress.STATES[state][1],
                "may_ask": bool(record) and has(actor, capabilities.QUERY_RAISE, site=site),
                "may_answer": has(actor, capabilities.RECORD_EDIT, site=site),
                "may_verify": record is not None
                and record.state == Record.State.COMPLETE
                and has(actor, capabilities.RECORD_VERIFY, site=site),
                "may_lock": bool(record) and has(actor, capabilities.RECORD_LOCK, site=site),
                "not_asked": " ".join(sorted(not_asked)),
                "former": at.former,
                "live": None
                if at.former
                else live(actor, at.participant, at.event.code, form, values if typed else None, record),
                "others": self._others(at),
                "files": list(
                    Attachment.objects.visible_to(actor)
                    .standing()
                    .filter(record=record)
                    .select_related("added_by")
                )
                if record
                else [],
                "amended": _amendment(amended, record, form) if amended and record else None,
                "may_amend": may_write,
            },
            status=error.status if error else 200,
        )

    def _others(self, at: Place) -> list[tuple[Form, Record | None, bool, str]]:
        """The forms of the same event with what is stored of them and their pages, to go from one to the next.

        At a numbered unscheduled visit, those of the same number.
        """
        if at.former:
            return []
        definition = at.participant.protocol_version.definition
        rows = Record.objects.visible_to(self.actor).filter(participant=at.participant, event=at.event.code)
        numbered = at.many and not at.form.repeating and "repeat" in self.kwargs
        forms = [one.code for one in definition.forms_at(at.event.code) if numbered and not one.repeating]
        stored = {
            record.form: record
            for record in rows.begun().order_by("-repeat")
            if record.form not in forms or record.repeat == at.repeat
        }
        sees_arms = has(self.actor, capabilities.ARM_SEE, site=at.participant.site_id)
        place = (at.participant.code, at.event.code)
        return [
            (
                one,
                stored.get(one.code),
                one.code == at.form.code,
                reverse("form", args=[*place, one.code, *([at.repeat] if one.code in forms else [])]),
            )
            for one in definition.forms_at(at.event.code)
            if not one.drives and (sees_arms or not one.reveals_arm)
        ]

    def _offered(self, at: Place, taken: Sequence[int]) -> list[int]:
        """The numbers of a new entry: the next one, or those of the unscheduled visits that have none yet."""
        lacking: list[int] = []
        if not at.form.repeating:
            visits = Visit.objects.visible_to(self.actor).filter(
                participant=at.participant, code=at.event.code
            )
            expected = visits.exclude(state=Visit.State.NOT_EXPECTED).order_by("repeat")
            lacking = [one.repeat for one in expected if one.repeat not in taken]
        following = max(taken, default=0) + 1
        return lacking or ([following] if following <= MOST_RECORDS else [])

    def _list(self, at: Place) -> HttpResponse:
        rows = Record.objects.visible_to(self.actor).filter(
            participant=at.participant, event=at.event.code, form=at.form.code
        )
        records = list(progress.reviewed(rows).order_by("repeat"))
        locks = progress.locks_over(self.actor, at.participant)
        columns = [item for item in at.form.items.values() if item.type != "text" or item.required][:5]
        language = self.request.LANGUAGE_CODE
        return self.show(
            {
                "title": f"{at.participant.code} · {at.event.name.to(language)} · {at.form.name.to(language)}",
                "at": at,
                "participant": at.participant,
                "columns": columns,
                "rows": [
                    (
                        record,
                        progress.STATES[progress.reached(record, locks)],
                        progress.reached(record, locks),
                        [wording.shown(item, record.data.get(item.name)) for item in columns],
                    )
                    for record in records
                ],
                "offered": self._offered(at, [one.repeat for one in records if not one.holds_nothing]),
                "may_edit": not (at.form.drives or at.former or _closed(at, locks))
                and has(self.actor, capabilities.RECORD_EDIT, site=at.participant.site_id),
                "step": _STEPS.get(at.form.drives or ""),
                "others": self._others(at),
            },
            template="console/repeats.html",
        )


def _closed(at: Place, locks: Sequence[Lock]) -> bool:
    """Whether a freeze or lock keeps new records from coming to this place."""
    return any(
        lock.record_id is None and (lock.level != Lock.Level.VISIT or lock.event == at.event.code)
        for lock in locks
    )


class AmendPage(OfForm):
    """Bring a record over to the amended form."""

    capability = capabilities.RECORD_EDIT
    http_method_names = ["post"]

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        at = self.place()
        if at.record is None:
            raise NotFound
        try:
            saved = services.migrate_record(
                actor=self.actor,
                record=at.record,
                expected_version=seen_version(request),
                reason=request.POST.get("reason", ""),
            )
        except NotFound:
            raise
        except DomainError as error:
            messages.error(request, str(error))
        else:
            if saved.record.state == Record.State.DRAFT:
                messages.warning(
                    request, _("Brought over as a draft: answer what the new form asks, then save.")
                )
            else:
                messages.success(request, _("Brought over."))
        return redirect(at.address())


def _amendment(plan: Migration, record: Record, form: Form) -> dict[str, Any]:
    """What bringing the record over would do, in the words of both forms."""
    old = record.protocol_version
    before = old.definition.form(form.code)
    return {
        "version": old.version,
        "gone": [
            (before.items[name].label, wording.shown(before.items[name], record.data[name]))
            for name in plan.gone
        ],
        "refused": [(form.items[name].label, sentences) for name, sentences in worded(plan.refused).items()],
        "asked": [form.items[name].label for name in plan.asked],
    }


def _settled(at: Place, values: dict[str, Any], posted: Mapping[str, Any]) -> dict[str, Any]:
    """`values` after the choice between both, item by item. Raises ValuesRefused where a choice lacks."""
    if "differs" not in posted:
        return values
    stored = entered(at.record.data, at.form) if at.record else {}
    named = {name for name in at.form.items if f"{name}__both" in posted}
    undecided = [name for name in sorted(named) if posted.get(f"{name}__keep") not in ("theirs", "yours")]
    if undecided:
        raise ValuesRefused(fields={name: [_("Choose which of the two stands.")] for name in undecided})
    theirs = {name for name in named if posted[f"{name}__keep"] == "theirs"}
    kept = {name: value for name, value in values.items() if name not in theirs}
    return kept | {name: stored[name] for name in theirs if name in stored}


def _differing(at: Place, values: Values) -> dict[str, tuple[str, str]]:
    """{item: (what is stored now, what was entered)} where they are not the same."""
    if at.record is None:
        return {}
    tried = entering.try_values(
        participant=at.participant, event=at.event.code, form=at.form, values=values, repeat=at.repeat
    ).data
    stored = at.record.data
    return {
        name: (wording.shown(item, stored.get(name)), wording.shown(item, values.get(name)))
        for name, item in at.form.items.items()
        if not item.derive and _entry(stored.get(name)) != _entry(tried.get(name))
    }


def _entry(stored: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Without what stands behind a sentence of the software: nobody enters that."""
    return {key: value for key, value in (stored or {}).items() if key != "told"}


def _told(record: Record | None, values: Values) -> dict[str, Any]:
    """Of `values` the sentences of the software that nobody changed: they are shown in the reader's language."""
    return {
        name: stored
        for name, stored in (record.data if record else {}).items()
        if "told" in stored and values.get(name) == stored["value"]
    }
