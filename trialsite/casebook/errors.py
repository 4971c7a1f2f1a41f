"""Why a record is not saved."""

from django.utils.translation import gettext_lazy as _

from trialsite.core.errors import Conflict, Invalid, NotFound, OutOfOrder


class ValuesRefused(Invalid):
    """Items with wrong values; `fields` names each. Nothing was saved."""

    code = "values_refused"
    message = _("Some entries cannot be accepted. Nothing was saved.")


class NoSuchForm(NotFound):
    """The participant's protocol version has no such form at this event."""

    code = "no_such_form"
    message = _("There is no form “{form}” at “{event}”.")


class NoSuchNumber(NotFound):
    """The form does not repeat there, or not so often."""

    code = "no_such_number"
    message = _("“{form}” at “{event}” has no record of this number.")


class DrivenForm(OutOfOrder):
    """A form that records a key fact is saved by its own step only."""

    code = "driven_form"
    message = _("“{form}” is saved by its own step.")


class VersionConflict(Conflict):
    """Someone else saved in between."""

    code = "version_conflict"
    message = _(
        "This form was saved by someone else meanwhile (version {present}, you saw {expected}). Look again."
    )


class FormAmended(Conflict):
    """The form asks other questions in the version that the participant is bound to now."""

    code = "form_amended"
    message = _(
        "“{form}” was filled in under version {version} and asks other questions now. Bring the record over first."
    )


class ReasonNeeded(Invalid):
    """A complete record changes only with a reason."""

    code = "reason_needed"
    message = _("Give a reason for changing a complete form.")


class AwarenessStands(ReasonNeeded):
    """When a hospital became aware of a serious event is taken back with a reason only: the periods run from it."""

    message = _(
        "The periods of the report run from the time at which the hospital became aware. Taking it back needs a reason."
    )


class NotYetConsented(OutOfOrder):
    """Nothing is recorded before consent."""

    code = "not_consented"
    message = _("Record the consent of {participant} first.")


class LimitTaken(Conflict):
    """Another limit stands for this item from the same day on."""

    code = "limit_taken"
    message = _("{item} has another limit from {day} on. Withdraw it first, if it is wrong.")


class RecordedBeforeConsent(Invalid):
    """A procedure of the trial, or a result that is not of routine care, is dated before the consent."""

    code = "before_consent"
    message = _("The date lies before the consent of {day}.")


class NoSuchItem(NotFound):
    """The form has no such item."""

    code = "no_such_item"
    message = _("There is no item “{item}” on “{form}”.")


class TextNeeded(Invalid):
    """Words are needed, or a reason."""

    code = "text_needed"
    message = _("Some words are needed here.")


class QueryNotOpen(OutOfOrder):
    """The query is not in a state that this step can follow."""

    code = "query_not_open"
    message = _("The query is “{state}”; this step is not possible.")


class NotYetComplete(OutOfOrder):
    """A draft cannot be verified."""

    code = "not_yet_complete"
    message = _("The form is still a draft.")


class Locked(OutOfOrder):
    """A freeze or lock bears on the entry."""

    code = "locked"
    message = _("{reach}: {kind} ({reason}). It must be lifted first.")


class LockStands(Conflict):
    """What is locked cannot be frozen."""

    code = "lock_stands"
    message = _("{reach}: a lock stands ({reason}). What is locked need not be frozen.")


class StaysComplete(OutOfOrder):
    """A complete record would become a draft, and change without a reason from then on."""

    code = "stays_complete"
    message = _("“{form}” is complete and does not become a draft again: correct it, with the reason.")


class AskedAlready(Conflict):
    """A closed query cannot be asked again while another one asks the same."""

    code = "asked_already"
    message = _("The same is asked by query {number}, which is still open.")


class AlreadyLifted(OutOfOrder):
    """Nobody can lift it twice."""

    code = "already_lifted"
    message = _("This has been lifted already.")


class NotAllComplete(OutOfOrder):
    """A casebook is signed when nothing waits any more."""

    code = "casebook_not_complete"
    message = _("Not everything is complete yet: {waiting}.")


class NotClean(OutOfOrder):
    """The database is locked for good when no draft and no query waits any more; it can be frozen before."""

    code = "database_not_clean"
    message = _("The database is not clean yet: {drafts} drafts and {queries} open queries wait.")


class RecordedAfterKeyFact(Invalid):
    """What must come before a key fact of the trial is dated after it."""

    code = "after_key_fact"
    message = _("The date lies after what must follow it, of {day}.")
