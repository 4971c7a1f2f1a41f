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


class LedgerBroken(Unavailable):
    """The database seems to have been restored from a backup; two people must attest the last mailed head."""

    code = "ledger_unattested"
    message = _(
        "Randomization rests: {why}. It goes on when two people have entered the last mailed position and head."
    )


class OtherEnvironment(Unavailable):
    """The list was made for another environment than this server's: such lists never meet."""

    code = "other_environment"
    message = _("The installed list belongs to the environment “{environment}”, not to this server's.")


class WitnessMissing(Unavailable):
    """The witness of the ledger cannot be begun: nothing was stored."""

    code = "witness_missing"
    message = _(
        "The witness of the ledger cannot be written ({why}). Nothing was stored; mend WITNESS_FILE first."
    )


class Busy(Unavailable):
    """The lock was not free in time. Nothing was allocated."""

    code = "busy"
    message = _("Others are being randomized at this moment. Nothing was allocated; try again.")
    retry_after = 2


class NothingToAttest(OutOfOrder):
    """The ledger goes on; nobody's word is needed."""

    code = "nothing_to_attest"
    message = _("The ledger is unbroken; there is nothing to attest.")


class LedgerBehind(Conflict):
    """The witness knows later allocations than the database: nobody's word makes good what the database lacks."""

    code = "ledger_behind"
    message = _(
        "The witness knows later allocations than the database: a newer backup must be restored. Where there is none,"
        " keep randomization paused and call the statistician."
    )


class HeadDiffers(Conflict):
    """What was entered is not where the database's ledger stands."""

    code = "head_differs"
    message = _(
        "This is not where the ledger in the database stands. If it is what the last mail says, the database lacks"
        " allocations: do not go on, restore a newer backup, call the statistician."
    )


class StateNotReachable(OutOfOrder):
    """The state cannot change this way."""

    code = "randomization_state_not_reachable"
    message = _("What is {state} cannot become {wanted}.")


class BadCap(Invalid):
    """A cap above the list or the protocol's cap."""

    code = "bad_cap"


class StrataDiffer(Conflict):
    """The stratification values that were confirmed are not those on record."""

    code = "strata_differ"
    message = _("The stratification values that were confirmed are not those on record now. Read them again.")


class NotAllocated(OutOfOrder):
    """There is no allocation to mark."""

    code = "not_allocated"
    message = _("{participant} has no allocation.")


class AlreadyMarked(Conflict):
    """The mark stands with other content."""

    code = "already_marked"
    message = _("{participant} is already marked as randomized in error; the mark cannot change.")


class BadList(Invalid):
    """A sealed list that must not be installed."""

    code = "bad_list"
    message = _("This list cannot be installed: {why}")


class NotRevealed(OutOfOrder):
    """The list stays shut until randomization is closed."""

    code = "not_revealed"
    message = _("The export holds the specification; it is given out once randomization is closed.")


class EnvelopeOutOfTurn(OutOfOrder):
    """Envelopes are entered in the order of their numbers."""

    code = "envelope_out_of_turn"
    message = _("The next envelope of this stratum is number {number}. Enter the envelopes in their order.")


class NoSuchEnvelope(OutOfOrder):
    """The stratum has no envelope left."""

    code = "no_such_envelope"
    message = _("No envelope of this stratum is left.")


class SecondPersonNeeded(Invalid):
    """The second signature is the first person's own."""

    code = "second_person_needed"
    message = _("Two different persons must sign.")


class EnvelopeDiffers(Conflict):
    """The envelope gives another check code or arm than entered; which of them is not told, let alone the arm."""

    code = "envelope_differs"
    message = _(
        "Envelope {number} does not hold this check code with this arm. Compare the paper; if it is right, call the"
        " statistician. The attempt was recorded and reported."
    )
