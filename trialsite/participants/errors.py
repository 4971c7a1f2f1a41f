"""What a participant's state forbids."""

from django.utils.translation import gettext_lazy as _

from trialsite.core.errors import Conflict, OutOfOrder


class StepNotPossible(OutOfOrder):
    """The status cannot change this way."""

    code = "status_not_reachable"
    message = _("{participant} is “{status}” and cannot become “{wanted}”.")


class RegistrationKeyReused(Conflict):
    """The key belongs to another registration: of another attempt, or of a person who was not screened before."""

    code = "registration_key_reused"
    message = _("This key belongs to another registration, {participant}. Send a new one.")


class RegistrationMoved(Conflict):
    """Whoever was registered with the key has moved to another hospital."""

    code = "registration_moved"
    message = _("Whoever was registered with this key has moved to another hospital. Send a new one.")


class FailureDiffers(Conflict):
    """The screening ended for another reason."""

    code = "failure_differs"
    message = _("The screening of {participant} has already ended, for another reason or with another note.")


class ConsentDiffers(Conflict):
    """A consent to this version is recorded with other times, or as obtained by somebody else."""

    code = "consent_differs"
    message = _("The consent of {participant} to version {version} is already recorded with other content.")


class ConsentMoved(Conflict):
    """Somebody else has corrected the consent meanwhile."""

    code = "consent_moved"
    message = _("Somebody else has corrected this consent meanwhile. Look at it again.")


class ContactErased(Conflict):
    """The contact details were erased for good."""

    code = "contact_erased"
    message = _("The contact details of {participant} were erased. They cannot be entered again.")


class ConsentFormDiffers(Conflict):
    """This version of the form is entered for the hospital with other content."""

    code = "consent_form_differs"
    message = _("Version {version} of the form is already entered for this hospital with other content.")


class WithdrawalDiffers(Conflict):
    """A withdrawal from the same thing is recorded with another date."""

    code = "withdrawal_differs"
    message = _("{participant} has already withdrawn from {level}, on {day}.")


class UseOfDataWithdrawn(OutOfOrder):
    """The participant has withdrawn the use of data: nothing more is captured. What is recorded is kept by law."""

    code = "use_of_data_withdrawn"
    message = _("{participant} has withdrawn the use of data on {day}. Nothing more is recorded.")


class TreatmentWithdrawn(OutOfOrder):
    """The participant has withdrawn from the trial's treatment."""

    code = "treatment_withdrawn"
    message = _("{participant} has withdrawn from treatment on {day}.")


class IdentityDiffers(Conflict):
    """Another person was entered for this participant."""

    code = "identity_differs"
    message = _(
        "Another person was entered for {participant}. Check the name, the date of birth and the digits; where those "
        "entered before were mistyped, say so as the reason of a correction."
    )


class IdentityKnown(Conflict):
    """Who it is was entered: that cannot be called not available."""

    code = "identity_known"
    message = _("Who {participant} is was entered already.")


class IdentityMissing(OutOfOrder):
    """Nobody has said who the participant is, or why that cannot be known."""

    code = "identity_missing"
    message = _(
        "First enter who {participant} is (identity check), or why that is not available: the same person must not be "
        "enrolled at two hospitals."
    )


class KnownHere(Conflict):
    """The person has been registered at this hospital before."""

    code = "known_here"
    message = _(
        "This person is known at this hospital as {codes}. After a screen failure, screen that participant anew."
    )


class AlreadyThere(Conflict):
    """The participant is at that hospital already."""

    code = "already_there"
    message = _("{participant} is already at {site}.")
