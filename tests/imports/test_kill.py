"""`kill -9` amid an import: what was counted is saved, the next worker does the rest, and nothing is done twice."""

import os
import signal
import subprocess
import sys
import time

from tests.conftest import ROOT
from tests.imports.conftest import post
from tests.imports.test_imports import TODAY, events
from trialsite.audit.context import acting
from trialsite.casebook.models import Record
from trialsite.imports import working
from trialsite.imports.models import Import

ROWS = 61
_WORK = (
    "import django; django.setup();"
    "from trialsite.staff.models import User; from trialsite.imports import working;"
    "working.work_off(actor=User.objects.get(pk={actor}), number={number})"
)


def _progress(actor, number):
    with acting(actor):
        found = Import.objects.get(pk=number)
        return found.done, found.saved, Record.objects.filter(form="adverse_event").count()


def test_a_killed_worker_loses_and_doubles_no_row(cluster, committed, empty, coordinator):
    text = events(empty, *(f"{TODAY},event {number},1,N" for number in range(ROWS)))
    number = post(coordinator, form="adverse_event", csv=text).json()["id"]
    environ = os.environ | {
        "DJANGO_SETTINGS_MODULE": "trialsite.settings",
        "DATABASE_URL": cluster.url("edc_app", committed),
    }
    program = _WORK.format(actor=coordinator.pk, number=number)
    worker = subprocess.Popen([sys.executable, "-c", program], env=environ, cwd=ROOT)
    try:
        ends = time.monotonic() + 60
        while not _progress(coordinator, number)[0] and time.monotonic() < ends:
            time.sleep(0.01)
    finally:
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    ends = time.monotonic() + 20
    done, saved, records = _progress(coordinator, number)
    while (done, saved) != (records, records) and time.monotonic() < ends:
        time.sleep(0.1)  # the server ends the killed worker's transaction
        done, saved, records = _progress(coordinator, number)
    assert 0 < done < ROWS
    assert done == saved == records
    while (left := working.work_off(actor=coordinator, number=number)) is None or left.state != "done":
        time.sleep(0.1)
    assert _progress(coordinator, number) == (ROWS, ROWS, ROWS)
    with acting(coordinator):
        assert set(Record.objects.filter(form="adverse_event").values_list("version", flat=True)) == {1}
