"""What safety waits for is told: to the coordinators before a period runs out; then to them, the principal investigator
and the trial managers in turn, until the report exists, awareness is entered, and the report was made.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop, override

from trialsite.audit.context import acting
from trialsite.casebook.models import Record, RecordQuerySet
from trialsite.core import clock
from trialsite.outbox import services as outbox
from trialsite.outbox.models import Message
from trialsite.outbox.recipients import reader
from trialsite.outbox.resolvers import Answer, Cancel, Send
from trialsite.outbox.rules import Rung
from trialsite.safety import reading, rules
from trialsite.staff.access import require
from trialsite.staff.capabilities import SCHEDULE_PLAN
from trialsite.staff.models import User

# A period, the awareness from which all of them run, or the report that no adverse event may lack.
About = Literal["to_sponsor", "onward", "complete", "awareness", "report"]
Phase = Literal["soon", "open"]

_NAMES: Final[Mapping[str, Promise]] = {
    "to_sponsor": gettext_lazy("report to the sponsor"),
    "onward": gettext_lazy("onward report"),
    "complete": gettext_lazy("complete report"),
}
_RUN_OUT: Final = Cancel(gettext_noop("the period has run out meanwhile, which another message says"))
_REPORTED: Final = Cancel(gettext_noop("it has been reported meanwhile"))


@dataclass(frozen=True)
class Waiting:
    """Something about one record that somebody must do: since when, and by when where a period runs."""

    record: Record
    about: About
    phase: Phase
    since: dt.datetime
    due_at: dt.datetime | None = None
    contradicts: bool = False

    @property
    def key(self) -> str:
        """One for each thing, phase and period: one that moves is told anew; the ladder adds role and person."""
        phase = ":soon" if self.phase == "soon" else ""
        return f"sae:{self.record.pk}:{self.about}{phase}:{self.due_at or self.since:%Y%m%dT%H%M%S.%f}"


def ladder(settings: Mapping[str, Any]) -> tuple[Rung, ...]:
    """Who is told how long after something is overdue, by the protocol's settings."""
    return (
        Rung("coordinator", dt.timedelta(0)),
        Rung("pi", dt.timedelta(hours=int(settings.get("sae_pi_hours", 12)))),
        Rung("trial_manager", dt.timedelta(hours=int(settings.get("sae_manager_hours", 24)))),
    )


def plan(*, actor: User, now: dt.datetime) -> int:
    """Put what waits and is untold; again and again. Returns how many people are told, those told before included.

    All reports and serious events are read: they are few, and an entry may tell why there is no time.
    """
    with acting(actor):
        require(actor, SCHEDULE_PLAN)
        rungs = ladder(reading.settings())
        told = 0
        for one in waiting(Record.objects.all(), now):
            told += outbox.escalate(
                actor=actor,
                ladder=rungs if one.phase == "open" else rungs[:1],
                since=one.since,
                now=now,
                key=one.key,
                kind="sae",
                payload={"record": one.record.pk, "clock": one.about, "phase": one.phase},
                site=one.record.site,
                subject_code=one.record.participant.code,
            )
        return told


def waiting(rows: RecordQuerySet, now: dt.datetime) -> Iterator[Waiting]:
    """What waits among the reports and serious events of `rows`.

    What has no period waits since the save from which on it was marked serious, or left open.
    """
    given, named = reading.periods(), reading.Named()
    rows = rows.begun().filter(named.reports | named.serious)
    for record in rows.select_related("participant", "site").order_by("pk"):
        if not named.is_report(record):
            continue
        clocks = reading.report(record, named, given, now).clocks
        if clocks[0].state == "unknown":
            yield Waiting(record, "awareness", "open", reading.unaware_since(record, named))
        for one in rules.soon(clocks, given, now):
            since = (one.due_at or now) - given.warns_before(one.name)
            yield Waiting(record, one.name, "soon", since, one.due_at, one.state == "contradicts")
        for one in rules.overdue(clocks, now):
            yield Waiting(record, one.name, "open", one.due_at or now, one.due_at, one.state == "contradicts")
    for found in reading.compared(rows, named):
        if found.difference.code == "report_missing" and found.event:
            yield Waiting(found.event, "report", "open", reading.serious_since(found.event, named))


def resolve(message: Message, now: dt.datetime) -> Answer:
    """The text for one recipient, by code and number alone; its cancellation where it waits no longer."""
    user = reader(message, role=message.payload["role"])
    if isinstance(user, Cancel):
        return user
    record = Record.objects.get(pk=message.payload["record"])
    asked = record.pk, message.payload["clock"]
    found = [
        one
        for one in waiting(Record.objects.filter(participant=record.participant_id), now)
        if (one.record.pk, one.about) == asked
    ]
    if not found:
        return _REPORTED
    if found[0].phase != message.payload["phase"]:
        return _RUN_OUT
    with override(user.language):
        return Send(user.email, *_worded(found[0]))


def _worded(one: Waiting) -> tuple[str, str]:
    """Subject and body in the language that is active."""
    if one.about == "awareness":
        subject = _("Time of awareness missing: {participant}")
        body = _(
            "{participant}, serious adverse event number {number}: when the hospital became aware is not entered, "
            "so that no period can be kept.\nPlease enter it on the form."
        )
    elif one.about == "report":
        subject = _("Report missing: {participant}")
        body = _(
            "{participant}, adverse event number {number} is marked as serious, but no report names it.\n"
            "Please enter the report: its period runs since the hospital became aware."
        )
    elif one.contradicts:
        subject = _("Times contradict: {what}, {participant}")
        body = _(
            "{participant}, serious adverse event number {number}: the time entered for the {what} lies before the "
            "hospital became aware and does not count; due at {due}.\nPlease mend it on the form."
        )
    elif one.phase == "soon":
        subject = _("Due soon: {what}, {participant}")
        body = _(
            "{participant}, serious adverse event number {number}: the {what} is due at {due}.\n"
            "Please report, and enter the time of the report on the form."
        )
    else:
        subject = _("Overdue: {what}, {participant}")
        body = _(
            "{participant}, serious adverse event number {number}: the {what} was due at {due}.\n"
            "Please report, and enter the time of the report on the form."
        )
    record = one.record
    words = {
        "what": str(_NAMES.get(one.about, "")),
        "participant": record.participant.code,
        "number": record.repeat,
        "due": f"{clock.local(one.due_at, record.site.timezone):%Y-%m-%d %H:%M}" if one.due_at else "",
    }
    return subject.format(**words), body.format(**words)
