"""What keeps a participant from being signed in or randomized."""

from django.utils.translation import gettext_lazy as _

from trialsite.core.errors import Conflict, OutOfOrder


class NotEligible(Conflict):
    """At least one criterion keeps the participant out. There is no waiver."""

    code = "not_eligible"
    message = _("Not eligible. These criteria are not satisfied: {criteria}.")


class Undecided(Conflict):
    """At least one criterion cannot be decided from what is recorded."""

    code = "eligibility_undecided"
    message = _("Eligibility cannot be decided yet. Still unknown: {criteria}.")


class NotSigned(OutOfOrder):
    """No signed verdict stands: it was never given, or an input changed since."""

    code = "eligibility_not_signed"
    message = _(
        "No investigator's signature on eligibility stands for {participant}. It must be signed (again)."
    )
