"""Reading what was entered on a form: pure. Values become exact and canonical, or a fault that names the item.

An entry is a plain value, or an object {"value": …, "unit": …, "uln": …}, or {"missing": reason}.
What is computed, asked and doubted over the entries stands in `checks`.
"""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from trialsite.protocol import expression
from trialsite.protocol.definition import Form, Item
from trialsite.protocol.expression import Observation, Span, plain

# Steps of a query: answered by the hospital, closed or re-opened by whoever asks.
TRANSITIONS_OF_QUERY: Final[Mapping[str, frozenset[str]]] = {
    "open": frozenset({"answered", "closed"}),
    "answered": frozenset({"open", "closed"}),
    "closed": frozenset({"open"}),
}
MISSING_REASONS: Final = frozenset({"not_done", "not_applicable", "unknown", "refused"})
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,10})?")
_SIGNED: Final = re.compile(r"(<=|>=|[<>≤≥])\s*(.*)", re.DOTALL)
_SIGNS: Final = {"<=": "≤", ">=": "≥"}
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_LONGEST_TEXT: Final = 4000
# Outside of these no date of a trial lies, and at the ends of the calendar a change of zone overflows.
_FIRST_YEAR: Final = 1880
_LAST_YEAR: Final = 2200


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
    """A form as read: `data` by item as it is stored, `faults` by item."""

    data: Mapping[str, Mapping[str, Any]]
    faults: Mapping[str, Fault]


@dataclass(frozen=True)
class Limit:
    """An upper limit of normal of the hospital's laboratory, in the item's canonical unit: a row of its register."""

    si: Fraction
    row: int
    valid_from: dt.date
    valid_until: dt.date | None


def read_values(
    form: Form,
    raw: Mapping[str, Any],
    *,
    now: dt.datetime,
    complete: bool,
    limits: Mapping[str, Limit] | None = None,
) -> Reading:
    """Read every entry of `form`. `now` is the hospital's wall clock: nothing may lie after it.

    `limits` are the hospital's limits of normal on the day of the sample; they stand in where none was entered. A
    draft may lack them, a complete form may not.
    """
    data: dict[str, Mapping[str, Any]] = {}
    faults = {_nameable(name): Fault("unknown_item") for name in raw if name not in form.items}
    for name, item in form.items.items():
        entry = raw.get(name)
        if entry is None or entry in ("", []):
            continue
        try:
            if item.derive:
                raise _Refused("computed")
            stored = _read(item, entry, now)
            # The path goes on from it: no reason stands in for the answer.
            if item.needed and "missing" in stored:
                raise _Refused("key_fact_needed")
            data[name] = _with_limit(item, stored, (limits or {}).get(name), complete)
        except _Refused as refused:
            faults[name] = refused.fault
    if form.time_item and _later_today(form, data, now):
        del data[form.time_item]
        faults[form.time_item] = Fault("future_instant", {"now": f"{now:%Y-%m-%d %H:%M}"})
    return Reading(data, faults)


def _later_today(form: Form, data: Mapping[str, Mapping[str, Any]], now: dt.datetime) -> bool:
    """Whether the values are of today, and of a time that has not come yet."""
    on, at = (data.get(name or "", {}).get("value") for name in (form.observed_item, form.time_item))
    return bool(at) and on == now.date().isoformat() and dt.time.fromisoformat(str(at)) > now.time()


def _nameable(name: object) -> str:
    """An unknown name as an answer may repeat it."""
    return "".join(letter if letter.isprintable() else "�" for letter in str(name)[:80]) or "?"


def _with_limit(
    item: Item, stored: Mapping[str, Any], limit: Limit | None, complete: bool
) -> Mapping[str, Any]:
    if not item.uln or "si" not in stored or "uln" in stored:
        return stored
    if limit is None:
        if complete:
            raise _Refused("uln_needed")
        return stored
    factor = item.accepted_units[stored["unit"]] if "unit" in stored else Fraction(1)
    return {
        **stored,
        "uln": plain(limit.si / factor),
        "uln_si": plain(limit.si),
        "uln_from": "register",
        "uln_limit": {
            "row": limit.row,
            "valid_from": limit.valid_from.isoformat(),
            "valid_until": limit.valid_until.isoformat() if limit.valid_until else None,
        },
    }


def with_register(
    form: Form, data: Mapping[str, Mapping[str, Any]], limits: Mapping[str, Limit]
) -> dict[str, Mapping[str, Any]]:
    """`data` with the limits of the register taken anew; those that somebody entered stay."""
    return {
        name: _with_limit(
            form.items[name],
            {key: part for key, part in stored.items() if not key.startswith("uln")},
            limits.get(name),
            complete=False,
        )
        if name in form.items and ("uln_from" in stored or "uln" not in stored)
        else stored
        for name, stored in data.items()
    }


def entered(stored: Mapping[str, Mapping[str, Any]], form: Form) -> dict[str, Any]:
    """The entries of a stored form as they could be entered again: computed items and register limits left out."""
    found: dict[str, Any] = {}
    for name, entry in stored.items():
        if name not in form.items or form.items[name].derive:
            continue
        if "missing" in entry:
            found[name] = {"missing": entry["missing"]}
        elif "si" in entry:
            again = {"value": f"{entry.get('sign', '')}{entry['value']}", "unit": entry.get("unit")}
            if "uln_from" not in entry:
                again["uln"] = entry.get("uln")
            found[name] = {key: value for key, value in again.items() if value is not None}
        else:
            found[name] = entry["value"]
    return found


def observation(
    item: Item, stored: Mapping[str, Any], *, taken_on: dt.date | None, stale: bool, source: str
) -> Observation:
    """The stored entry of `item` as the expression language reads it."""
    uln = Fraction(stored["uln_si"]) if "uln_si" in stored else None
    return Observation(
        _typed(item, stored), taken_on, uln, stale, source, _shown(stored), _shown_limit(stored)
    )


def _shown_limit(stored: Mapping[str, Any]) -> str:
    """The limit of normal as one line: value and unit, and of one from the register the days on which it holds."""
    shown = " ".join(part for part in (stored.get("uln"), stored.get("unit")) if part)
    limit = stored.get("uln_limit")
    return f"{shown} ({limit['valid_from']} – {limit['valid_until'] or '…'})" if limit else shown


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
        if sign in ("<", "≤"):
            return Span(None, exact, high_open=sign == "<")
        if sign in (">", "≥"):
            return Span(exact, None, low_open=sign == ">")
        return Span(exact, exact)
    value = stored["value"]
    if item.type == "date":
        return expression.partial_date(value)
    if item.type == "datetime":
        return expression.instant(dt.datetime.fromisoformat(value))
    if item.type == "multichoice":
        return frozenset(value)
    return value


def _read(item: Item, entry: Any, now: dt.datetime) -> Mapping[str, Any]:
    given = entry if isinstance(entry, Mapping) else {"value": entry}
    unknown = set(given) - {"value", "unit", "uln", "missing"}
    if unknown:
        raise _Refused("unknown_key", key=str(sorted(unknown)[0])[:40])
    if "missing" in given:
        reason = given["missing"]
        if given.get("value") not in (None, "", []):
            raise _Refused("value_and_missing")
        if not isinstance(reason, str) or reason not in MISSING_REASONS or len(given) > 1:
            raise _Refused("missing_reason", reasons=", ".join(sorted(MISSING_REASONS)))
        return {"missing": given["missing"]}
    if item.type in ("integer", "decimal"):
        return _read_number(item, given)
    if any(given.get(name) not in (None, "") for name in ("unit", "uln")):
        raise _Refused("no_unit")
    return {"value": _READERS[item.type](item, given.get("value"), now)}


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
    written, sign = given.get("value"), ""
    unit = _unit(item, given)
    with_sign = _SIGNED.fullmatch(written.strip()) if isinstance(written, str) else None
    if with_sign:
        if not item.signed:
            raise _Refused("no_sign")
        sign, written = _SIGNS.get(with_sign[1], with_sign[1]), with_sign[2]
        if written.strip().upper() in ("LLOQ", "LOD", "LOQ"):
            raise _Refused("limit_as_number", sign=sign)
    value = _number(written, whole=item.type == "integer")
    factor = item.accepted_units[unit] if unit else Fraction(1)
    fault = range_fault(item, value, unit)
    if fault:
        raise _Refused(fault.code, **fault.params)
    stored: dict[str, Any] = {"value": plain(value), "si": plain(value * factor)}
    if unit:
        stored["unit"] = unit
    if sign:
        stored["sign"] = sign
    return stored | _read_uln(item, given, factor, unit)


def _unit(item: Item, given: Mapping[str, Any]) -> str | None:
    said = given.get("unit")
    unit = item.unit if said in (None, "") else said
    if unit is None:
        return None
    if isinstance(unit, str) and unit in item.refused_units:
        raise _Refused("refused_unit", unit=unit, wanted=item.unit or "")
    if not isinstance(unit, str) or unit not in item.accepted_units:
        raise _Refused("unknown_unit", units=", ".join(item.accepted_units) or "–")
    return unit


def _read_uln(item: Item, given: Mapping[str, Any], factor: Fraction, unit: str | None) -> dict[str, str]:
    if given.get("uln") in (None, ""):
        return {}
    if not item.uln:
        raise _Refused("no_uln")
    uln = _number(given["uln"])
    if uln <= 0:
        raise _Refused("uln_not_positive")
    fault = range_fault(item, uln, unit, code="uln_out_of_range")
    if fault:
        raise _Refused(fault.code, **fault.params)
    return {"uln": plain(uln), "uln_si": plain(uln * factor)}


def range_fault(item: Item, value: Fraction, unit: str | None, *, code: str = "out_of_range") -> Fault | None:
    """What is wrong with a number outside the hard range; names another unit in which it would be plausible."""
    factor = item.accepted_units[unit] if unit else Fraction(1)
    if item.hard is None or item.hard.holds(value * factor):
        return None
    other = likely_unit(item, value, unit)
    params = {
        "low": "–" if item.hard.low is None else plain(item.hard.low),
        "high": "–" if item.hard.high is None else plain(item.hard.high),
        "unit": item.unit or "",
    }
    return Fault(f"{code}_other_unit", params | {"other": other}) if other else Fault(code, params)


def likely_unit(item: Item, value: Fraction, unit: str | None) -> str | None:
    """Another unit in which the number as entered would be plausible, be it one that is refused."""
    likely = item.soft or item.hard
    for other, factor in item.accepted_units.items():
        if other != unit and likely and likely.holds(value * factor):
            return other
    return next((other for other, its in item.refused_units.items() if its and its.holds(value)), None)


def _text(item: Item, value: Any, now: dt.datetime) -> str:
    if not isinstance(value, str):
        raise _Refused("not_text")
    if "\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise _Refused("null_byte")
    if len(value) > _LONGEST_TEXT:
        raise _Refused("too_long", most=str(_LONGEST_TEXT))
    return value


def _boolean(item: Item, value: Any, now: dt.datetime) -> bool:
    if not isinstance(value, bool):
        raise _Refused("not_a_boolean")
    return value


def _date(item: Item, value: Any, now: dt.datetime) -> str:
    if not isinstance(value, str):
        raise _Refused("not_a_date")
    try:
        span = expression.partial_date(value)
    except ValueError as error:
        raise _Refused("not_a_date") from error
    if not span.exact and not item.partial:
        raise _Refused("partial_date")
    today = now.date()
    if span.low > today and not item.future:
        raise _Refused("future", today=today.isoformat())
    if span.low.year < _FIRST_YEAR or span.high.year > _LAST_YEAR:
        raise _Refused("not_a_date")
    return value


def _time(item: Item, value: Any, now: dt.datetime) -> str:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise _Refused("not_a_time")
    return value


def _datetime(item: Item, value: Any, now: dt.datetime) -> str:
    """The same instant as the hospital's wall clock shows it, whatever zone it was entered in."""
    try:
        at = dt.datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise _Refused("not_a_datetime")
    if at > now:
        raise _Refused("future_instant", now=f"{now:%Y-%m-%d %H:%M}")
    return at.astimezone(now.tzinfo).isoformat()


def _choice(item: Item, value: Any, now: dt.datetime) -> str:
    codes = [choice.code for choice in item.choices]
    if not isinstance(value, str) or value not in codes:
        raise _Refused("unknown_choice", choices=", ".join(codes))
    return value


def _choices(item: Item, value: Any, now: dt.datetime) -> list[str]:
    if not isinstance(value, list):
        raise _Refused("not_a_list")
    return sorted({_choice(item, code, now) for code in value})


_READERS: Final[Mapping[str, Callable[[Item, Any, dt.datetime], Any]]] = {
    "text": _text,
    "boolean": _boolean,
    "date": _date,
    "time": _time,
    "datetime": _datetime,
    "choice": _choice,
    "multichoice": _choices,
}
