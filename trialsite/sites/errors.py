"""What a hospital's state forbids."""

from django.utils.translation import gettext_lazy as _

from trialsite.core.errors import Conflict, OutOfOrder


class SiteNotActive(OutOfOrder):
    """The hospital is not open for new participants."""

    code = "site_not_active"
    message = _("{site} is not active at present; no participant can be added or randomized there.")


class StateNotReachable(OutOfOrder):
    """The hospital's state cannot change this way."""

    code = "site_state_not_reachable"
    message = _("A hospital that is {state} cannot become {wanted}.")


class NotApproved(OutOfOrder):
    """No protocol version is activated at the hospital."""

    code = "no_activated_version"
    message = _(
        "No protocol version is activated at {site}: two signatures and the ethics approval come first."
    )


class AlreadyActivated(Conflict):
    """The version is in use at the hospital already."""

    code = "already_activated"
    message = _("Version {version} is activated at {site} already.")


class SecondPersonNeeded(Conflict):
    """The same person, or the same side, would sign twice."""

    code = "second_person_needed"
    message = _("You, or someone else of your side, has signed already; the other side signs next.")


class ApprovalDiffers(Conflict):
    """The second signer names another ethics approval than the first."""

    code = "approval_differs"
    message = _("The first signature is under another approval: {reference} of {on}.")


class NothingToCancel(OutOfOrder):
    """Only an activation that waits for its second signature can be cancelled."""

    code = "nothing_to_cancel"
    message = _("Only an activation that still lacks a signature can be cancelled.")
