"""Saving an input through HTTP: one program at a real server, beside the bare row."""

import datetime as dt
import http.client
import json
import tempfile
from pathlib import Path

import psycopg
from psycopg.types.json import Jsonb

from tests.bench.saving import INSERT, RUNS
from tests.bench.timing import Stage, report, timed
from trialsite.core import clock
from trialsite.staff.tokens import issue_token


def measure(stage: Stage) -> None:
    """A new form of vital signs by REST, and the same row in bare SQL, in turn."""
    from tests.harness import serving

    today = clock.today(stage.site.timezone).isoformat()
    signs = {"vsdat": today, "sysbp": "128", "diabp": "80", "pulse": "72", "temp": "36.6"}
    actor, url = stage.coordinator, stage.cluster.url("edc_app", stage.name)
    token = issue_token(actor=actor, user=actor, name="bench", valid_for=dt.timedelta(hours=1))
    places = iter([(person, event) for event in ("W1", "W2", "W4") for person in stage.people])
    bare = iter([(person, f"B{number}") for number, person in enumerate(2 * stage.people)])
    headers = {"Authorization": f"Token {token}", "Content-Type": "application/json"}
    with tempfile.TemporaryDirectory(prefix="tsb") as text:
        folder = Path(text)
        with (
            serving.gunicorn(folder, url, folder / "step") as (_, port),
            psycopg.connect(url, autocommit=True) as app,
        ):
            line = http.client.HTTPConnection("127.0.0.1", port)

            def save() -> None:
                person, event = next(places)
                path = f"/api/v1/participants/{person.code}/records/{event}/vitals/"
                line.request("PUT", path, json.dumps({"values": signs}), headers)
                answer = line.getresponse()
                told = answer.read()
                assert answer.status in (200, 201), told

            def insert() -> None:
                person, event = next(bare)
                with app.transaction():
                    app.execute("SELECT set_config('edc.actor', %s, true)", [str(actor.pk)])
                    app.execute(
                        INSERT,
                        [
                            *(person.pk, person.site_id, person.protocol_version_id, event, "vitals"),
                            *(
                                Jsonb({name: {"value": value} for name, value in signs.items()}),
                                today,
                                actor.pk,
                            ),
                        ],
                    )

            # Every thread of the server has its connection, its statements prepared.
            for _ in range(60):
                save()
            both = [(timed(save), timed(insert)) for _ in range(RUNS)]
    report("save of vitals through HTTP", [mine for mine, _ in both], [theirs for _, theirs in both])
