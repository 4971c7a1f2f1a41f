"""What a hospital's state forbids."""

from django.utils.translation import gettext_lazy as _

from trialsite.core.errors import OutOfOrder


class SiteNotActive(OutOfOrder):
    """The hospital is not open for new participants."""

    code = "site_not_active"
    message = _("{site} is not active at present; no participant can be added or randomized there.")


class StateNotReachable(OutOfOrder):
    """The hospital's state cannot change this way."""

    code = "site_state_not_reachable"
    message = _("A hospital that is {state} cannot become {wanted}.")
