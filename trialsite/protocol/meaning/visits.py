"""The schedule: references, anchors, order, windows."""

import datetime as dt
import itertools
from collections.abc import Callable

from trialsite.protocol.definition import offset_of
from trialsite.protocol.meaning.draft import Document, Draft, Found


def problems_of(draft: Draft) -> Found:
    """Every mistake in the schedule."""
    document = draft.document
    visits = document["visits"]
    codes = {visit["code"] for visit in visits}
    forms = {form["code"] for form in document["forms"]}
    forms |= {part.removeprefix("form:") for part in draft.broken}
    arms = {arm["code"] for arm in document["trial"]["arms"]}
    for place, visit in enumerate(visits):
        for key, known in (
            ("forms", forms),
            ("arms", arms),
            ("must_follow", codes),
            ("should_follow", codes),
        ):
            for name in visit.get(key, ()):
                if name not in known:
                    yield "visits", f"[{place}].{key}", f"there is no {name!r}"
        offsets = [key for key in ("day", "weeks", "months") if key in visit]
        if visit["kind"] == "unscheduled" and offsets:
            yield "visits", f"[{place}].{offsets[0]}", "an unscheduled visit has no date"
        elif visit["kind"] != "unscheduled" and len(offsets) != 1:
            yield "visits", f"[{place}].day", "one of day, weeks and months is needed for a visit with a date"
        if visit.get("arms") and not visit.get("reveals_arm"):
            yield "visits", f"[{place}].reveals_arm", "must be true: whoever sees the visit knows the arm"
    yield from _anchors(document)
    yield from _telling(document)
    yield from _acyclic(visits, "must_follow", lambda visit: [*visit.get("must_follow", ())])
    yield from _acyclic(visits, "should_follow", lambda visit: [*visit.get("should_follow", ())])
    yield from _acyclic(visits, "anchor", _base)
    yield from _overlaps(document)


def _anchor(document: Document, visit: Document) -> str:
    return str(visit.get("anchor", document["trial"]["anchor"]))


def _base(visit: Document) -> list[str]:
    """The visit that this one is anchored on, if any."""
    anchor = visit.get("anchor", "")
    return [anchor.removeprefix("visit:")] if anchor.startswith("visit:") else []


def _anchors(document: Document) -> Found:
    known = {visit["code"]: visit for visit in document["visits"]}
    for place, visit in enumerate(document["visits"]):
        for code in _base(visit):
            base = known.get(code)
            if base is None:
                yield "visits", f"[{place}].anchor", f"there is no {code!r}"
            elif base["kind"] == "unscheduled":
                yield "visits", f"[{place}].anchor", f"{code} has no date of its own to count from"
            elif sorted(base.get("arms", ())) != sorted(visit.get("arms", ())):
                yield "visits", f"[{place}].arms", f"must be those of {code}, from which it counts"


def _telling(document: Document) -> Found:
    """A visit that counts from what differs by arm is hidden like one of a single arm: its dates would tell.

    Local treatment ends with the surgery in an arm without treatment of its own, and later in another.
    """
    if "local_treatment" not in document["trial"]:
        return
    known = {visit["code"]: visit for visit in document["visits"]}
    for place, visit in enumerate(document["visits"]):
        if visit.get("reveals_arm") or visit["kind"] == "unscheduled":
            continue
        if _anchor(document, visit) == "end_of_local_treatment":
            yield (
                "visits",
                f"[{place}].reveals_arm",
                "must be true: local treatment ends otherwise in each arm",
            )
        for code in _base(visit):
            if known.get(code, {}).get("reveals_arm"):
                yield (
                    "visits",
                    f"[{place}].reveals_arm",
                    f"must be true: it counts from {code}, which tells the arm",
                )


def _acyclic(visits: list[Document], key: str, before: Callable[[Document], list[str]]) -> Found:
    follows = {visit["code"]: before(visit) for visit in visits}
    for place, visit in enumerate(visits):
        reached, open_ends = set(), list(follows[visit["code"]])
        while open_ends:
            code = open_ends.pop()
            if code not in reached:
                reached.add(code)
                open_ends += follows.get(code, ())
        if visit["code"] in reached:
            yield "visits", f"[{place}].{key}", "leads back to this visit"


def _overlaps(document: Document) -> Found:
    """Windows within the series may not overlap: a date must belong to one visit at most.

    Two visits of arms that nobody has both of never meet. Visits that count from different dates cannot be compared,
    and so cannot stand in one series.
    """
    series = [
        (place, visit)
        for place, visit in enumerate(document["visits"])
        if visit["kind"] == "series" and offset_of(visit) is not None
    ]
    for (_, one), (place, other) in itertools.combinations(series, 2):
        if one.get("arms") and other.get("arms") and not set(one["arms"]) & set(other["arms"]):
            continue
        if _anchor(document, one) != _anchor(document, other):
            yield "visits", f"[{place}].anchor", f"is not that of {one['code']}, of the same series"
        elif _overlap(one, other):
            yield "visits", f"[{place}]", f"its window overlaps that of {one['code']}"


# Ten years around 2100, which is no leap year: every way in which months and leap days can follow each other.
_ANY_ANCHOR = [dt.date(2095, 1, 1) + dt.timedelta(days=shift) for shift in range(3653)]


def _overlap(one: Document, other: Document) -> bool:
    """Whether the windows of two visits with one anchor share a day, for any anchor where months are counted."""
    first, second = offset_of(one), offset_of(other)
    assert first is not None and second is not None  # noqa: S101 -- the caller has asked
    anchors = _ANY_ANCHOR if "months" in (first.unit, second.unit) else _ANY_ANCHOR[:1]
    for anchor in anchors:
        apart = (second.after(anchor) - first.after(anchor)).days
        earlier, later = (one, other) if apart >= 0 else (other, one)
        if earlier.get("after", 0) + later.get("before", 0) >= abs(apart):
            return True
    return False
