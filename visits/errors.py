"""What the life of a visit forbids."""

from django.utils.translation import gettext_lazy as _

from trialsite.core.errors import Conflict, Invalid, OutOfOrder


class VisitSettled(OutOfOrder):
    """The visit was attended, missed or is no longer expected."""

    code = "visit_settled"
    message = _("{visit} is “{state}” and cannot change.")


class AnchorDiffers(Conflict):
    """The schedule was made from another date."""

    code = "anchor_differs"
    message = _("The visits of {participant} are already scheduled from {anchor}.")


class BadDate(Invalid):
    """A date that this action cannot have."""

    code = "bad_visit_date"
    message = _("This date is not possible.")


class ParticipantLeft(OutOfOrder):
    """The participant has died or withdrawn: what was open is settled, nothing new is arranged."""

    code = "participant_left"
    message = _("{participant} has left the trial; no appointment is made.")


class AppointmentMoved(Conflict):
    """Somebody else has booked or moved it since it was looked at."""

    code = "appointment_moved"
    message = _("Somebody else has meanwhile changed this appointment. Look at it again.")


class RandomizedByStep(OutOfOrder):
    """The visit of the randomization takes place by allocating, and otherwise not."""

    code = "randomized_by_step"
    message = _(
        "{visit} is settled by its step: by randomizing, or by recording that it will not take place."
    )


class CorrectedByForm(OutOfOrder):
    """The date of this visit is that of a form which a step records."""

    code = "corrected_by_form"
    message = _("The date of {visit} is corrected by correcting its form.")


class TooEarly(OutOfOrder):
    """What it must follow has not happened."""

    code = "visit_out_of_order"
    message = _("{visit} cannot have taken place before {earlier}.")
