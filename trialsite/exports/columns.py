"""From the items of forms to the columns of a table: pure.

The names of the columns never depend on the data. Booleans are Y or N (CDISC NY), numbers stand in the canonical unit,
dates as they were entered (ISO 8601, partial dates shortened), several choices as one Y/N column for each code.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

from trialsite.protocol.definition import Choice, Form, Item, Text

# What the cells of a column hold, and as what a workbook shows them. An instant is one moment, told in UTC.
Cell = Literal["text", "number", "date", "instant", "time"]
Code = tuple[str, Text]
Kind = Literal[
    "number", "text", "yes_no", "code", "entered", "sign", "unit", "uln", "missing", "found", "about"
]
# The columns that stand first in every table of a form.
KEYS: Final = (
    "trial",
    "protocol_version",
    "hospital",
    "participant",
    "event",
    "repeat",
    "state",
    "record_version",
    "observed_on",
)


@dataclass(frozen=True)
class Column:
    """One column: `name` in the table, the item it comes from, what of the item's entry it shows, and its code."""

    name: str
    item: Item
    kind: Kind
    code: str = ""

    @property
    def cell(self) -> Cell:
        """A date that may be partial is text in every row: what is half date, half text sorts and imports wrongly."""
        if self.kind in ("number", "uln"):
            return "number"
        if self.kind == "text":
            if self.item.type == "date" and not self.item.partial:
                return "date"
            if self.item.type in ("datetime", "time"):
                return "instant" if self.item.type == "datetime" else "time"
        return "text"

    @property
    def label(self) -> Text:
        """The item's label, with the code it stands for where there is one."""
        choice = self._choice
        if choice is None:
            return self.item.label
        return Text(f"{self.item.label.en}: {choice.label.en}", f"{self.item.label.zh}：{choice.label.zh}")

    @property
    def cdash(self) -> str:
        """The CDASH variable: that of the code it stands for where it has one, else the item's."""
        return (self._choice.cdash if self._choice else "") or self.item.cdash

    @property
    def _choice(self) -> Choice | None:
        return next((one for one in self.item.choices if one.code == self.code), None)


def columns_of(items: Iterable[Item], *, worded: str = "") -> list[Column]:
    """All columns of these items, in order. Of the item `worded` the software may have written the sentence itself:
    two more columns hold what it found, as a code and its parameters.
    """
    return [column for item in items for column in _columns(item, found=item.name == worded)]


def _columns(item: Item, *, found: bool) -> Iterator[Column]:
    if item.type == "multichoice":
        for choice in item.choices:
            yield Column(f"{item.name}__{choice.code}", item, "code", choice.code)
    elif item.type in ("integer", "decimal"):
        yield Column(item.name, item, "number")
        if item.signed:
            yield Column(f"{item.name}__sign", item, "sign")
        if len(item.accepted_units) > 1:
            yield Column(f"{item.name}__entered", item, "entered")
            yield Column(f"{item.name}__unit", item, "unit")
        if item.uln:
            yield Column(f"{item.name}__uln", item, "uln")
    else:
        yield Column(item.name, item, "yes_no" if item.type == "boolean" else "text")
    if found:
        yield Column(f"{item.name}__found", item, "found")
        yield Column(f"{item.name}__about", item, "about")
    yield Column(f"{item.name}__missing", item, "missing")


def united(versions: Iterable[Form]) -> list[Item]:
    """The items of all versions of a form, each once as its newest version describes it; `versions` oldest first.

    Codes that a version has dropped are kept: their answers stand in older records. Unit and type are the same in all
    versions, as the loader demands.
    """
    found: dict[str, Item] = {}
    for form in versions:
        for name, item in form.items.items():
            kept = {choice.code for choice in item.choices}
            former = found[name].choices if name in found else ()
            gone = tuple(choice for choice in former if choice.code not in kept)
            found[name] = replace(item, choices=(*item.choices, *gone)) if gone else item
    return list(found.values())
