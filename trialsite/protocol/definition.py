"""The trial as typed values: what a protocol folder means once it has been read and validated.

Pure: no Django, no clock, no I/O. `Definition.from_document` builds it from the stored JSON; `reader` makes that JSON.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from trialsite.protocol.expression import Compiled, compiled
from trialsite.protocol.forms import Check, Choice, Document, Form, Item, ItemType, Range, Section, Text
from trialsite.protocol.offsets import Offset, Unit
from trialsite.protocol.parts import LocalTreatment, LostToFollowUp, PainResponse, Parts
from trialsite.protocol.safety import Safety

__all__ = [
    "Arm",
    "Check",
    "Choice",
    "Criterion",
    "Definition",
    "Form",
    "Item",
    "ItemType",
    "PainResponse",
    "Question",
    "Range",
    "ReminderRule",
    "Section",
    "SiteDef",
    "Text",
    "Unknown",
    "Visit",
    "offset_of",
]


@dataclass(frozen=True)
class Visit:
    """An event of the schedule: due `offset` from its anchor, open from `before` days earlier to `after` days later.

    `anchor` is `surgery`, `randomization`, `end_of_local_treatment` or `visit:<code>`. A visit before one
    that it `must_follow` is refused; before one that it `should_follow` it is a protocol deviation. `role` is its part
    on a participant's path: `screening`, `randomization`, `unscheduled`.
    """

    code: str
    name: Text
    kind: Literal["milestone", "series", "unscheduled"]
    anchor: str = "surgery"
    offset: Offset | None = None
    before: int = 0
    after: int = 0
    arms: tuple[str, ...] = ()
    reveals_arm: bool = False
    forms: tuple[str, ...] = ()
    must_follow: tuple[str, ...] = ()
    should_follow: tuple[str, ...] = ()
    role: str | None = None

    @classmethod
    def of(cls, document: Document, anchor: str = "surgery") -> "Visit":
        """`anchor` is the trial's, for visits that name none."""
        return cls(
            code=document["code"],
            name=Text.of(document["name"]),
            kind=document["kind"],
            anchor=document.get("anchor", anchor),
            offset=offset_of(document),
            before=document.get("before", 0),
            after=document.get("after", 0),
            arms=tuple(document.get("arms", ())),
            reveals_arm=document.get("reveals_arm", False),
            forms=tuple(document.get("forms", ())),
            must_follow=tuple(document.get("must_follow", ())),
            should_follow=tuple(document.get("should_follow", ())),
            role=document.get("role"),
        )


def offset_of(visit: Document) -> Offset | None:
    """The offset that a visit's document gives as `day`, `weeks` or `months`; None where it has no date."""
    units: tuple[tuple[str, Unit], ...] = (("day", "days"), ("weeks", "weeks"), ("months", "months"))
    return next((Offset(visit[key], unit) for key, unit in units if key in visit), None)


@dataclass(frozen=True)
class Criterion:
    """One criterion. `rule` is true when the criterion's sentence is true; an exclusion that is true excludes.

    `reading` says how we read what the registry leaves open, and `settings` names what changes that reading.
    """

    id: str
    kind: Literal["inclusion", "exclusion"]
    title: Text
    rule: str
    basis: Literal["computed", "attested", "mixed"]
    reading: Text | None = None
    settings: tuple[str, ...] = ()
    recheck_at_randomization: bool = False

    @classmethod
    def of(cls, document: Document) -> "Criterion":
        return cls(
            id=document["id"],
            kind=document["kind"],
            title=Text.of(document["title"]),
            rule=document["rule"],
            basis=document["basis"],
            reading=Text.of(document["reading"]) if "reading" in document else None,
            settings=tuple(document.get("settings", ())),
            recheck_at_randomization=document.get("recheck_at_randomization", False),
        )


@dataclass(frozen=True)
class ReminderRule:
    """Whom to tell, when (local time `at`, `offset_days` from the window's opening or close or the appointment).

    `audience` is a role of staff, or `participant`; `channel` is `email`, `sms`, or `preferred` (the participant's).
    `name` is what staff read in lists of messages.
    """

    kind: str
    audience: str
    relative_to: Literal["opens", "closes", "appointment"]
    offset_days: int
    at: str
    channel: str
    subject: Text
    body: Text
    name: Text | None = None

    @classmethod
    def of(cls, document: Document) -> "ReminderRule":
        plain = {
            name: document[name]
            for name in ("kind", "audience", "relative_to", "offset_days", "at", "channel")
        }
        return cls(
            **plain,
            subject=Text.of(document["subject"]),
            body=Text.of(document["body"]),
            name=Text.of(document["name"]) if "name" in document else None,
        )


def _lost(document: Document | None) -> LostToFollowUp | None:
    if document is None:
        return None
    form, _, item = document["item"].partition(".")
    return LostToFollowUp(form, item, frozenset(document["codes"]))


def _local_treatment(document: Document | None) -> LocalTreatment | None:
    if document is None:
        return None
    return LocalTreatment(document["fraction"], document["planned"].partition(".")[2], document["days"])


@dataclass(frozen=True)
class Arm:
    """A treatment arm under its neutral code, with the role that the registry gives it."""

    code: str
    label: Text
    registry_role: str


@dataclass(frozen=True)
class SiteDef:
    """A hospital as the protocol names it."""

    code: str
    number: str
    name: Text
    timezone: str
    phone: str
    target: int
    cap: int | None


@dataclass(frozen=True)
class Question:
    """A question that only the principal investigator can answer, with the setting that stands in meanwhile, if any."""

    id: str
    text: Text
    setting: str | None


class Unknown(KeyError):
    """A code that the definition does not contain."""


@dataclass(frozen=True)
class Definition:
    """A whole trial."""

    id: str
    version: str
    title: Text
    total_cap: int
    anchor: str
    arms: tuple[Arm, ...]
    sites: tuple[SiteDef, ...]
    settings: Mapping[str, Any]
    questions: tuple[Question, ...]
    forms: tuple[Form, ...]
    visits: tuple[Visit, ...]
    criteria: tuple[Criterion, ...]
    reminders: tuple[ReminderRule, ...]
    escalation: tuple[str, ...]
    pain_response: PainResponse | None = None
    local_treatment: LocalTreatment | None = None
    lost_to_follow_up: LostToFollowUp | None = None
    safety: Safety | None = None
    # The choice item, as `form.item`, by which laboratories divide their limits of normal.
    sex_item: str | None = None

    @classmethod
    def from_document(cls, document: Document) -> "Definition":
        """Build from a validated document (the JSON that `reader` makes and the database keeps)."""
        trial = document["trial"]
        return cls(
            id=trial["id"],
            version=trial["version"],
            title=Text.of(trial["title"]),
            total_cap=trial["total_cap"],
            anchor=trial["anchor"],
            arms=tuple(
                Arm(arm["code"], Text.of(arm["label"]), arm["registry_role"]) for arm in trial["arms"]
            ),
            sites=tuple(
                SiteDef(
                    site["code"],
                    site["number"],
                    Text.of(site["name"]),
                    site["timezone"],
                    site["phone"],
                    site["target"],
                    site.get("cap"),
                )
                for site in document["sites"]
            ),
            settings={name: entry["value"] for name, entry in trial["settings"].items()},
            questions=tuple(
                Question(entry["id"], Text.of(entry["text"]), entry.get("setting"))
                for entry in trial["questions"]
            ),
            forms=tuple(Form.of(form) for form in document["forms"]),
            visits=tuple(Visit.of(visit, trial["anchor"]) for visit in document["visits"]),
            criteria=tuple(Criterion.of(criterion) for criterion in document["criteria"]),
            reminders=tuple(ReminderRule.of(rule) for rule in document["reminders"]),
            pain_response=PainResponse.of(trial["pain_response"], trial["settings"])
            if "pain_response" in trial
            else None,
            local_treatment=_local_treatment(trial.get("local_treatment")),
            lost_to_follow_up=_lost(trial.get("lost_to_follow_up")),
            safety=Safety.of(trial["safety"]) if "safety" in trial else None,
            sex_item=trial.get("sex_item"),
            escalation=tuple(trial["escalation"]),
        )

    @cached_property
    def parts(self) -> Parts:
        """Which event and form plays which part on a participant's path."""
        return Parts(self)

    @cached_property
    def _forms(self) -> Mapping[str, Form]:
        return {form.code: form for form in self.forms}

    @cached_property
    def _visits(self) -> Mapping[str, Visit]:
        return {visit.code: visit for visit in self.visits}

    @cached_property
    def _rules(self) -> dict[str, Compiled]:
        return {}

    def rule(self, source: str) -> Compiled:
        """The expression `source` under the settings of this version, compiled once."""
        found = self._rules.get(source)
        if found is None:
            found = self._rules[source] = compiled(source, self.settings, self._derivations)
        return found

    @cached_property
    def _derivations(self) -> Mapping[str, str]:
        return {
            f"{form.code}.{item.name}": item.derive
            for form in self.forms
            for item in form.items.values()
            if item.derive
        }

    @cached_property
    def _reads(self) -> Mapping[str, frozenset[str]]:
        sources = {
            form.code: [*form.expressions, *(one.rule for one in self.open_by_dates(form.code))]
            for form in self.forms
        }
        found = {
            form: {self._first(name) for source in named for name in self.rule(source).references}
            for form, named in sources.items()
        }
        if self.sex_item:
            # By it the register's limits of normal are chosen.
            for form in self.forms:
                if any(item.uln for item in form.items.values()):
                    found[form.code].add(self._first(self.sex_item))
        return {form: frozenset(read) - {form} for form, read in found.items()}

    def _first(self, name: str) -> str:
        """The form of a reference; T0 is the date on that of the surgery."""
        return self.parts.driving("surgery").form if name == "t0" else name.partition(".")[0]

    def open_by_dates(self, form: str) -> tuple[Criterion, ...]:
        """The criteria judged before surgery that a partial date of `form` can leave undecided."""
        return self._open_by_dates[form]

    @cached_property
    def _open_by_dates(self) -> Mapping[str, tuple[Criterion, ...]]:
        dates = {
            form.code: {f"{form.code}.{item.name}" for item in form.items.values() if item.partial}
            for form in self.forms
        }
        return {
            form: tuple(one for one in self.parts.first_asked if names & self.rule(one.rule).references)
            for form, names in dates.items()
        }

    def read_by(self, form: str) -> frozenset[str]:
        """The other forms (and `consent`) whose items the expressions of `form` name, or criteria on its dates."""
        return self._reads[form]

    def readers_of(self, form: str) -> frozenset[str]:
        """The other forms whose expressions, or criteria on whose dates, name items of `form`."""
        return frozenset(code for code, read in self._reads.items() if form in read)

    def ladder(self, role: str) -> list[str]:
        """`role` and those above it in the escalation, in the order in which a vacancy passes a reminder on."""
        if role == "participant":
            return []
        if role not in self.escalation:
            return [role]
        return list(self.escalation[self.escalation.index(role) :])

    def form(self, code: str) -> Form:
        """The form `code`; raises Unknown."""
        if code not in self._forms:
            raise Unknown(code)
        return self._forms[code]

    def visit(self, code: str) -> Visit:
        """The visit `code`; raises Unknown."""
        if code not in self._visits:
            raise Unknown(code)
        return self._visits[code]

    def name_of(self, event: str) -> Text:
        """What an event is called; one that an amendment has dropped goes by its code."""
        return self._visits[event].name if event in self._visits else Text(event, event)

    def asks(self, event: str, form: str) -> bool:
        """Whether the form is collected at the event; an amendment may have dropped it there."""
        return event in self._visits and form in self._visits[event].forms

    def recurs(self, event: str, form: Form) -> bool:
        """Whether there may be several records of `form` at `event`: it repeats, or the event is the unscheduled visit.

        A form that does not repeat is there once for each of the numbered unscheduled visits.
        """
        return form.repeating or self.visit(event).role == "unscheduled"

    def forms_at(self, visit: str) -> Iterator[Form]:
        """The forms collected at a visit, in order."""
        return (self.form(code) for code in self.visit(visit).forms)
