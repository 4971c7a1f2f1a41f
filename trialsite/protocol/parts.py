"""Which event and which form plays which part on a participant's path: pure. The code knows parts, the protocol codes.

A visit names its part as `role`, a form as `role` or, where it records a key fact, as `drives`; `casting` checks when
the protocol loads that every part is played.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from trialsite.protocol.forms import Document

if TYPE_CHECKING:
    from trialsite.protocol.definition import Criterion, Definition, Form, Visit

# First parts of references that enrollment gives and no form: they can be asked for at any event.
BUILT_IN_FORMS: Final = frozenset({"t0", "consent", "study"})
# Values of the setting `recheck_criteria`: the marked criteria are asked again at randomization, or nothing is.
RECHECK_SETTING: Final = "recheck_criteria"
RECHECKS: Final = ("marked", "none")
# How many days old the answers may be at the randomization; without the setting, any number.
RECHECK_DAYS: Final = "recheck_valid_days"
# Settings that steps read by these names, beside those that rules and parts of the protocol name.
# Whether it must be said who a participant is before eligibility is signed.
IDENTITY_SETTING: Final = "identity_before_signing"
READ_SETTINGS: Final = frozenset(
    {
        RECHECK_DAYS,
        RECHECK_SETTING,
        "digest_at",
        "family_consent_required",
        "follow_not_randomized",
        IDENTITY_SETTING,
        "query_days",
        "query_manager_days",
        "query_pi_days",
        "sae_complete_days",
        "sae_manager_hours",
        "sae_onward_days",
        "sae_onward_for",
        "sae_onward_grave_days",
        "sae_pi_hours",
        "sae_report_hours",
        "sae_warn_hours",
        "sae_warn_onward_hours",
        "undelegated_consent",
    }
)


class Unplayed(KeyError):
    """No form or event of this protocol plays the part."""


@dataclass(frozen=True)
class Place:
    """Where a form is recorded."""

    event: str
    form: str


@dataclass(frozen=True)
class LocalTreatment:
    """Local treatment in fractions: the form of each, the item of the starting form with how many are planned, and the
    setting with the days from the first within which the last is given.
    """

    fraction: str
    item: str
    days: str


@dataclass(frozen=True)
class LostToFollowUp:
    """The item whose answer tells that nobody reaches a participant any more, and the codes that do so."""

    form: str
    item: str
    codes: frozenset[str]


@dataclass(frozen=True)
class PainResponse:
    """How the response of pain is computed: where pain and opioids stand, the baselines (name → event), the events.

    Which score of pain it reads, and which baseline the endpoint refers to, are settings. `points` and `percent` name
    the settings with the thresholds.
    """

    pain_form: str
    pain_item: str
    opioid_form: str
    baselines: Mapping[str, str]
    events: tuple[str, ...]
    points: str
    percent: str
    reference: str

    @classmethod
    def of(cls, document: Document, settings: Document) -> "PainResponse":
        return cls(
            document["pain"],
            settings[document["scale"]]["value"],
            document["opioids"],
            document["baselines"],
            tuple(document["events"]),
            document["points"],
            document["percent"],
            settings[document["reference"]]["value"],
        )


class Parts:
    """The parts of one definition."""

    def __init__(self, definition: "Definition") -> None:
        self._definition = definition

    @cached_property
    def screening(self) -> tuple[str, ...]:
        """The events whose values decide on eligibility."""
        return tuple(visit.code for visit in self._definition.visits if visit.role == "screening")

    @cached_property
    def randomization(self) -> "Visit":
        """The visit at which a participant is randomized, and at which criteria are asked again."""
        return self._visit("randomization")

    @cached_property
    def unscheduled(self) -> "Visit":
        """The visit outside the schedule."""
        return self._visit("unscheduled")

    def driving(self, drives: str) -> Place:
        """Where the key fact `drives` is recorded; raises Unplayed where this protocol does not know it."""
        return self._place(drives, [form for form in self._definition.forms if form.drives == drives])

    def playing(self, role: str) -> Place:
        """Where the form with this role is recorded; raises Unplayed."""
        return self._place(role, [form for form in self._definition.forms if form.role == role])

    def collecting(self, form: str) -> Place:
        """Where the form `form` is recorded first; raises Unplayed."""
        return self._place(form, [one for one in self._definition.forms if one.code == form])

    @property
    def treatment(self) -> LocalTreatment | None:
        """The local treatment in fractions, where the protocol has one."""
        return self._definition.local_treatment

    @cached_property
    def first_asked(self) -> tuple["Criterion", ...]:
        """The criteria judged before surgery: all whose forms screening collects, marked or not."""
        return tuple(one for one in self._definition.criteria if self._collected(one, self.screening))

    @cached_property
    def asked_again(self) -> tuple["Criterion", ...]:
        """The criteria judged at the randomization: the marked ones, unless the setting says that none is."""
        if self._definition.settings.get(RECHECK_SETTING, "marked") == "none":
            return ()
        return tuple(one for one in self._definition.criteria if one.recheck_at_randomization)

    @cached_property
    def recheck(self) -> tuple["Form", ...]:
        """The forms that answer what is asked again."""
        read = {form for one in self.asked_again for form in self._read(one)}
        return tuple(form for form in self._definition.forms if form.code in read)

    @cached_property
    def judged_again(self) -> frozenset[str]:
        """The codes of those forms that an investigator completes: criteria that are attested rest on them."""
        attested = (one for one in self.asked_again if one.basis != "computed")
        return frozenset(form for one in attested for form in self._read(one))

    def _collected(self, criterion: "Criterion", events: tuple[str, ...]) -> bool:
        collected = {form for event in events for form in self._definition.visit(event).forms}
        return self._read(criterion) <= collected

    def _read(self, criterion: "Criterion") -> set[str]:
        named = {name.partition(".")[0] for name in self._definition.rule(criterion.rule).references}
        return named - BUILT_IN_FORMS

    def _visit(self, role: str) -> "Visit":
        found = next((visit for visit in self._definition.visits if visit.role == role), None)
        if found is None:
            raise Unplayed(role)
        return found

    def _place(self, part: str, forms: "list[Form]") -> Place:
        for form in forms:
            for visit in self._definition.visits:
                if form.code in visit.forms:
                    return Place(visit.code, form.code)
        raise Unplayed(part)
