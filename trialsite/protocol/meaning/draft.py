"""What the checks of meaning share: the document, what of it cannot be read, and what its expressions may name."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
class Rest:
    """What can be read of a part whose structure does not hold: of each entry the keys that have structure.

    `content` is a form (its items in two sections: those that are whole, and those that have name and type); a list of
    criteria; the settings' values by name; or None. `lost` are names without a readable meaning; None may be any name.
    """

    content: Any = None
    lost: frozenset[str | None] = frozenset({None})


@dataclass(frozen=True)
class Draft:
    """A document to be checked. `broken` are its parts, a form as `form:<code>`, whose structure does not hold.

    Of them only the expressions that can be read are examined, and nothing is said of one that names what is lost.
    `document` holds the whole forms only.
    """

    document: Document
    broken: Mapping[str, Rest] = field(default_factory=dict)

    def holds(self, *parts: str) -> bool:
        """Whether all of `parts` can be read as a whole; `forms` stands for every form."""
        return not self.broken.keys() & set(parts) and not (FORMS in parts and self.torn)

    @cached_property
    def torn(self) -> list[Document]:
        """What can be read of the forms whose structure does not hold."""
        return [rest.content for part, rest in self.broken.items() if part.startswith("form:")]

    @cached_property
    def settings(self) -> dict[str, Any]:
        if not self.holds("trial"):
            return self.broken["trial"].content or {}
        return {name: entry["value"] for name, entry in self.document["trial"]["settings"].items()}

    @cached_property
    def scope(self) -> Scope:
        """What expressions may name: items as `form.item`, settings, and what enrollment provides."""
        types, codes, with_uln = dict(BUILT_IN), {}, set()
        for form in (*self.document[FORMS], *self.torn):
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
            for form in (*self.document[FORMS], *self.torn)
            for item in items_of(form)
            if "derive" in item
        }

    @cached_property
    def repeating(self) -> frozenset[str]:
        """The forms of which there may be several records at one visit."""
        forms = (*self.document[FORMS], *self.torn)
        return frozenset(form["code"] for form in forms if form.get("repeating"))

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
            if any(map(self._lost, named)):
                return
            expression.check(source, self.scope, gives=gives, monotone=monotone)
        except BadExpression as error:
            yield part, path, str(error)
            return
        for code in sorted({name.partition(".")[0] for name in named} & self.repeating - {form}):
            yield part, path, f"reads {code!r}, which repeats: which of its records is meant stays open"

    def _lost(self, name: str) -> bool:
        owner, _, entry = name.partition(".")
        rest = self.broken.get("trial" if owner == SETTING else f"form:{owner}")
        known = entry in self.settings if owner == SETTING else name in self.scope.types
        return rest is not None and not known and bool(rest.lost & {entry, None})


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
