"""The steps of a participant as one table: pure, compared with docs/transitions.md by a test."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from trialsite.staff import capabilities


@dataclass(frozen=True)
class Step:
    """One step: who may take it (`capability`), from which statuses, and the status it leads to.

    `to` is None where the status stays as it is. Who takes a step that `tells_arm` learns the arm by it, so that
    seeing arms is asked for too.
    """

    code: str
    label: Promise
    capability: str
    before: tuple[str, ...]
    to: str | None
    tells_arm: bool = False

    def possible_from(self, status: str) -> bool:
        """Whether a participant in `status` can take this step."""
        return status in self.before


CONSENT: Final = Step(
    "consent", _("Record consent"), capabilities.CONSENT_RECORD, ("registered",), "consented"
)
RECONSENT: Final = Step(
    "reconsent",
    _("Record consent to an amended form"),
    capabilities.CONSENT_RECORD,
    ("consented", "eligible", "operated", "randomized"),
    None,
)
CORRECT_CONSENT: Final = Step(
    "correct_consent",
    _("Correct a consent"),
    capabilities.CONSENT_RECORD,
    (
        "consented",
        "eligible",
        "operated",
        "randomized",
        "completed",
        "screen_failed",
        "withdrawn",
        "dead",
    ),
    None,
)
PLAN_SURGERY: Final = Step(
    "plan_surgery", _("Plan the surgery"), capabilities.RECORD_EDIT, ("consented", "eligible"), None
)
SIGN: Final = Step(
    "sign_eligibility",
    _("Sign eligibility"),
    capabilities.ELIGIBILITY_SIGN,
    ("consented", "eligible", "operated"),
    "eligible",
)
FAIL: Final = Step(
    "fail_screening",
    _("Record screen failure"),
    capabilities.RECORD_EDIT,
    ("registered", "consented", "eligible"),
    "screen_failed",
)
OPERATE: Final = Step("operate", _("Record surgery"), capabilities.SURGERY_RECORD, ("eligible",), "operated")
RANDOMIZE: Final = Step("randomize", _("Randomize"), capabilities.RANDOMIZE, ("operated",), "randomized")
FORGO: Final = Step(
    "forgo_randomization",
    _("Record that randomization will not take place"),
    capabilities.END_RECORD,
    ("operated",),
    None,
)
RESUME: Final = Step(
    "resume_randomization",
    _("Take back that randomization will not take place"),
    capabilities.END_RECORD,
    ("operated",),
    None,
)
CORRECT_SURGERY: Final = Step(
    "correct_surgery",
    _("Correct the surgery"),
    capabilities.SURGERY_RECORD,
    ("operated", "randomized", "completed", "withdrawn", "dead"),
    None,
)
START_TREATMENT: Final = Step(
    "start_treatment",
    _("Record start of treatment after randomization"),
    capabilities.SURGERY_RECORD,
    ("randomized",),
    None,
    tells_arm=True,
)
CORRECT_START: Final = Step(
    "correct_start_of_treatment",
    _("Correct the start of treatment after randomization"),
    capabilities.SURGERY_RECORD,
    ("randomized", "completed", "withdrawn", "dead"),
    None,
    tells_arm=True,
)
END_TREATMENT: Final = Step(
    "end_treatment",
    _("Record end of treatment after randomization"),
    capabilities.SURGERY_RECORD,
    ("randomized", "completed"),
    None,
    tells_arm=True,
)
CORRECT_END: Final = Step(
    "correct_end_of_treatment",
    _("Correct the end of treatment after randomization"),
    capabilities.SURGERY_RECORD,
    ("randomized", "completed", "withdrawn", "dead"),
    None,
    tells_arm=True,
)
# Whoever was operated and not randomized completes the safety follow-up.
COMPLETE: Final = Step(
    "complete", _("Record completion"), capabilities.END_RECORD, ("operated", "randomized"), "completed"
)
WITHDRAW: Final = Step(
    "withdraw",
    _("Record withdrawal"),
    capabilities.END_RECORD,
    ("registered", "consented", "eligible", "operated", "randomized"),
    "withdrawn",
)
# What leaves the status: from treatment alone, and from whatever is left after the visits have ended. Of someone whose
# screening failed that is the use of data.
WITHDRAW_FURTHER: Final = Step(
    "withdraw_further",
    _("Record withdrawal"),
    capabilities.END_RECORD,
    ("consented", "eligible", "operated", "randomized", "completed", "screen_failed", "withdrawn"),
    None,
)
DIE: Final = Step(
    "record_death",
    _("Record death"),
    capabilities.END_RECORD,
    ("registered", "consented", "eligible", "operated", "randomized", "completed", "withdrawn"),
    "dead",
)
CORRECT_DEATH: Final = Step("correct_death", _("Correct the death"), capabilities.END_RECORD, ("dead",), None)

STEPS: Final[Sequence[Step]] = (
    CONSENT,
    RECONSENT,
    CORRECT_CONSENT,
    PLAN_SURGERY,
    SIGN,
    FAIL,
    OPERATE,
    RANDOMIZE,
    FORGO,
    RESUME,
    CORRECT_SURGERY,
    START_TREATMENT,
    CORRECT_START,
    END_TREATMENT,
    CORRECT_END,
    COMPLETE,
    WITHDRAW,
    WITHDRAW_FURTHER,
    DIE,
    CORRECT_DEATH,
)


def worded(reason: str) -> str:
    """A reason in the reader's words: where a step gave it, its label; what a person wrote as it is."""
    return next((str(step.label) for step in STEPS if step.code == reason), reason)


def next_step(
    status: str,
    *,
    signed: bool,
    settled: bool,
    forgone: bool = False,
    untreated: bool = False,
    late: bool = False,
) -> Step | None:
    """The one step that carries a participant on, or None where only follow-up visits remain.

    `signed` says whether a signature on eligibility stands; when it fell, signing again comes first.
    `settled` says that no visit is open any more, `forgone` that the randomization will not take place,
    `untreated` that the participant has withdrawn from treatment: neither surgery nor randomization follows then.
    `late` says that the days on which one could be randomized are over: all that is left is to record that.
    """
    if status == "registered":
        return CONSENT
    if status in ("operated", "randomized") and settled:
        return COMPLETE
    if (status == "operated" and forgone) or (untreated and status in ("consented", "eligible", "operated")):
        return None
    if status == "operated" and late:
        return FORGO
    if status in ("consented", "eligible", "operated") and not signed:
        return SIGN
    return {"eligible": OPERATE, "operated": RANDOMIZE}.get(status)
