"""What a person decides about a message that failed or is uncertain, and what a member of staff wants to receive."""

from typing import Final

from django.conf import settings
from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.core.errors import Invalid
from trialsite.outbox import rules
from trialsite.outbox.errors import NotToBeClosed, NotToBeRetried
from trialsite.outbox.models import Message, Preference
from trialsite.staff.access import require
from trialsite.staff.capabilities import REMINDER_MANAGE
from trialsite.staff.models import User

_DELIVERED: Final = gettext_noop("a person found out that it was delivered")
_GIVEN_UP: Final = gettext_noop("a person gave it up")


def retry(*, actor: User, message: Message, reason: str = "") -> Message:
    """A failed or uncertain message is tried again. Raises NotToBeRetried for any other.

    After a provider's no it goes out under a new key; an uncertain one keeps its key, so that a provider that had
    taken it does not send it twice.
    """
    with acting(actor, reason=reason):
        require(actor, REMINDER_MANAGE, site=message.site_id)
        open_again = {"state": "pending", "due_at": clock.now(), "attempts": 0}
        open_again |= {"finished_at": None, "claimed_at": None}
        one = Message.objects.filter(pk=message.pk)
        changed = one.filter(state="failed").update(**open_again, rounds=F("rounds") + 1)
        changed = changed or one.filter(state="uncertain").update(**open_again)
        message.refresh_from_db()
        if not changed:
            raise NotToBeRetried(state=message.get_state_display())
        return message


def give_up(*, actor: User, message: Message, reason: str) -> Message:
    """A failed or uncertain message is left, and why: the participant was telephoned, the visit is near."""
    return _close(actor, message, "given_up", _GIVEN_UP, reason)


def mark_delivered(*, actor: User, message: Message, reason: str) -> Message:
    """An uncertain message was delivered after all, and how that is known. What failed was not, and is refused."""
    return _close(actor, message, "sent", _DELIVERED, reason)


def _close(actor: User, message: Message, state: str, answer: str, reason: str) -> Message:
    if not reason.strip():
        raise Invalid(fields={"reason": [_("A reason is needed.")]})
    if len(reason) > 300:
        raise Invalid(fields={"reason": [_("At most 300 characters.")]})
    with acting(actor, reason=reason):
        require(actor, REMINDER_MANAGE, site=message.site_id)
        before = [one for one in rules.leading_to(state) if one in rules.FOR_PERSON]
        changed = Message.objects.filter(pk=message.pk, state__in=before).update(
            state=state,
            finished_at=clock.now(),
            answer=answer,
            worked_off_by=actor,
            worked_off_because=reason.strip(),
        )
        message.refresh_from_db()
        if not changed:
            raise NotToBeClosed(state=message.get_state_display())
        return message


def set_preference(*, actor: User, kind: str, wanted: bool) -> None:
    """Whether the actor wants messages of an optional kind; the others (a serious event, an allocation) always come."""
    if kind not in settings.OUTBOX_OPTIONAL:
        known = ", ".join(settings.OUTBOX_OPTIONAL)
        raise Invalid(fields={"kind": [_("Known kinds are {known}.").format(known=known)]})
    with acting(actor):
        Preference.objects.update_or_create(user=actor, kind=kind, defaults={"wanted": wanted})


def preferences(actor: User) -> dict[str, bool]:
    """Each optional kind, and whether the actor wants it."""
    refused = set(Preference.objects.filter(user=actor, wanted=False).values_list("kind", flat=True))
    return {kind: kind not in refused for kind in settings.OUTBOX_OPTIONAL}
