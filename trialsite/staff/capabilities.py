"""The one permission file: which role may do what. Deny is the default; a name not listed does not exist.

The same table is copied into the database by `prepare_database`, where the row policies read it.
"""

from typing import Final

PARTICIPANT_VIEW: Final = "participant.view"
PARTICIPANT_REGISTER: Final = "participant.register"
PARTICIPANT_TRANSFER: Final = "participant.transfer"
IDENTITY_REVIEW: Final = "identity.review"
CONSENT_RECORD: Final = "consent.record"
CONSENT_FORM_MANAGE: Final = "consent_form.manage"
CONTACT_VIEW: Final = "contact.view"
CONTACT_EDIT: Final = "contact.edit"
CONTACT_ERASE: Final = "contact.erase"
CONTACT_ROTATE: Final = "contact.rotate"
RECORD_VIEW: Final = "record.view"
RECORD_EDIT: Final = "record.edit"
LIMIT_MANAGE: Final = "limit.manage"
ELIGIBILITY_VIEW: Final = "eligibility.view"
ELIGIBILITY_SIGN: Final = "eligibility.sign"
SURGERY_RECORD: Final = "surgery.record"
RANDOMIZE: Final = "randomize"
END_RECORD: Final = "end.record"
VISIT_VIEW: Final = "visit.view"
VISIT_MANAGE: Final = "visit.manage"
CLINIC_MANAGE: Final = "clinic.manage"
HOLIDAY_MANAGE: Final = "holiday.manage"
FEED_OWN: Final = "feed.own"
REMINDER_VIEW: Final = "reminder.view"
REMINDER_MANAGE: Final = "reminder.manage"
SITE_VIEW: Final = "site.view"
SITE_MANAGE: Final = "site.manage"
PROTOCOL_VIEW: Final = "protocol.view"
PROTOCOL_LOAD: Final = "protocol.load"
ACTIVATION_SIGN: Final = "activation.sign"
# Whoever holds this too signs an activation for the sponsor, everybody else for the hospital.
ACTIVATION_SPONSOR: Final = "activation.sponsor"
DASHBOARD_VIEW: Final = "dashboard.view"
ARM_SEE: Final = "arm.see"
SEQUENCE_MANAGE: Final = "sequence.manage"
LEDGER_VIEW: Final = "ledger.view"
LEDGER_ATTEST: Final = "ledger.attest"
ALLOCATION_MARK: Final = "allocation.mark"
AUDIT_VIEW: Final = "audit.view"
# Seals count the events of everybody: not for those who may not see arms.
SEAL_VIEW: Final = "seal.view"
DATA_EXPORT: Final = "data.export"
QUERY_RAISE: Final = "query.raise"
RECORD_VERIFY: Final = "record.verify"
RECORD_LOCK: Final = "record.lock"
CASEBOOK_SIGN: Final = "casebook.sign"
USER_MANAGE: Final = "user.manage"
ROSTER_VIEW: Final = "roster.view"
TRAINING_RECORD: Final = "training.record"
DELEGATION_SIGN: Final = "delegation.sign"
ACCESS_REVIEW: Final = "access.review"
TRAIL_REVIEW: Final = "trail.review"
TOKEN_OWN: Final = "token.own"
OUTBOX_SEND: Final = "outbox.send"
SCHEDULE_PLAN: Final = "schedule.plan"
# Declared by views that anyone, signed in or not, may reach (health, sign-in, API description).
PUBLIC: Final = "public"
# Declared by commands and tasks that act for no account: run by whoever administers the machine, who holds its keys.
HOST: Final = "host"
# Declared by pages of one's own account: whoever has signed in at the door, with whatever role.
SIGNED_IN: Final = "signed_in"

ROLES: Final = (
    "coordinator",
    "investigator",
    "pi",
    "assessor",
    "monitor",
    "data_manager",
    "statistician",
    "trial_manager",
    "auditor",
    "administrator",
    "machine",
    "system",
)

_READ = frozenset(
    {
        PARTICIPANT_VIEW,
        RECORD_VIEW,
        ELIGIBILITY_VIEW,
        VISIT_VIEW,
        SITE_VIEW,
        PROTOCOL_VIEW,
        DASHBOARD_VIEW,
        TOKEN_OWN,
        FEED_OWN,
    }
)
_CARE = _READ | {
    PARTICIPANT_REGISTER,
    CONSENT_RECORD,
    CONTACT_VIEW,
    CONTACT_EDIT,
    RECORD_EDIT,
    LIMIT_MANAGE,
    SURGERY_RECORD,
    RANDOMIZE,
    END_RECORD,
    VISIT_MANAGE,
    REMINDER_VIEW,
    REMINDER_MANAGE,
    ARM_SEE,
}

CAPABILITIES: Final[dict[str, frozenset[str]]] = {
    "coordinator": _CARE | {ROSTER_VIEW, TRAINING_RECORD},
    # Keeps the participants' casebooks with their trail, and so reads it (ICH E6(R3) 2.12).
    "investigator": _CARE | {CASEBOOK_SIGN, ELIGIBILITY_SIGN, ROSTER_VIEW, AUDIT_VIEW},
    "pi": _CARE
    | {
        CASEBOOK_SIGN,
        ELIGIBILITY_SIGN,
        ACTIVATION_SIGN,
        AUDIT_VIEW,
        SEAL_VIEW,
        CONTACT_ERASE,
        CLINIC_MANAGE,
        LEDGER_ATTEST,
        ALLOCATION_MARK,
        ROSTER_VIEW,
        TRAINING_RECORD,
        DELEGATION_SIGN,
        ACCESS_REVIEW,
        TRAIL_REVIEW,
        DATA_EXPORT,
    },
    # An outcome assessor judges pain without knowing the arm; the trail that they read is without it too.
    "assessor": _READ | {RECORD_EDIT, AUDIT_VIEW},
    "monitor": _READ
    | {
        QUERY_RAISE,
        RECORD_VERIFY,
        DATA_EXPORT,
        ARM_SEE,
        REMINDER_VIEW,
        AUDIT_VIEW,
        SEAL_VIEW,
        ROSTER_VIEW,
        TRAIL_REVIEW,
    },
    "data_manager": _READ
    | {QUERY_RAISE, RECORD_LOCK, DATA_EXPORT, ARM_SEE, REMINDER_VIEW, AUDIT_VIEW, SEAL_VIEW, TRAIL_REVIEW},
    "statistician": _READ | {DATA_EXPORT, SEQUENCE_MANAGE, LEDGER_VIEW, LEDGER_ATTEST, ARM_SEE},
    "trial_manager": _READ
    | {
        QUERY_RAISE,
        RECORD_LOCK,
        DATA_EXPORT,
        REMINDER_VIEW,
        REMINDER_MANAGE,
        IDENTITY_REVIEW,
        PARTICIPANT_TRANSFER,
        CONSENT_FORM_MANAGE,
        SITE_MANAGE,
        CLINIC_MANAGE,
        HOLIDAY_MANAGE,
        PROTOCOL_LOAD,
        ACTIVATION_SIGN,
        ACTIVATION_SPONSOR,
        ARM_SEE,
        LEDGER_VIEW,
        LEDGER_ATTEST,
        ALLOCATION_MARK,
        AUDIT_VIEW,
        SEAL_VIEW,
        ROSTER_VIEW,
        TRAINING_RECORD,
        ACCESS_REVIEW,
        TRAIL_REVIEW,
    },
    "auditor": _READ | {DATA_EXPORT, ARM_SEE, LEDGER_VIEW, AUDIT_VIEW, SEAL_VIEW, REMINDER_VIEW, ROSTER_VIEW},
    # Keeps accounts; sees no clinical data.
    "administrator": frozenset(
        {USER_MANAGE, SITE_VIEW, TOKEN_OWN, HOLIDAY_MANAGE, ROSTER_VIEW, TRAINING_RECORD}
    ),
    # A hospital's program: enters and reads, but neither signs nor reads contact data.
    "machine": _READ
    | {
        PARTICIPANT_REGISTER,
        CONSENT_RECORD,
        RECORD_EDIT,
        SURGERY_RECORD,
        RANDOMIZE,
        END_RECORD,
        VISIT_MANAGE,
        REMINDER_VIEW,
        ARM_SEE,
    },
    # Named system users: the loader, the planner of reminders, the sender. When something began the trail tells.
    "system": _READ
    | {
        AUDIT_VIEW,
        PROTOCOL_LOAD,
        CONSENT_FORM_MANAGE,
        SITE_MANAGE,
        HOLIDAY_MANAGE,
        SCHEDULE_PLAN,
        OUTBOX_SEND,
        CONTACT_VIEW,
        CONTACT_ROTATE,
        ARM_SEE,
        SEQUENCE_MANAGE,
        LEDGER_VIEW,
        REMINDER_VIEW,
        ROSTER_VIEW,
        USER_MANAGE,
    },
}

# Those that some role holds: what a token can be given.
GRANTED: Final = frozenset().union(*CAPABILITIES.values())
ALL: Final = GRANTED | {PUBLIC, HOST, SIGNED_IN}

# Roles that one person may not hold together where their hospitals overlap: whoever judges outcomes may not see arms.
# The database asks the same of every row of `staff_membership` (trigger `staff_membership_apart`).
INCOMPATIBLE: Final = frozenset(
    frozenset({"assessor", role}) for role, held in CAPABILITIES.items() if ARM_SEE in held
)


def clash(one: str, other: str) -> bool:
    """Whether the two roles may not be held by one person at one hospital."""
    return frozenset({one, other}) in INCOMPATIBLE
