"""The text of a reminder at the moment of sending, or why it is not sent any more."""

import datetime as dt
from typing import Final
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, override

from trialsite.outbox.channels import CHANNELS
from trialsite.outbox.models import Message
from trialsite.outbox.recipients import reader
from trialsite.outbox.resolvers import Answer, Cancel, Later, Send
from trialsite.participants.models import Contact
from trialsite.protocol.definition import ReminderRule
from visits import rules
from visits.models import Visit

_SETTLED: Final = Cancel(gettext_noop("the visit is settled"))
_LEFT: Final = Cancel(gettext_noop("the participant has left the trial"))
_MOVED: Final = Cancel(gettext_noop("the appointment has moved"))
_PAST: Final = Cancel(gettext_noop("what it says is past, or a later reminder says it"))
_OPTED_OUT: Final = Cancel(gettext_noop("the participant wants no messages"))
_NO_ADDRESS: Final = Cancel(gettext_noop("no address is known"))
_BLIND: Final = Cancel(gettext_noop("the recipient may not see this visit"))


def resolve(message: Message, now: dt.datetime) -> Answer:
    """Re-read the visit, the participant and the recipient, and word the message in the recipient's language."""
    visit = (
        Visit.objects.select_related("site", "participant__protocol_version")
        .defer("participant__protocol_version__document")
        .get(pk=message.payload["visit"])
    )
    if visit.participant.status in rules.LEFT:
        return _LEFT
    if visit.state not in rules.OPEN:
        return _SETTLED
    reminders = visit.participant.protocol_version.definition.reminders
    rule = next((rule for rule in reminders if rule.kind == message.payload["rule"]), None)
    if rule is None:
        return _PAST
    if visit.version_for(rule.relative_to) != message.payload["version"]:
        return _MOVED
    if rules.speaking(reminders, visit.course, now).get(rule.audience) != rule:
        return _PAST
    if rule.audience == "participant":
        return _to_participant(visit, rule, now)
    return _to_staff(message, visit, rule)


def _to_participant(visit: Visit, rule: ReminderRule, now: dt.datetime) -> Answer:
    contact = Contact.objects.filter(participant_id=visit.participant_id).first()
    if contact is None:
        return _NO_ADDRESS
    if not contact.wants_messages:
        return _OPTED_OUT
    quiet = rules.quiet_until(now, visit.site.timezone)
    if quiet:
        return Later(quiet)
    addresses = {"email": contact.email, "sms": contact.phone}
    wanted = rules.ways(rule.channel, contact.channel)
    usable = [way for way in wanted if addresses[way] and CHANNELS[way].ready()]
    # Where an address is known but its channel is not configured, the message fails and a person is told.
    known = usable or [way for way in wanted if addresses[way]]
    if not known:
        return _NO_ADDRESS
    return _worded(addresses[known[0]], contact.language, visit, rule, via=known[0])


def _to_staff(message: Message, visit: Visit, rule: ReminderRule) -> Answer:
    user = reader(message, role=message.payload.get("role") or rule.audience)
    if isinstance(user, Cancel):
        return user
    if not Visit.objects.visible_to(user).filter(pk=visit.pk).exists():
        return _BLIND
    return _worded(user.email, user.language, visit, rule)


def _worded(to: str, language: str, visit: Visit, rule: ReminderRule, *, via: str = "") -> Send:
    definition = visit.participant.protocol_version.definition
    with override(language):
        words = {
            "hospital": visit.site.name,
            "phone": visit.site.phone or _("the hospital's switchboard"),
            "date": _day(visit, rule),
        }
        if rule.audience != "participant":
            words |= {
                "participant": visit.participant.code,
                "visit": definition.name_of(visit.code).to(language),
            }
        subject, body = (text.to(language).format(**words) for text in (rule.subject, rule.body))
        return Send(to, subject, body, via)


def _day(visit: Visit, rule: ReminderRule) -> str:
    if rule.relative_to == "appointment" and visit.appointment_at:
        local = visit.appointment_at.astimezone(ZoneInfo(visit.site.timezone))
        return date_format(local, "Y-m-d H:i")
    return date_format(visit.opens_on if rule.relative_to == "opens" else visit.closes_on, "Y-m-d")
