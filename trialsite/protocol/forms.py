"""Forms as typed values: sections, items, code lists, edit checks. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Text:
    """A sentence in both languages."""

    en: str
    zh: str

    def to(self, language: str) -> str:
        """The sentence in `language` (`zh…` or anything else for English)."""
        return self.zh if language.startswith("zh") else self.en

    @classmethod
    def of(cls, document: Document) -> "Text":
        return cls(document["en"], document["zh"])


@dataclass(frozen=True)
class Range:
    """An inclusive range of canonical values; None is open."""

    low: Fraction | None
    high: Fraction | None

    def holds(self, value: Fraction) -> bool:
        """Whether `value` lies inside, the ends included."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    @classmethod
    def of(cls, pair: Sequence[Any] | None) -> "Range | None":
        if pair is None:
            return None
        low, high = (None if end is None else Fraction(str(end)) for end in pair)
        return cls(low, high)


@dataclass(frozen=True)
class Choice:
    """One code of a code list; `cdash` where the standard asks of it by a variable of its own (AESDTH, AESLIFE …)."""

    code: str
    label: Text
    cdash: str = ""


ItemType = Literal[
    "integer", "decimal", "boolean", "date", "time", "datetime", "text", "choice", "multichoice"
]


@dataclass(frozen=True)
class Item:
    """One question of a form.

    `unit` is the canonical unit; `accepted_units` maps each unit that may be entered to the exact factor that turns a
    value in it into the canonical one. `uln`: the site's upper limit of normal is entered along, in the same unit.
    `refused_units` are those that no factor converts: they are refused by name. Each comes with the range in which its
    numbers lie, None where they cannot be told from canonical ones.
    `signed`: a comparison sign may stand before the number (`<20`). `partial`: a date may lack day or month; `future`:
    it may lie ahead. `needed`: a step rests on it, so no reason stands in for the answer. `show_if`: the item is asked,
    and required, only where this holds. `derive`: the item is computed on saving and never entered; it is stored
    rounded to `decimals`, while rules compute with the exact value. `lines`: how many lines a text is given.
    """

    name: str
    label: Text
    type: ItemType
    unit: str | None = None
    accepted_units: Mapping[str, Fraction] = field(default_factory=dict)
    refused_units: Mapping[str, Range | None] = field(default_factory=dict)
    hard: Range | None = None
    soft: Range | None = None
    required: bool = True
    choices: tuple[Choice, ...] = ()
    uln: bool = False
    signed: bool = False
    partial: bool = False
    future: bool = False
    needed: bool = False
    show_if: str | None = None
    cdash: str = ""
    derive: str | None = None
    decimals: int = 2
    lines: int = 1

    @classmethod
    def of(cls, document: Document) -> "Item":
        unit = document.get("unit")
        units = {name: Fraction(str(factor)) for name, factor in document.get("accepted_units", {}).items()}
        return cls(
            name=document["name"],
            label=Text.of(document["label"]),
            type=document["type"],
            unit=unit,
            accepted_units=({unit: Fraction(1)} if unit else {}) | units,
            refused_units={
                name: Range.of(plausible) for name, plausible in document.get("refused_units", {}).items()
            },
            hard=Range.of(document.get("hard")),
            soft=Range.of(document.get("soft")),
            required=document.get("required", True),
            choices=tuple(
                Choice(entry["code"], Text.of(entry["label"]), entry.get("cdash", ""))
                for entry in document.get("choices", ())
            ),
            uln=document.get("uln", False),
            signed=document.get("signed", False),
            partial=document.get("partial", False),
            future=document.get("future", False),
            needed=document.get("needed", False),
            show_if=document.get("show_if"),
            cdash=document.get("cdash", ""),
            derive=document.get("derive"),
            decimals=document.get("decimals", 2),
            lines=document.get("lines", 1),
        )


@dataclass(frozen=True)
class Section:
    """Items under one heading, as the hospital collects them."""

    label: Text
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Check:
    """An edit check of one form: where `expression` is true, `message` becomes a query on `item`, or refuses it.

    It may name items of other forms, and is looked at again when one of those is saved.
    """

    id: str
    item: str
    expression: str
    message: Text
    refuse: bool = False


@dataclass(frozen=True)
class Form:
    """A form. `drives` names the key fact that it records, which only enrollment may save; `role` the part of another.

    `valid_days`: how many days before T0 its values stay valid. `observed_item`: the date that dates its values,
    `time_item` the time of that day. `source_item`: the item that tells results of routine care (`routine`) from those
    of the trial (`study`). `study_specific`: it is done for the trial alone, so never before consent. `files_identify`:
    what is attached to it shows who the participant is, unless whoever attaches it says otherwise.
    """

    code: str
    name: Text
    sections: tuple[Section, ...]
    repeating: bool = False
    drives: str | None = None
    role: str | None = None
    reveals_arm: bool = False
    valid_days: int | None = None
    observed_item: str | None = None
    time_item: str | None = None
    source_item: str | None = None
    study_specific: bool = False
    files_identify: bool = False
    checks: tuple[Check, ...] = ()
    note: Text | None = None
    score: Document | None = None

    @cached_property
    def items(self) -> Mapping[str, Item]:
        """All items by name, in the order of the page."""
        return {item.name: item for section in self.sections for item in section.items}

    @property
    def expressions(self) -> Iterator[str]:
        """Every expression that judges or computes something on this form."""
        for item in self.items.values():
            yield from filter(None, (item.show_if, item.derive))
        yield from (check.expression for check in self.checks)

    @classmethod
    def of(cls, document: Document) -> "Form":
        return cls(
            code=document["code"],
            name=Text.of(document["name"]),
            sections=tuple(
                Section(Text.of(part["label"]), tuple(Item.of(item) for item in part["items"]))
                for part in document["sections"]
            ),
            repeating=document.get("repeating", False),
            drives=document.get("drives"),
            role=document.get("role"),
            reveals_arm=document.get("reveals_arm", False),
            valid_days=document.get("valid_days"),
            observed_item=document.get("observed_item"),
            time_item=document.get("time_item"),
            source_item=document.get("source_item"),
            study_specific=document.get("study_specific", False),
            files_identify=document.get("files_identify", False),
            checks=tuple(
                Check(
                    entry["id"],
                    entry["item"],
                    entry["expression"],
                    Text.of(entry["message"]),
                    entry.get("refuse", False),
                )
                for entry in document.get("checks", ())
            ),
            note=Text.of(document["note"]) if "note" in document else None,
            score=document.get("score"),
        )
