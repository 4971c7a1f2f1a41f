"""Why a step is refused."""

from django.utils.translation import gettext_lazy as _

from trialsite.core.errors import Conflict, Invalid, OutOfOrder


class StepRefused(OutOfOrder):
    """The participant's status does not permit this step."""

    code = "step_refused"
    message = _("{participant} is “{status}”; this step is not possible now: {step}.")


class AlreadyRandomized(Conflict):
    """An envelope is to be entered for a participant who has an allocation. It stands."""

    code = "already_randomized"
    message = _("{participant} has already been randomized. The allocation stands.")


class BeforeConsent(Invalid):
    """A study-specific procedure is dated before the consent."""

    code = "before_consent"
    message = _("The date lies before the consent of {consent}.")


class OutsideRandomizationWindow(OutOfOrder):
    """Randomization must fall between surgery and the treatment that follows, on the days that the protocol gives."""

    code = "outside_randomization_window"
    message = _("Randomization is possible from {opens} to {closes}; today is {today}.")


class RandomizationForgone(OutOfOrder):
    """It was recorded that the randomization will not take place."""

    code = "randomization_forgone"
    message = _("It is recorded that {participant} will not be randomized.")


class NotSignedAtSurgery(OutOfOrder):
    """The signed verdict must stand at surgery: none had been signed, or it had fallen."""

    code = "not_signed_at_surgery"
    message = _(
        "No investigator's signature on eligibility stood for {participant} on the day of surgery, {day}: whoever is"
        " operated so cannot be randomized."
    )


class RecheckTooOld(OutOfOrder):
    """What is asked again was answered too long before the randomization, or after it."""

    code = "recheck_too_old"
    message = _("“{form}” is of {day}: at the randomization it may be at most {most} days old. Ask again.")


class RecheckNotByInvestigator(OutOfOrder):
    """What is asked again rests on an investigator's judgement, and no investigator answered it."""

    code = "recheck_not_by_investigator"
    message = _(
        "“{form}” holds an investigator's judgement: an investigator saves it anew, with a reason, after checking it."
    )


class RecheckMissing(OutOfOrder):
    """The questions that are asked again before randomization have not been answered."""

    code = "recheck_missing"
    message = _("Before randomization, fill in the form “{form}”.")


class MilestoneMissing(OutOfOrder):
    """What must come before has not been recorded, or is dated later."""

    code = "milestone_missing"
    message = _(
        "Before {visit}, {earlier} must have begun: record a complete form of it, dated {day} or earlier."
    )


class TreatmentNotStarted(OutOfOrder):
    """What has not begun cannot end."""

    code = "treatment_not_started"
    message = _("The start of treatment of {participant} is not recorded.")


class NotInProtocol(OutOfOrder):
    """The participant's protocol version has no form for this step."""

    code = "not_in_protocol"
    message = _("The protocol version of this participant has no form for this step ({step}).")


class VisitsOpen(OutOfOrder):
    """Visits are still expected or booked."""

    code = "visits_open"
    message = _("Before completion, settle the visits {visits}.")


class TrialFull(OutOfOrder):
    """The trial's or the hospital's cap is reached."""

    code = "cap_reached"
    message = _("The planned number of participants is reached.")


class StratificationMissing(OutOfOrder):
    """A stratification value is not recorded, or falls into no level."""

    code = "stratification_missing"
    message = _("Stratification needs “{item}” ({event}): it is not recorded, or lies in no level.")


class StrataNotSigned(OutOfOrder):
    """The stratification values are not those under the signature on eligibility."""

    code = "strata_not_signed"
    message = _(
        "The stratification values of {participant} are not those that were signed with eligibility. It must be"
        " signed again."
    )


class OpenedInFuture(Invalid):
    """An envelope cannot have been opened in the future."""

    code = "opened_in_future"
    message = _("The envelope cannot have been opened after now.")


class OpenedBeforeSurgery(Invalid):
    """An envelope cannot have been opened before the surgery."""

    code = "opened_before_surgery"
    message = _("The envelope cannot have been opened before the surgery of {day}.")


class NoBreach(Conflict):
    """By what is recorded, the criterion was satisfied, or the participant was not operated."""

    code = "no_breach"
    message = _("What is recorded of {participant} shows no breach of {criterion}.")


class NotToBeRescreened(OutOfOrder):
    """Only the last attempt can be followed by another, and only after a screen failure."""

    code = "not_to_be_rescreened"
    message = _("{participant} cannot be screened anew: no screen failure, or a later attempt exists.")
