"""Why an allocation is refused."""

from django.utils.translation import gettext_lazy as _

from trialsite.core.errors import Conflict, Invalid, OutOfOrder, Unavailable


class NoList(Unavailable):
    """No sealed list is installed, or not for this stratum."""

    code = "no_list"
    message = _("No randomization list is installed for this hospital.")


class RandomizationPaused(Unavailable):
    """Randomization is paused or closed for the trial or the stratum."""

    code = "randomization_paused"
    message = _("Randomization is paused or closed at present.")


class CapReached(OutOfOrder):
    """The trial's or the hospital's cap, or the list's end."""

    code = "cap_reached"
    message = _("The planned number of participants is reached.")


class KeyReused(Conflict):
    """The idempotency key stands for another participant."""

    code = "idempotency_key_reused"
    message = _("This request's key was used for another participant.")


class StrataChanged(Conflict):
    """The participant was randomized under other stratification values."""

    code = "strata_changed"
    message = _("{participant} was randomized under other stratification values.")


class ListDamaged(Unavailable):
    """An entry does not open under the key, or does not fit the published root."""

    code = "list_damaged"
    message = _("The randomization list cannot be opened. Nothing was allocated; call the statistician.")


class BadList(Invalid):
    """A sealed list that must not be installed."""

    code = "bad_list"
    message = _("This list cannot be installed: {why}")
