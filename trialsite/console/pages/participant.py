"""The page of one participant."""

from dataclasses import dataclass
from typing import Any

from django.http import (
    HttpRequest,
    HttpResponse,
)

from randomization import arms
from trialsite.audit.models import Event
from trialsite.casebook import deviations
from trialsite.casebook.models import Query, Record
from trialsite.console import casebook, criteria, reading
from trialsite.console.pages.base import OfParticipant
from trialsite.core import clock
from trialsite.enrollment import breaches, facts, services, steps
from trialsite.outbox.models import Message
from trialsite.participants.models import Identity, Participant, Withdrawal, owing_reconsent
from trialsite.staff import capabilities
from trialsite.staff.access import has, has_everywhere
from trialsite.staff.models import Signature
from visits import rules as visit_rules
from visits.models import Visit


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
            Query.objects.visible_to(actor)
            .open()
            .filter(participant=participant)
            .select_related("record__protocol_version")
            .defer("record__protocol_version__document")
        )
        standing = reading.signed(actor).get(pk=participant.pk)
        signed = standing.is_signed
        t0 = facts.reference_day(participant)
        verdict = services.verdict(participant=participant, surgery_on=t0)
        allocation = arms.of(actor, participant)
        book = casebook.read(actor, participant)
        explained = criteria.explained(definition, verdict, t0=t0)
        # What stands in the way first: nobody reads forty lines to find it.
        explained.sort(key=lambda row: row.finding.satisfied is True)
        planned = list(Visit.objects.visible_to(actor).filter(participant=participant))
        settled = not any(visit.state in visit_rules.OPEN for visit in planned)
        step = steps.next_step(
            participant.status,
            signed=signed,
            settled=settled,
            forgone=standing.is_forgone,
            untreated=standing.is_untreated,
            late=standing.is_late,
        )
        today = clock.today(participant.site.timezone)
        noted = {form.code for form in definition.forms if form.role in deviations.ROLES}
        return self.show(
            {
                "title": participant.code,
                "participant": participant,
                "step": step,
                "may_step": step and has(actor, step.capability, site=participant.site_id),
                "ends": [one for one in self._ends(participant, forgone=standing.is_forgone) if one != step],
                "path": self._path(
                    participant,
                    randomized=any(
                        one.code == definition.parts.randomization.code and one.state == Visit.State.ATTENDED
                        for one in planned
                    ),
                ),
                "randomization": definition.parts.randomization.code,
                "owed": owing_reconsent(actor, today).filter(pk=participant.pk).first(),
                "may_consent": has(actor, capabilities.CONSENT_RECORD, site=participant.site_id),
                "withdrawals": participant.withdrawals.select_related("recorded_by"),
                "consents": participant.consents.select_related("obtained_by").with_delegation(),
                "sees_log": has(actor, capabilities.ROSTER_VIEW, site=participant.site_id),
                "verdict": verdict if participant.status != "registered" else None,
                "t0": t0,
                "may_plan": steps.PLAN_SURGERY.possible_from(participant.status)
                and has(actor, steps.PLAN_SURGERY.capability, site=participant.site_id),
                "breaches": _breaches(participant),
                "deviations": [(deviations.told(one), one) for one in records if one.form in noted],
                "criteria": explained,
                "signed": signed,
                "signatures": participant.verdicts.select_related("signature"),
                "book": book,
                "current": book.at(book.current.code) if book.current else [],
                "may_edit": has(actor, capabilities.RECORD_EDIT, site=participant.site_id),
                "queries": [
                    (query, query.record.protocol_version.definition.form(query.record.form).name)
                    for query in queries
                ],
                "allocation": allocation,
                "enveloped": Signature.objects.visible_to(actor).over("envelope", participant.pk)
                if allocation
                else [],
                # Who has left since is entered from here, all others from the page of the randomization.
                "may_enter": participant.status in ("completed", "withdrawn", "dead")
                and not allocation
                and facts.is_operated(participant)
                and has(actor, capabilities.RANDOMIZE, site=participant.site_id)
                and has(actor, capabilities.ARM_SEE, site=participant.site_id),
                "may_mark": has(actor, capabilities.ALLOCATION_MARK, site=participant.site_id),
                "arm": allocation and next(arm for arm in definition.arms if arm.code == allocation.arm),
                "visits": [_visit(visit, definition, today) for visit in planned],
                "may_manage": has(actor, capabilities.VISIT_MANAGE, site=participant.site_id),
                "messages_out": Message.objects.visible_to(actor)
                .with_names()
                .with_titles(request.LANGUAGE_CODE)
                .filter(subject_code=participant.code)[:20],
                "may_contact": has(actor, capabilities.CONTACT_VIEW, site=participant.site_id),
                "may_transfer": has_everywhere(actor, capabilities.PARTICIPANT_TRANSFER),
                "may_identify": has(actor, capabilities.PARTICIPANT_REGISTER, site=participant.site_id),
                "identity": Identity.objects.filter(participant=participant).first(),
                "may_erase": has(actor, capabilities.CONTACT_ERASE, site=participant.site_id),
                "events": Event.objects.filter(participant_id=participant.pk)[:15]
                if has(actor, capabilities.AUDIT_VIEW, site=participant.site_id)
                else [],
            }
        )

    def _ends(self, participant: Participant, *, forgone: bool) -> list[steps.Step]:
        further = steps.WITHDRAW_FURTHER.possible_from(participant.status)
        withdrawing = further or steps.WITHDRAW.possible_from(participant.status)
        lost = {one.level for one in participant.withdrawals.all()} if withdrawing else set()
        ends = [
            steps.FAIL,
            steps.RESUME if forgone else steps.FORGO,
            steps.CORRECT_SURGERY,
            steps.DIE,
            steps.CORRECT_DEATH,
        ]
        if has(self.actor, capabilities.ARM_SEE, site=participant.site_id):
            ends += self._of_treatment(participant, ended="treatment" in lost)
        offered = [
            step
            for step in ends
            if step.possible_from(participant.status)
            and has(self.actor, step.capability, site=participant.site_id)
        ]
        may_withdraw = has(self.actor, steps.WITHDRAW.capability, site=participant.site_id)
        open_levels = {"data"} if participant.status == "screen_failed" else set(Withdrawal.Level.values)
        if withdrawing and open_levels - lost and may_withdraw:
            offered.insert(0, steps.WITHDRAW)
        return offered

    @staticmethod
    def _of_treatment(participant: Participant, *, ended: bool) -> list[steps.Step]:
        """Local treatment begins once, unless it is `ended` by withdrawal, and ends once it has begun."""
        if participant.status not in steps.CORRECT_END.before:
            return []
        if not facts.driving(participant, "treatment_start").exists():
            return [] if ended else [steps.START_TREATMENT]
        if not facts.driving(participant, "treatment_end").exists():
            return [steps.CORRECT_START, steps.END_TREATMENT]
        return [steps.CORRECT_START, steps.CORRECT_END]

    @staticmethod
    def _path(participant: Participant, *, randomized: bool) -> list[tuple[str, str]]:
        """The way so far and still to go; of who has ended, what was reached before the end."""
        order = ["registered", "consented", "eligible", "operated", "randomized"]
        ended = participant.status not in order
        if ended:
            operated = facts.is_operated(participant)
            reached = {
                "registered": True,
                "consented": participant.consents.exists(),
                "eligible": operated or participant.verdicts.exists(),
                "operated": operated,
                "randomized": randomized,
            }
            order = [*(status for status in order if reached[status]), participant.status]
        at = order.index(participant.status)
        return [
            (str(Participant.Status(status).label), "done" if place < at else "now" if place == at else "")
            for place, status in enumerate(order)
        ]


def _breaches(participant: Participant) -> list[str]:
    """Criteria found broken after surgery that no deviation tells of yet."""
    found = breaches.breached(participant)
    known = breaches.recorded(participant) if found else {}
    return [criterion for criterion in found if criterion not in known]


@dataclass(frozen=True)
class _Shown:
    visit: Visit
    name: Any
    urgency: str
    open: bool


def _visit(visit: Visit, definition: Any, today: Any) -> _Shown:
    return _Shown(
        visit,
        definition.name_of(visit.code),
        visit_rules.urgency(visit.state, visit.opens_on, visit.closes_on, today),
        visit.state in visit_rules.OPEN,
    )
