"""Saving a form, in process: through the one door with its checks, queries, scores and trail; and the bare row.

Both as the serving role under row policies, with the trail's trigger, statements prepared, and a commit that waits for
the disk.
"""

import itertools
from typing import Any, Final

import psycopg
from django.db import connection
from django.test.utils import CaptureQueriesContext
from psycopg.types.json import Jsonb

from tests.bench.timing import Stage, report, timed
from trialsite.audit.context import acting
from trialsite.casebook.models import Record
from trialsite.casebook.services import save_record
from trialsite.core import clock

RUNS = 40
INSERT: Final = """
INSERT INTO casebook_record (created_at, participant_id, site_id, protocol_version_id, event, form, repeat, data,
    state, version, observed_on, reveals_arm, updated_by_id, updated_at)
VALUES (now(), %s, %s, %s, %s, %s, 1, %s, 'complete', 1, %s, false, %s, now())
"""


def measure(stage: Stage) -> None:
    """Complete forms, one checked and one scored too, and a draft without entries; each beside the same bare row."""
    today = clock.today(stage.site.timezone).isoformat()
    forms: dict[str, dict[str, Any]] = {
        "vitals": {"vsdat": today, "sysbp": "128", "diabp": "80", "pulse": "72", "temp": "36.6"},
        "pain": {"paindat": today, "worst": "6", "average": "4"},
        "opioids": {},
    }
    for form, values in forms.items():
        _one(stage, form, values, complete=bool(values))


def _one(stage: Stage, form: str, values: dict[str, Any], *, complete: bool) -> None:
    actor, people = stage.coordinator, itertools.cycle(stage.people)
    free = iter([(person, event) for event in ("W1", "W2", "W4", "M3") for person in stage.people])
    given: dict[str, Any] = {"actor": actor, "form": form, "values": values, "complete": complete}

    def save() -> Any:
        person, event = next(free)
        return save_record(participant=person, event=event, **given)

    for _ in range(3):
        save()
    with CaptureQueriesContext(connection) as asked:
        record = save().record
    url = stage.cluster.url("edc_app", stage.name)
    with psycopg.connect(url, autocommit=True) as app:
        places = iter([(person, f"B{number}") for number in range(RUNS) for person in [next(people)]])

        def insert() -> None:
            person, event = next(places)
            with app.transaction():
                app.execute("SELECT set_config('edc.actor', %s, true)", [str(actor.pk)])
                app.execute(
                    INSERT,
                    [
                        *(person.pk, person.site_id, person.protocol_version_id, event, form),
                        *(Jsonb(record.data), record.observed_on, actor.pk),
                    ],
                )

        # In turn, so that whatever else the machine does bears on both.
        both = [(timed(save), timed(insert)) for _ in range(RUNS)]
    ours, bare = [mine for mine, _ in both], [theirs for _, theirs in both]
    report(f"save of {form}, {len(asked)} statements", ours, bare)
    with acting(actor):
        assert Record.objects.filter(form=form, event="W1").exists()
