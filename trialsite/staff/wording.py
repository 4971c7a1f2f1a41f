"""The names of roles in the reader's language."""

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


def role_name(role: str) -> str:
    """The name of one role; a role that is no longer known keeps its code."""
    return str(ROLE_NAMES.get(role, role))


def role_names(roles: str) -> str:
    """The names of roles as the trail keeps them: codes parted by commas."""
    return ", ".join(role_name(role) for role in roles.split(",") if role)
