"""Reading what was entered on a form: pure. Values become exact and canonical, or a fault that names the item.

An entry is a plain value, or an object {"value": …, "unit": …, "uln": …}, or {"missing": reason}.
"""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from trialsite.protocol import expression
from trialsite.protocol.definition import Form, Item
from trialsite.protocol.expression import Observation, Span

MISSING_REASONS: Final = frozenset({"not_done", "not_applicable", "unknown", "refused"})
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,10})?")
_LONGEST_TEXT: Final = 4000


@dataclass(frozen=True)
class Fault:
    """Why an entry is refused: a code, and what its sentence needs."""

    code: str
    params: Mapping[str, str] = field(default_factory=dict)


class _Refused(Exception):
    def __init__(self, code: str, **params: str) -> None:
        self.fault = Fault(code, params)
        super().__init__(code)


@dataclass(frozen=True)
class Reading:
    """A form as read: `data` by item as it is stored, `faults` by item, `soft` the items outside their soft range."""

    data: Mapping[str, Mapping[str, Any]]
    faults: Mapping[str, Fault]
    soft: tuple[str, ...]


def plain(value: Fraction) -> str:
    """An exact number as text: a decimal where it ends, else a fraction."""
    if value.denominator == 1:
        return str(value.numerator)
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    digits = 0
    while (value * 10**digits).denominator != 1:
        digits += 1
    scaled = abs(value * 10**digits).numerator
    text = str(scaled).rjust(digits + 1, "0")
    return f"{'-' if value < 0 else ''}{text[:-digits]}.{text[-digits:]}"


def read_values(form: Form, raw: Mapping[str, Any], *, today: dt.date, complete: bool) -> Reading:
    """Read every entry of `form`. `today` is the local date: nothing may lie after it.

    With `complete`, required items that are empty are faults; a draft may leave them open.
    """
    data: dict[str, Mapping[str, Any]] = {}
    faults = {str(name)[:80]: Fault("unknown_item") for name in raw if name not in form.items}
    soft: list[str] = []
    for name, item in form.items.items():
        entry = raw.get(name)
        if entry is None or entry in ("", []):
            continue
        try:
            data[name] = _read(item, entry, today)
        except _Refused as refused:
            faults[name] = refused.fault
            continue
        if item.soft and "si" in data[name] and not item.soft.holds(Fraction(data[name]["si"])):
            soft.append(name)
    if complete:
        faults |= {name: Fault("required") for name in _open_items(form, data) if name not in faults}
    return Reading(data, faults, tuple(soft))


def observation(
    item: Item, stored: Mapping[str, Any], *, taken_on: dt.date | None, stale: bool, source: str
) -> Observation:
    """The stored entry of `item` as the expression language reads it."""
    uln = Fraction(stored["uln_si"]) if "uln_si" in stored else None
    return Observation(_typed(item, stored), taken_on, uln, stale, source, _shown(stored))


def _shown(stored: Mapping[str, Any]) -> str:
    """The entry as one line: sign, value and unit; `yes` or `no`; codes of choices with commas between."""
    value = stored.get("value", stored.get("missing", ""))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value)
    return " ".join(part for part in (stored.get("sign"), str(value), stored.get("unit")) if part)


def _typed(item: Item, stored: Mapping[str, Any]) -> Any:
    if "missing" in stored:
        return None
    if "si" in stored:
        exact, sign = Fraction(stored["si"]), stored.get("sign")
        if sign == "<":
            return Span(None, exact, high_open=True)
        if sign == ">":
            return Span(exact, None, low_open=True)
        return Span(exact, exact)
    value = stored["value"]
    if item.type == "date":
        return expression.partial_date(value)
    if item.type == "datetime":
        return expression.day(dt.datetime.fromisoformat(value).date())
    if item.type == "multichoice":
        return frozenset(value)
    return value


def _open_items(form: Form, data: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Required items without an entry, those that do not apply left out."""
    return [
        name for name, item in form.items.items() if item.required and not item.show_if and name not in data
    ]


def _read(item: Item, entry: Any, today: dt.date) -> Mapping[str, Any]:
    given = entry if isinstance(entry, Mapping) else {"value": entry}
    unknown = set(given) - {"value", "unit", "uln", "missing"}
    if unknown:
        raise _Refused("unknown_key", key=str(sorted(unknown)[0])[:40])
    if "missing" in given:
        if given["missing"] not in MISSING_REASONS or len(given) > 1:
            raise _Refused("missing_reason", reasons=", ".join(sorted(MISSING_REASONS)))
        return {"missing": given["missing"]}
    if item.type in ("integer", "decimal"):
        return _read_number(item, given)
    if given.get("unit") or given.get("uln"):
        raise _Refused("no_unit")
    return {"value": _READERS[item.type](item, given.get("value"), today)}


def _number(text: Any, *, whole: bool = False) -> Fraction:
    if isinstance(text, bool) or not isinstance(text, int | str):
        raise _Refused("number_as_text" if isinstance(text, float) else "not_a_number")
    stripped = str(text).strip()
    if not _NUMBER.fullmatch(stripped):
        raise _Refused("not_a_number")
    value = Fraction(stripped)
    if whole and value.denominator != 1:
        raise _Refused("not_whole")
    return value


def _read_number(item: Item, given: Mapping[str, Any]) -> Mapping[str, Any]:
    entered, sign = given.get("value"), ""
    if isinstance(entered, str) and entered.strip()[:1] in ("<", ">"):
        if not item.signed:
            raise _Refused("no_sign")
        sign, entered = entered.strip()[0], entered.strip()[1:]
    value = _number(entered, whole=item.type == "integer")
    unit = given.get("unit") or item.unit
    if unit is not None and unit not in item.accepted_units:
        raise _Refused("unknown_unit", units=", ".join(item.accepted_units) or "–")
    factor = item.accepted_units[unit] if unit else Fraction(1)
    canonical = value * factor
    _require_range(item, value, canonical, unit)
    stored: dict[str, Any] = {"value": plain(value), "si": plain(canonical)}
    if unit:
        stored["unit"] = unit
    if sign:
        stored["sign"] = sign
    return stored | _read_uln(item, given, factor)


def _read_uln(item: Item, given: Mapping[str, Any], factor: Fraction) -> dict[str, str]:
    if given.get("uln") in (None, ""):
        if item.uln:
            raise _Refused("uln_needed")
        return {}
    if not item.uln:
        raise _Refused("no_uln")
    uln = _number(given["uln"])
    if uln <= 0:
        raise _Refused("uln_not_positive")
    return {"uln": plain(uln), "uln_si": plain(uln * factor)}


def _require_range(item: Item, value: Fraction, canonical: Fraction, unit: str | None) -> None:
    """Refuse outside the hard range, and name another unit in which the number would be plausible."""
    if item.hard is None or item.hard.holds(canonical):
        return
    params = {
        "low": "–" if item.hard.low is None else plain(item.hard.low),
        "high": "–" if item.hard.high is None else plain(item.hard.high),
        "unit": item.unit or "",
    }
    likely = item.soft or item.hard
    for other, factor in item.accepted_units.items():
        if other != unit and likely.holds(value * factor):
            raise _Refused("out_of_range_other_unit", other=other, **params)
    raise _Refused("out_of_range", **params)


def _text(item: Item, value: Any, today: dt.date) -> str:
    if not isinstance(value, str):
        raise _Refused("not_text")
    if "\x00" in value:
        raise _Refused("null_byte")
    if len(value) > _LONGEST_TEXT:
        raise _Refused("too_long", most=str(_LONGEST_TEXT))
    return value


def _boolean(item: Item, value: Any, today: dt.date) -> bool:
    if not isinstance(value, bool):
        raise _Refused("not_a_boolean")
    return value


def _date(item: Item, value: Any, today: dt.date) -> str:
    if not isinstance(value, str):
        raise _Refused("not_a_date")
    try:
        span = expression.partial_date(value)
    except ValueError as error:
        raise _Refused("not_a_date") from error
    if not span.exact and not item.partial:
        raise _Refused("partial_date")
    if span.low > today:
        raise _Refused("future", today=today.isoformat())
    if span.low.year < 1880:
        raise _Refused("not_a_date")
    return value


def _datetime(item: Item, value: Any, today: dt.date) -> str:
    try:
        at = dt.datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise _Refused("not_a_datetime")
    if at.date() > today:
        raise _Refused("future", today=today.isoformat())
    return at.isoformat()


def _choice(item: Item, value: Any, today: dt.date) -> str:
    codes = [choice.code for choice in item.choices]
    if not isinstance(value, str) or value not in codes:
        raise _Refused("unknown_choice", choices=", ".join(codes))
    return value


def _choices(item: Item, value: Any, today: dt.date) -> list[str]:
    if not isinstance(value, list):
        raise _Refused("not_a_list")
    return sorted({_choice(item, code, today) for code in value})


_READERS: Final[Mapping[str, Callable[[Item, Any, dt.date], Any]]] = {
    "text": _text,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "choice": _choice,
    "multichoice": _choices,
}
