"""What no item may take, for the three doors of clinical data: REST, the page of a form, and files."""

from typing import Any, Final

# As a person can type it, or a file hold it in a cell.
TEXTS: Final = [
    "\x00", "NaN", "1e400", "9" * 400, "-1", "=1+1", "'; DROP TABLE casebook_record; --", "1,5", "2199-01-01",
    "2026-02-30", "24:00", "2026-02-30T10:00", "<LLOQ", "١٢", "\u202e12", "<script>alert(1)</script>", "x" * 5000, "[]",
]  # fmt: skip
# As a program can send it besides.
ENTRIES: Final[list[Any]] = [
    *TEXTS, "\ud800", "Infinity", "0000-00-00", " ", 1.5, -7, 10**30, True, None, [], ["x"], [["T5"]], {},
    {"value": None}, {"value": "5", "unit": "parsec"}, {"value": "5", "unit": []}, {"value": {"value": 1}},
    {"missing": "lost"}, {"missing": []}, {"missing": "unknown", "value": "1"}, {"value": "5", "uln": "NaN"},
    {"value": "5", "uln": "-1"}, {"colour": "red"},
]  # fmt: skip
# At least one item of each type, by form and event.
TYPES: Final = {
    ("SCR", "labs"): {"wbc": "decimal", "lbdat": "date", "lbtim": "time", "source": "choice"},
    ("SCR", "lesion"): {"levels": "multichoice", "affected": "integer", "evaluable": "boolean"},
    ("LOG", "sae"): {"awareat": "datetime", "saeterm": "text"},
}
# Nothing is entered, so nothing is wrong.
_NOTHING: Final[list[Any]] = [None, "", []]


def harmless(kind: str, entry: Any) -> bool:
    """Whether an item of this type may take it: nothing at all, a text for a text, a yes for a question."""
    if any(entry is one or (type(entry) is type(one) and entry == one) for one in _NOTHING):
        return True
    if kind == "text":
        return isinstance(entry, str) and len(entry) <= 4000 and not {"\x00", "\ud800"} & set(entry)
    return kind == "boolean" and entry is True
