"""Reports that are overdue are told: to the coordinator, then the principal investigator, then the trial manager."""

import datetime as dt
from collections.abc import Mapping
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop, override

from trialsite.audit.context import acting
from trialsite.casebook.models import Record
from trialsite.core import clock
from trialsite.outbox import services as outbox
from trialsite.outbox.models import Message
from trialsite.outbox.resolvers import Answer, Cancel, Send
from trialsite.outbox.rules import Rung
from trialsite.safety import rules
from trialsite.safety.reading import periods
from trialsite.staff.access import require
from trialsite.staff.capabilities import SCHEDULE_PLAN
from trialsite.staff.models import Membership, User

_NAMES: Final[Mapping[rules.ClockName, Promise]] = {
    "to_sponsor": gettext_lazy("report to the sponsor"),
    "onward": gettext_lazy("onward report"),
    "complete": gettext_lazy("complete report"),
}
# After the period has run out.
LADDER: Final = (
    Rung("coordinator", dt.timedelta(0)),
    Rung("pi", dt.timedelta(hours=12)),
    Rung("trial_manager", dt.timedelta(hours=24)),
)
_NO_ACCOUNT: Final = Cancel(gettext_noop("the recipient has no active account"))
_NO_ROLE: Final = Cancel(gettext_noop("the recipient no longer has this role"))
_REPORTED: Final = Cancel(gettext_noop("it has been reported meanwhile"))


def plan(*, actor: User, now: dt.datetime) -> int:
    """Put what is overdue and untold; again and again. Returns how many people are told, those told before included.

    All reports are read: serious events are few, and an entry may tell why there is no time.
    """
    with acting(actor):
        require(actor, SCHEDULE_PLAN)
        given = periods()
        reports = Record.objects.filter(form=rules.REPORT)
        told = 0
        for record in reports.select_related("participant", "site").order_by("pk"):
            for late in rules.overdue(rules.clocks(record.data, given, now)):
                told += outbox.escalate(
                    actor=actor,
                    ladder=LADDER,
                    since=late.due_at or now,
                    now=now,
                    key=f"sae:{record.pk}:{late.name}",
                    kind="sae",
                    payload={"record": record.pk, "clock": late.name},
                    site=record.site,
                    subject_code=record.participant.code,
                )
        return told


def resolve(message: Message, now: dt.datetime) -> Answer:
    """The text for one recipient, by code and number alone; its cancellation where the report has been made."""
    user = User.objects.filter(pk=int(message.recipient.removeprefix("user:")), is_active=True).first()
    if user is None or not user.email:
        return _NO_ACCOUNT
    held = Membership.objects.current().filter(user=user, role=message.payload["role"])
    if not any(one.site_id in (None, message.site_id) for one in held):
        return _NO_ROLE
    record = Record.objects.select_related("participant", "site").get(pk=message.payload["record"])
    late = {one.name: one for one in rules.overdue(rules.clocks(record.data, periods(), now))}
    found = late.get(message.payload["clock"])
    if found is None or found.due_at is None:
        return _REPORTED
    due = f"{clock.local(found.due_at, record.site.timezone):%Y-%m-%d %H:%M}"
    with override(user.language):
        what = str(_NAMES[found.name])
        return Send(
            user.email,
            _("Overdue: {what}, {participant}").format(what=what, participant=record.participant.code),
            _(
                "{participant}, serious adverse event number {number}: the {what} was due at {due}.\n"
                "Please report, and enter the time of the report on the form."
            ).format(participant=record.participant.code, number=record.repeat, what=what, due=due),
        )
