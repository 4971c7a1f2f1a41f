"""The names of roles and capabilities in the reader's language."""

from typing import Any, Final

from django.utils.translation import gettext_lazy as _

ROLE_NAMES: Final[dict[str, Any]] = {
    "coordinator": _("study coordinator"),
    "investigator": _("investigator"),
    "pi": _("principal investigator"),
    "assessor": _("outcome assessor"),
    "monitor": _("monitor"),
    "data_manager": _("data manager"),
    "statistician": _("statistician"),
    "trial_manager": _("trial manager"),
    "auditor": _("auditor"),
    "administrator": _("administrator"),
    "machine": _("program"),
    "system": _("this software"),
}

# What a token may do, in the order of the permission file.
CAPABILITY_NAMES: Final[dict[str, Any]] = {
    "participant.view": _("see participants"),
    "participant.register": _("register participants"),
    "participant.transfer": _("transfer participants to another hospital"),
    "identity.review": _("review who may be the same person"),
    "consent.record": _("record and correct consents"),
    "consent_form.manage": _("keep the consent forms of the hospitals"),
    "contact.view": _("see contact details"),
    "contact.edit": _("change contact details"),
    "contact.erase": _("erase contact details"),
    "contact.rotate": _("wrap the keys of contact details anew"),
    "record.view": _("see the casebook"),
    "record.edit": _("enter and correct forms"),
    "limit.manage": _("enter limits of normal"),
    "eligibility.view": _("see verdicts of eligibility"),
    "eligibility.sign": _("sign eligibility"),
    "surgery.record": _("record surgery and treatment"),
    "randomize": _("randomize"),
    "end.record": _("record withdrawals and the end of participation"),
    "visit.view": _("see visits and the calendar"),
    "visit.manage": _("book and record visits"),
    "clinic.manage": _("set the clinic days of a hospital"),
    "holiday.manage": _("keep the official calendar"),
    "feed.own": _("make own calendar feeds"),
    "reminder.view": _("see messages"),
    "reminder.manage": _("send messages again or settle them by hand"),
    "site.view": _("see hospitals"),
    "site.manage": _("open, pause, cap and close hospitals"),
    "protocol.view": _("see the protocol"),
    "protocol.load": _("load versions of the protocol"),
    "activation.sign": _("sign a protocol version for a hospital"),
    "activation.sponsor": _("sign a protocol version for the sponsor"),
    "dashboard.view": _("see the dashboard"),
    "arm.see": _("see arms"),
    "sequence.manage": _("install and steer the randomization list"),
    "ledger.view": _("see the randomization ledger"),
    "ledger.attest": _("attest the randomization ledger"),
    "allocation.mark": _("mark allocations as made in error"),
    "audit.view": _("read the audit trail"),
    "seal.view": _("see the seals of the trail"),
    "data.export": _("export data"),
    "query.raise": _("raise and close queries"),
    "record.verify": _("verify source data"),
    "record.lock": _("lock data"),
    "casebook.sign": _("sign casebooks"),
    "user.manage": _("keep accounts and roles"),
    "roster.view": _("see access, training and the delegation log"),
    "training.record": _("record training"),
    "delegation.sign": _("sign delegations"),
    "access.review": _("review access"),
    "trail.review": _("record reviews of the trail"),
    "token.own": _("own tokens"),
    "outbox.send": _("send messages"),
    "schedule.plan": _("plan reminders and what runs by itself"),
}


def role_name(role: str) -> str:
    """The name of one role; a role that is no longer known keeps its code."""
    return str(ROLE_NAMES.get(role, role))


def role_names(roles: str) -> str:
    """The names of roles as the trail keeps them: codes parted by commas."""
    return ", ".join(role_name(role) for role in roles.split(",") if role)


def capability_name(capability: str) -> str:
    """What one capability permits; one that is no longer known keeps its code."""
    return str(CAPABILITY_NAMES.get(capability, capability))
