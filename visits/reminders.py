"""The text of a reminder at the moment of sending, or why it is not sent any more."""

import datetime as dt
from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import override

from trialsite.outbox.models import Message
from trialsite.outbox.resolvers import Answer, Cancel, Later, Send
from trialsite.participants.models import Contact
from trialsite.protocol.definition import ReminderRule
from trialsite.staff.models import User
from visits import rules
from visits.models import Visit

# No message reaches a participant from 21:00 to 08:00 local time.
QUIET_FROM: Final = dt.time(21)
QUIET_UNTIL: Final = dt.time(8)


def resolve(message: Message, now: dt.datetime) -> Answer:
    """Re-read the visit, the participant and the recipient, and word the message in the recipient's language."""
    visit = (
        Visit.objects.filter(pk=message.payload["visit"])
        .select_related("site", "participant", "participant__protocol_version")
        .first()
    )
    if visit is None or visit.state not in rules.OPEN:
        return Cancel("the visit is settled")
    if visit.participant.status in ("dead", "withdrawn"):
        return Cancel("the participant has left the trial")
    if visit.plan_version != message.payload["plan_version"]:
        return Cancel("the appointment has moved")
    rule = _rule(visit, message.payload["rule"])
    if rule is None:
        return Cancel("the protocol has no such reminder")
    if rule.relative_to == "opens" and visit.state == Visit.State.BOOKED:
        return Cancel("an appointment is booked")
    if rule.audience == "participant":
        return _to_participant(visit, rule, now)
    return _to_staff(message, visit, rule)


def quiet_until(now: dt.datetime, zone: str) -> dt.datetime | None:
    """The end of the quiet hours that `now` lies in, or None outside of them."""
    local = now.astimezone(ZoneInfo(zone))
    if QUIET_UNTIL <= local.time() < QUIET_FROM:
        return None
    day = local.date() if local.time() < QUIET_UNTIL else local.date() + dt.timedelta(days=1)
    return dt.datetime.combine(day, QUIET_UNTIL, ZoneInfo(zone))


def _rule(visit: Visit, kind: str) -> ReminderRule | None:
    reminders = visit.participant.protocol_version.definition.reminders
    return next((rule for rule in reminders if rule.kind == kind), None)


def _to_participant(visit: Visit, rule: ReminderRule, now: dt.datetime) -> Answer:
    contact = Contact.objects.filter(participant_id=visit.participant_id).first()
    if contact is None or not contact.email:
        return Cancel("no address is known")
    if contact.opted_out:
        return Cancel("the participant wants no messages")
    if visit.appointment_at is None or visit.appointment_at <= now:
        return Cancel("the appointment is past")
    quiet = quiet_until(now, visit.site.timezone)
    if quiet:
        return Later(quiet)
    return _worded(contact.email, contact.language, visit, rule)


def _to_staff(message: Message, visit: Visit, rule: ReminderRule) -> Answer:
    user = User.objects.filter(pk=int(message.recipient.removeprefix("user:")), is_active=True).first()
    if user is None or not user.email:
        return Cancel("the recipient has no active account")
    here = Q(site_id=None) | Q(site_id=visit.site_id)
    if not user.memberships.current().filter(here, role=rule.audience).exists():
        return Cancel("the recipient no longer has this role")
    return _worded(user.email, user.language, visit, rule)


def _worded(to: str, language: str, visit: Visit, rule: ReminderRule) -> Send:
    definition = visit.participant.protocol_version.definition
    with override(language):
        words = {
            "hospital": visit.site.name,
            "phone": visit.site.phone or _("the hospital's switchboard"),
            "participant": visit.participant.code,
            "visit": definition.visit(visit.code).name.to(language),
            "date": _day(visit, rule),
        }
        return Send(to, rule.subject.to(language).format(**words), rule.body.to(language).format(**words))


def _day(visit: Visit, rule: ReminderRule) -> str:
    if rule.relative_to == "appointment" and visit.appointment_at:
        local = visit.appointment_at.astimezone(ZoneInfo(visit.site.timezone))
        return date_format(local, "Y-m-d H:i")
    return date_format(visit.opens_on if rule.relative_to == "opens" else visit.closes_on, "Y-m-d")
