"""`kill -9` amid saves: what was acknowledged is there, and no record stands without its query and its trail."""

import os
import signal
import subprocess
import sys

import psycopg

from tests.conftest import ROOT
from tests.path import walk
from tests.processes import eventually
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.casebook.models import Query, Record
from trialsite.core import clock

# Grade 5 and not serious: each record raises one query.
_SAVE = """
import django; django.setup()
import itertools
from trialsite.audit.context import acting
from trialsite.casebook.services import save_record
from trialsite.participants.models import Participant
from trialsite.staff.models import User
actor = User.objects.get(pk={actor})
with acting(actor):
    participant = Participant.objects.with_protocol().get(pk={participant})
for number in itertools.count(1):
    values = {{"aestdat": "{today}", "aeterm": f"event {{number}}", "aetoxgr": "5", "aeser": False}}
    save_record(
        actor=actor, participant=participant, event="LOG", form="adverse_event", repeat=number, values=values
    )
    print(number, flush=True)
"""


def test_a_killed_process_leaves_no_acknowledged_save_behind_and_none_by_half(
    cluster, committed, site_a, coordinator, investigator, person
):
    participant = walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)
    environ = os.environ | {
        "DJANGO_SETTINGS_MODULE": "trialsite.settings",
        "DATABASE_URL": cluster.url("edc_app", committed),
    }
    today = clock.today(site_a.timezone).isoformat()
    program = _SAVE.format(actor=coordinator.pk, participant=participant.pk, today=today)
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, env=environ, cwd=ROOT, stdout=subprocess.PIPE, text=True) as saver:
        assert saver.stdout
        try:
            told = [int(saver.stdout.readline()) for _ in range(12)]
        finally:
            os.kill(saver.pid, signal.SIGKILL)
        told += [int(line) for line in saver.stdout]  # acknowledged between the twelfth and the kill
    auditor = person("auditor")

    def settled():
        with acting(auditor):
            found = {row.repeat: row for row in Record.objects.filter(form="adverse_event")}
            asked = set(
                Query.objects.filter(record__in=found.values()).values_list("record__repeat", flat=True)
            )
            trailed = Event.objects.filter(table_name="casebook_record", action="insert")
            kept = set(trailed.values_list("row_key", flat=True))
        return found, asked, kept

    eventually(lambda: _nothing_in_flight(cluster, committed))
    found, asked, kept = settled()
    assert told == list(range(1, len(told) + 1))
    assert set(told) <= set(found) <= {*told, len(told) + 1}
    assert asked == set(found)
    assert {str(row.pk) for row in found.values()} <= kept
    assert all(row.state == "complete" and len(row.data) == 4 for row in found.values())


def _nothing_in_flight(cluster, name):
    """Whether the server has ended the transaction of the killed process."""
    with psycopg.connect(cluster.url("postgres", "postgres"), autocommit=True) as line:
        open_ones = line.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND xact_start IS NOT NULL", [name]
        ).fetchone()
    return open_ones == (0,)
