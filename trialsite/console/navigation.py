"""The side bar and the badge of the environment."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse_lazy
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trialsite.staff import capabilities
from trialsite.staff.access import has, has_everywhere


def environment(request: HttpRequest) -> list[Any]:
    """Text and colour of the badge beside the user's menu."""
    if settings.TRIALSITE_ENV == "prod":
        return []
    return [_("Demo") if settings.TRIALSITE_ENV == "demo" else _("Training"), "warning"]


def _link(
    title: Promise, icon: str, name: str, capability: str, *, trial_wide: bool = False
) -> dict[str, Any]:
    held = has_everywhere if trial_wide else has
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(name),
        "permission": lambda request: held(request.user, capability),
    }


def own(request: HttpRequest) -> list[dict[str, Any]]:
    """The links in the menu of the person who is signed in."""
    return [
        {"title": gettext_lazy("My account"), "link": reverse_lazy("account")},
        {"title": gettext_lazy("Tokens for programs"), "link": reverse_lazy("tokens")},
    ]


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The links that this person may follow."""
    work = [
        _link(gettext_lazy("Dashboard"), "monitoring", "admin:index", capabilities.DASHBOARD_VIEW),
        _link(gettext_lazy("Worklist"), "checklist", "worklist", capabilities.VISIT_VIEW),
        _link(gettext_lazy("Calendar"), "calendar_month", "calendar", capabilities.VISIT_VIEW),
        _link(
            gettext_lazy("Participants"),
            "groups",
            "admin:participants_participant_changelist",
            capabilities.PARTICIPANT_VIEW,
        ),
        _link(
            gettext_lazy("Register a participant"),
            "person_add",
            "register",
            capabilities.PARTICIPANT_REGISTER,
        ),
        _link(gettext_lazy("Screening log"), "list_alt", "screening-log", capabilities.PARTICIPANT_VIEW),
        _link(gettext_lazy("Find a participant"), "person_search", "search", capabilities.CONTACT_VIEW),
        _link(gettext_lazy("Visits"), "event", "admin:visits_visit_changelist", capabilities.VISIT_VIEW),
        _link(gettext_lazy("Serious adverse events"), "emergency", "safety", capabilities.RECORD_VIEW),
        _link(gettext_lazy("Data quality"), "query_stats", "data-quality", capabilities.RECORD_VIEW),
        _link(gettext_lazy("Imports"), "upload_file", "imports", capabilities.RECORD_EDIT),
        _link(gettext_lazy("Queries"), "help", "admin:casebook_query_changelist", capabilities.RECORD_VIEW),
        _link(
            gettext_lazy("Messages"),
            "outgoing_mail",
            "admin:outbox_message_changelist",
            capabilities.REMINDER_VIEW,
        ),
    ]
    work.append(
        _link(gettext_lazy("My messages"), "notifications", "my-messages", capabilities.TOKEN_OWN),
    )
    if settings.TRIALSITE_ENV != "prod":
        work.append(_link(gettext_lazy("Mail (demo)"), "mail", "mail", capabilities.REMINDER_VIEW))
    control = [
        _link(
            gettext_lazy("Hospitals"), "local_hospital", "admin:sites_site_changelist", capabilities.SITE_VIEW
        ),
        _link(
            gettext_lazy("Official calendar"),
            "event_available",
            "admin:visits_holiday_changelist",
            capabilities.HOLIDAY_MANAGE,
            trial_wide=True,
        ),
        _link(gettext_lazy("Amendment"), "difference", "amendment", capabilities.PROTOCOL_VIEW),
        _link(gettext_lazy("Consent forms"), "contract_edit", "consent-forms", capabilities.PROTOCOL_VIEW),
        _link(
            gettext_lazy("Protocol"),
            "description",
            "admin:protocol_protocolversion_changelist",
            capabilities.PROTOCOL_VIEW,
        ),
        _link(
            gettext_lazy("Protocol at the hospitals"), "approval", "activations", capabilities.PROTOCOL_VIEW
        ),
        _link(
            gettext_lazy("Limits of normal"),
            "biotech",
            "admin:casebook_normallimit_changelist",
            capabilities.RECORD_VIEW,
        ),
        _link(gettext_lazy("Enter a limit of normal"), "add_chart", "limit-enter", capabilities.LIMIT_MANAGE),
        _link(
            gettext_lazy("Randomization"),
            "shuffle",
            "randomization",
            capabilities.LEDGER_VIEW,
        ),
        _link(
            gettext_lazy("Signatures"),
            "signature",
            "admin:staff_signature_changelist",
            capabilities.RECORD_VIEW,
        ),
        _link(
            gettext_lazy("Database lock"),
            "lock_clock",
            "database-lock",
            capabilities.RECORD_LOCK,
            trial_wide=True,
        ),
        _link(gettext_lazy("Blank forms"), "print", "blank-forms", capabilities.PROTOCOL_VIEW),
        _link(gettext_lazy("Exports"), "download", "exports", capabilities.DATA_EXPORT),
        _link(gettext_lazy("Same person"), "group_remove", "same-person", capabilities.IDENTITY_REVIEW),
        _link(gettext_lazy("Audit trail"), "history", "trail", capabilities.AUDIT_VIEW),
        _link(gettext_lazy("Seals"), "lock", "admin:audit_seal_changelist", capabilities.SEAL_VIEW),
        _link(gettext_lazy("Access"), "key", "access", capabilities.ROSTER_VIEW),
        _link(gettext_lazy("Delegation and training"), "assignment_ind", "roster", capabilities.ROSTER_VIEW),
        _link(gettext_lazy("Users"), "person", "admin:staff_user_changelist", capabilities.USER_MANAGE),
        _link(gettext_lazy("Roles"), "badge", "admin:staff_membership_changelist", capabilities.USER_MANAGE),
        _link(gettext_lazy("Server"), "dns", "system", capabilities.USER_MANAGE),
    ]
    return [
        {"title": gettext_lazy("Work"), "items": work},
        {"title": gettext_lazy("Trial"), "separator": True, "items": control},
    ]
