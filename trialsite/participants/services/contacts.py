"""Contact details: write, look up, erase, and the rotation of their keys."""

from collections.abc import Iterator
from typing import Any, Final

from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.audit.notes import note
from trialsite.core import clock
from trialsite.core.errors import Invalid
from trialsite.participants import rules, vault
from trialsite.participants.errors import ContactErased
from trialsite.participants.models import Contact, Participant
from trialsite.staff.access import require
from trialsite.staff.capabilities import CONTACT_EDIT, CONTACT_ERASE, CONTACT_ROTATE, CONTACT_VIEW
from trialsite.staff.models import User

_LANGUAGES: Final = ("en", "zh-hans")
_LONGEST: Final = {"name": 120, "phone": 40, "email": 254}
_BATCH: Final = 200


def set_contact(
    *,
    actor: User,
    participant: Participant,
    name: str,
    phone: str,
    email: str,
    language: str,
    contact_consent: bool,
    channel: str = Contact.Channel.EMAIL,
    opted_out: bool = False,
    reason: str = "",
) -> Contact:
    """Write the contact details; the trail says that they changed, never what they are.

    What was written once changes for a `reason` only. Raises Invalid naming the fields, ContactErased once they were
    erased.
    """
    details = {"name": name.strip(), "phone": phone.strip(), "email": email.strip()}
    _check(details, language=language, channel=channel)
    choices = {
        "language": language,
        "channel": channel,
        "contact_consent": contact_consent,
        "opted_out": opted_out,
    }
    with acting(actor, reason=reason.strip()):
        require(actor, CONTACT_EDIT, site=participant.site_id)
        locked = Participant.objects.lock(participant.pk)
        known = Contact.objects.filter(participant=locked).first()
        if known and known.erased_at:
            raise ContactErased(participant=locked.code)
        contact = known or Contact(
            participant=locked,
            site_id=locked.site_id,
            wrapped_key=vault.new_data_key(),
            key_id=vault.newest_data_key(),
        )
        other = known is None or contact.details != details
        if known and (other or any(getattr(known, name) != chosen for name, chosen in choices.items())):
            _require_reason(reason)
        for name, chosen in choices.items():
            setattr(contact, name, chosen)
        if other:
            contact.seal(details)
        contact.save()
        return contact


def _check(details: dict[str, str], *, language: str, channel: str) -> None:
    faults: dict[str, list[str]] = {}
    for field, text in details.items():
        if len(text) > _LONGEST[field]:
            faults[field] = [_("Give at most {most} characters.").format(most=_LONGEST[field])]
        elif not rules.printable(text):
            faults[field] = [_("This text holds characters that cannot be printed.")]
    if details["phone"] and not vault.normal("phone", details["phone"]):
        faults["phone"] = [_("A telephone number has digits.")]
    if language not in _LANGUAGES:
        faults["language"] = [_("Give en or zh-hans.")]
    if channel not in Contact.Channel.values:
        faults["channel"] = [_("Give email or sms.")]
    if faults:
        raise Invalid(fields=faults)


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid(fields={"reason": [_("A reason is needed.")]})


def find_by_contact(*, actor: User, by: vault.Purpose, text: str) -> list[Participant]:
    """The participants of one's hospitals whose name, telephone or mail is exactly `text`; that one looked is noted.

    The digest of `text` is compared, under every key of the ring: nothing is decrypted, and the text is not recorded.
    """
    if by not in _LONGEST:
        raise Invalid(fields={"by": [_("Give name, phone or email.")]})
    asked = vault.digests(by, text)
    if not asked:
        raise Invalid(fields={"text": [_("Enter what to look for.")]})
    with acting(actor):
        require(actor, CONTACT_VIEW)
        found = (
            Contact.objects.visible_to(actor)
            .filter(**{f"{by}_index__in": asked})
            .select_related("participant__site")
            .order_by("participant__code")
        )
        people = [contact.participant for contact in found]
        note(actor=actor, action="search", about="participants_contact", details={"by": by})
        for one in people:
            note(
                actor=actor,
                action="search",
                about="participants_contact",
                site=one.site_id,
                participant=one.pk,
                details={"by": by},
            )
        return people


def erase_contact(*, actor: User, participant: Participant, reason: str) -> Contact:
    """Destroy the participant's data key, and with it every copy of what it encrypted; it cannot be taken back.

    Clinical data stay, under the code alone. From then on no message reaches the participant.
    """
    _require_reason(reason)
    with acting(actor, reason=reason):
        require(actor, CONTACT_ERASE, site=participant.site_id)
        locked = Participant.objects.lock(participant.pk)
        contact = Contact.objects.filter(participant=locked).first()
        if contact is None:
            contact = Contact(participant=locked, site_id=locked.site_id)
        if contact.erased_at:
            return contact
        contact.forget()
        contact.erased_at = clock.now()
        contact.save()
        return contact


def rewrap_keys(*, actor: User) -> Iterator[int]:
    """Wrap every data key anew by the first key of DATA_KEYS, index anew by the first of INDEX_KEYS.

    Yields how many are done after each batch, which is committed: broken off and called again, it goes on with those
    that lack. When it ends, older keys of DATA_KEYS open nothing any more. Blind indexes of persons (`Identity`) keep
    no text and cannot be made anew: look-ups try every key of INDEX_KEYS, so older ones stay in that ring.
    """
    require(actor, CONTACT_ROTATE)
    done = 0
    while batch := _rewrap_batch(actor):
        done += batch
        yield done


def _rewrap_batch(actor: User) -> int:
    with acting(actor, reason="rotation of keys", durable=True):
        behind: Any = Contact.objects.behind().select_for_update(skip_locked=False)[:_BATCH]
        contacts = list(behind)
        for contact in contacts:
            details = contact.details
            contact.wrapped_key = vault.rewrap(contact.wrapped_key)
            contact.key_id = vault.newest_data_key()
            if contact.index_key_id != vault.newest_index_key():
                contact.index(details)
            contact.save()
        return len(contacts)
