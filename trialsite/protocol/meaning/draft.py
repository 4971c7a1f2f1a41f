"""What the checks of meaning share: the document, what of it cannot be read, and what its expressions may name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from trialsite.protocol import expression
from trialsite.protocol.expression import BadExpression, Scope, Type

Found = Iterator[tuple[str, str, str]]
Document = dict[str, Any]

# References that enrollment provides beside the items of forms.
BUILT_IN: Final[dict[str, Type]] = {
    "t0": "date",
    "consent.patient_signed_on": "instant",
    "consent.family_signed_on": "instant",
    "study.first_procedure_on": "instant",
}
_TYPES: Final[dict[str, Type]] = {
    "integer": "number",
    "decimal": "number",
    "boolean": "boolean",
    "date": "date",
    "time": "text",
    "datetime": "instant",
    "text": "text",
    "choice": "text",
    "multichoice": "set",
}
FORMS: Final = "forms"
SETTING: Final = "setting"


@dataclass(frozen=True)
class Draft:
    """A document to be checked. `broken` are its parts, a form as `form:<code>`, whose structure does not hold.

    They are left alone, and nothing is said of an expression that names something in them. `document` holds the whole
    forms only.
    """

    document: Document
    broken: frozenset[str] = frozenset()

    def holds(self, *parts: str) -> bool:
        """Whether all of `parts` can be read; `forms` stands for every form."""
        forms_broken = any(part.startswith("form:") for part in self.broken)
        return not self.broken & set(parts) and not (FORMS in parts and forms_broken)

    @cached_property
    def settings(self) -> dict[str, Any]:
        if not self.holds("trial"):
            return {}
        return {name: entry["value"] for name, entry in self.document["trial"]["settings"].items()}

    @cached_property
    def scope(self) -> Scope:
        """What expressions may name: items as `form.item`, settings, and what enrollment provides."""
        types, codes, with_uln = dict(BUILT_IN), {}, set()
        for form in self.document[FORMS]:
            for item in items_of(form):
                name = f"{form['code']}.{item['name']}"
                types[name] = _TYPES[item["type"]]
                if "choices" in item:
                    codes[name] = frozenset(choice["code"] for choice in item["choices"])
                if item.get("uln"):
                    with_uln.add(name)
        return Scope(types, codes, frozenset(with_uln), self.settings)

    @cached_property
    def derived(self) -> dict[str, str]:
        """The expression of each computed item, by `form.item`."""
        return {
            f"{form['code']}.{item['name']}": item["derive"]
            for form in self.document[FORMS]
            for item in items_of(form)
            if "derive" in item
        }

    @cached_property
    def repeating(self) -> frozenset[str]:
        """The forms of which there may be several records at one visit."""
        return frozenset(form["code"] for form in self.document[FORMS] if form.get("repeating"))

    def forms_with(self, role: str) -> frozenset[str]:
        """The forms that the events with this role collect."""
        visits = [visit for visit in self.document["visits"] if visit.get("role") == role]
        return frozenset(code for visit in visits for code in visit.get("forms", ()))

    def rule(
        self,
        part: str,
        path: str,
        source: str,
        *,
        form: str | None = None,
        gives: Sequence[Type] = ("boolean",),
        monotone: bool = False,
    ) -> Found:
        """What is wrong with an expression of `form`, or of none."""
        try:
            named = expression.references(source)
            if self._names_broken(named):
                return
            expression.check(source, self.scope, gives=gives, monotone=monotone)
        except BadExpression as error:
            yield part, path, str(error)
            return
        for code in sorted({name.partition(".")[0] for name in named} & self.repeating - {form}):
            yield part, path, f"reads {code!r}, which repeats: which of its records is meant stays open"

    def _names_broken(self, named: frozenset[str]) -> bool:
        firsts = {name.partition(".")[0] for name in named}
        return any(f"form:{first}" in self.broken for first in firsts) or (
            SETTING in firsts and not self.holds("trial")
        )


def items_of(form: Document) -> list[Document]:
    """All items of a form, in order."""
    return [item for section in form["sections"] for item in section["items"]]


def by_name(form: Document) -> dict[str, Document]:
    """The items of a form by name."""
    return {item["name"]: item for item in items_of(form)}


def doubles(values: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """The place and value of each that stood before."""
    seen = set()
    for place, value in enumerate(values):
        if value in seen:
            yield place, value
        seen.add(value)


def is_whole_date(item: Document) -> bool:
    """Whether the item is a date that is always given, day and all."""
    return item["type"] == "date" and not item.get("partial") and item.get("required", True)
