"""Save → export → import into an empty participant → export: the same values, for every form filled by hand.

Drafts with gaps, and complete records. Forms of key facts are saved by their steps alone; no file brings them in.
"""

import datetime as dt
from fractions import Fraction
from random import Random

import pytest

from tests.conftest import activate, make_person
from tests.imports.conftest import as_lines, as_text, brought_in, consented, table
from trialsite.audit.context import acting
from trialsite.casebook.entering import try_values
from trialsite.casebook.errors import ValuesRefused
from trialsite.casebook.models import Record
from trialsite.casebook.rules import MISSING_REASONS
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.exports.columns import KEYS

TODAY = clock.today("Asia/Shanghai")
DAYS = [(TODAY - dt.timedelta(days=n)).isoformat() for n in range(4)]
# One walk over all forms draws some hundred entries; a second would cost a minute.
DICE = Random()
LETTERS = "aZ9 ,;\"'\n\t=+@<>&%_é脊柱β½\u2028🙂"


@pytest.fixture(autouse=True)
def _the_same_in_each_run():
    DICE.seed(20260214)


def entry_of(item):
    """What may be entered for an item, or is refused by its ranges."""
    if item.type in ("integer", "decimal"):
        return number_of(item)
    codes = [choice.code for choice in item.choices]
    return {
        "choice": lambda: DICE.choice(codes),
        "multichoice": lambda: sorted(DICE.sample(codes, DICE.randint(1, len(codes)))),
        "text": lambda: "".join(DICE.choices(LETTERS, k=DICE.randint(1, 30))),
        "boolean": lambda: DICE.random() < 0.5,
        "date": lambda: DICE.choice([*DAYS, "2025", "2025-03"] if item.partial else DAYS),
        "time": lambda: DICE.choice(["00:00", "07:30", "23:59"]),
        "datetime": lambda: DICE.choice([f"{DAYS[1]}T09:30:00+08:00", f"{DAYS[2]}T00:00:00+00:00"]),
    }[item.type]()


def number_of(item):
    low = item.hard.low if item.hard and item.hard.low is not None else Fraction(0)
    high = item.hard.high if item.hard and item.hard.high is not None else low + 500
    unit = DICE.choice([*item.accepted_units]) if item.accepted_units else None
    factor = item.accepted_units[unit] if unit else Fraction(1)
    value = (low + (high - low) * Fraction(DICE.randint(0, 50), 50)) / factor
    written = str(round(value)) if item.type == "integer" else f"{float(round(value, 4)):.4f}"
    entry = {"value": (DICE.choice(["", "<", "≥"]) if item.signed else "") + written}
    if unit:
        entry["unit"] = unit
    if item.uln:
        entry["uln"] = DICE.choice(["1.2", "40", "0.333", "104"])
    return entry


def filled(form):
    """Entries of a form: most items answered, some missing with a reason, some open."""
    found = {}
    for name, item in form.items.items():
        kind = DICE.choice(["value"] * 6 + ["missing", "open"])
        if not item.derive and kind == "value":
            found[name] = entry_of(item)
        elif not item.derive and kind == "missing":
            found[name] = {"missing": DICE.choice(sorted(MISSING_REASONS))}
    return found


def forms_by_hand(definition):
    """(event, form) of each form that no step of its own saves, at the first event that collects it."""
    at: dict[str, str] = {}
    for visit in definition.visits:
        for code in visit.forms:
            if not definition.form(code).drives:
                at.setdefault(code, visit.code)
    return [(event, definition.form(code)) for code, event in at.items()]


def saved_as_draft(coordinator, participant, event, form, values):
    """Save what is not refused."""
    with acting(coordinator):
        for _ in range(4):
            wrong = try_values(participant=participant, event=event, form=form, values=values).faults
            if not wrong:
                break
            values = {name: entry for name, entry in values.items() if name not in wrong}
    save_record(
        actor=coordinator,
        participant=participant,
        event=event,
        form=form.code,
        values=values,
        complete=False,
    )


def of(lines, participant):
    values = [
        {name: cell for name, cell in line.items() if name not in KEYS}
        for line in lines
        if line["participant"] == participant.code
    ]
    assert len(values) == 1
    return values[0]


def saved_complete(coordinator, participant, event, form):
    """Save a record as complete; what is refused is drawn anew, and in the end missing with a reason."""
    asked = {name: item for name, item in form.items.items() if not item.derive}
    values = {name: entry_of(item) for name, item in asked.items()}
    for attempt in range(16):
        try:
            save_record(
                actor=coordinator, participant=participant, event=event, form=form.code, values=values
            )
        except ValuesRefused as refused:
            for name in set(refused.fields) & set(asked):
                again = attempt < 10 or asked[name].needed
                values[name] = entry_of(asked[name]) if again else {"missing": "unknown"}
        else:
            return
    raise AssertionError((form.code, values))


def brought_round(coordinator, statistician, first, second, forms):
    """Bring every form of `first` into `second` by its exported table; both then hold the same."""
    for _event, form in forms:
        out = table(statistician, form.code)
        lines = [
            line | {"participant": second.code, "record_version": ""}
            for line in as_lines(out)
            if line["participant"] == first.code
        ]
        found, faults = brought_in(coordinator, form=form.code, csv=as_text(lines))
        assert [(one.code, one.message, one.fields) for one in faults] == [], form.code
        assert found.saved == 1, form.code
        again, _ = brought_in(coordinator, form=form.code, csv=as_text(lines))
        assert (again.saved, again.unchanged) == (0, 1), form.code
        back = as_lines(table(statistician, form.code))
        assert of(back, second) == of(back, first), form.code
    with acting(coordinator):
        stored = {
            (row.participant_id, row.form): (row.state, row.data)
            for row in Record.objects.filter(participant__in=[first, second])
        }
    for _event, form in forms:
        assert stored[second.pk, form.code] == stored[first.pk, form.code], form.code
    return {state for state, _data in stored.values()}


def two_people():
    """(coordinator, statistician, two consented participants of whom nothing is recorded, the forms)."""
    site = activate("SHGH")
    coordinator, investigator = make_person("coordinator", site), make_person("investigator", site)
    first, second = (consented(site, coordinator, investigator) for _ in range(2))
    forms = forms_by_hand(first.protocol_version.definition)
    assert len(forms) > 25
    return coordinator, make_person("statistician"), first, second, forms


def test_every_draft_comes_back_as_it_went_out(committed):
    coordinator, statistician, first, second, forms = two_people()
    for event, form in forms:
        saved_as_draft(coordinator, first, event, form, filled(form))
    assert brought_round(coordinator, statistician, first, second, forms) == {"draft"}


def test_every_complete_record_comes_back_as_it_went_out(committed):
    coordinator, statistician, first, second, forms = two_people()
    for event, form in forms:
        saved_complete(coordinator, first, event, form)
    assert brought_round(coordinator, statistician, first, second, forms) == {"complete"}
