"""Nothing tells what recruiters must not know: a whole run is made, and everything it left behind is searched."""

import logging
import re
import subprocess

import pytest
from django.db import connections
from django.test import Client

from randomization.models import Allocation
from randomization.services import install_list
from tests.conftest import make_person
from tests.path import walk
from tests.randomization.stories import made_list, randomize
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.outbox.models import Message
from trialsite.runtime.postgres import tool
from trialsite.staff.checks import routes

# Words of the specification; `block` alone is a word of style sheets.
METHOD = re.compile(r"permuted|block_sizes|block size|big_stick|big stick|minimi[sz]ation", re.I)


@pytest.fixture
def run(committed, team_a, team_b, loader, caplog):
    """Four allocations at each hospital with all logs; whose r and arms are known to the test alone."""
    caplog.set_level(logging.DEBUG)
    document = made_list()
    install_list(actor=loader, document=document, total_cap=120)
    for number, team in enumerate((team_a, team_b) * 3):
        randomize(team, walk("operated", **team), f"silent-run-{number}")
    with acting(loader):
        rows = list(Allocation.objects.select_related("participant", "site"))
    return {
        "rows": rows,
        "rule": document["rule"],
        "opened": [bytes(row.r).hex() for row in rows],
        "sealed": [entry["ciphertext"] for part in document["strata"] for entry in part["entries"]],
    }


def test_logs_of_a_whole_run_tell_no_arm_no_r_and_no_method(run, caplog, team_a):
    client = Client()
    client.force_login(team_a["coordinator"])
    again = f"/api/v1/participants/{run['rows'][0].participant.code}/randomize/"
    refused = client.post(
        again, content_type="application/json", headers={"Idempotency-Key": "another-key-of-mine"}
    )
    assert refused.status_code == 409
    assert "RFA_PVP" not in refused.content.decode()
    said = "\n".join(record.getMessage() for record in caplog.records if record.name != "django.db.backends")
    assert said
    assert "RFA_PVP" not in said
    assert not METHOD.search(said)
    assert [r for r in run["opened"] if r in said] == []


def test_messages_and_trail_name_no_arm_to_those_who_may_not_see_it(run, site_a, loader):
    assessor = make_person("assessor", site_a)
    with acting(loader):
        payloads = "\n".join(f"{one.key} {one.payload}" for one in Message.objects.filter(kind="allocation"))
        trail = "\n".join(str(one.changes) for one in Event.objects.all())
    assert "RFA_PVP" not in payloads
    assert [r for r in (*run["opened"], *run["sealed"], run["rule"]) if r in trail + payloads] == []
    with acting(assessor):
        assert not Event.objects.filter(table_name__startswith="randomization_allocation").exists()


def test_recruiting_roles_meet_neither_method_nor_other_hospitals_on_any_page_or_route(run, site_a, team_a):
    elsewhere = [row for row in run["rows"] if row.site_id != site_a.pk]
    here = [row for row in run["rows"] if row.site_id == site_a.pk]
    # The own rows are chained to the row before, whose hash tells nothing of it.
    chained = {row.previous_hash for row in here}
    hidden = [row.participant.code for row in elsewhere]
    hidden += [row.hash for row in elsewhere if row.hash not in chained]
    assert len(hidden) > len(elsewhere)
    wrong = []
    for role in ("coordinator", "investigator", "pi"):
        client = Client(raise_request_exception=False)
        client.force_login(make_person(role, site_a))
        for path, _ in routes():
            if path.startswith(("healthz", "i18n", "api/v1/docs")):
                continue
            filled = path.replace("<str:code>", here[0].participant.code)
            if "<" in filled or "(?P" in filled:
                continue
            text = b"".join(client.get(f"/{filled}")).decode(errors="replace")
            told = METHOD.search(text)
            if told:
                wrong.append((role, path, told[0]))
            wrong += [(role, path, word) for word in hidden if word in text]
        # Errors say no more.
        for path in (
            f"api/v1/participants/{elsewhere[0].participant.code}/certificate/",
            "admin/no-such-page/",
        ):
            answer = client.get(f"/{path}")
            assert answer.status_code == 404
            assert "RFA_PVP" not in answer.content.decode()
    assert wrong == []


@pytest.mark.django_db
def test_the_description_of_the_api_names_no_method():
    assert not METHOD.search(Client().get("/api/v1/schema/").content.decode())


def test_a_dump_taken_by_the_serving_role_holds_no_arm_and_no_r(run, cluster):
    name = connections.settings["default"]["NAME"]
    url = cluster.url("edc_app", name)
    plain = subprocess.run([tool("pg_dump"), url], capture_output=True, text=True, check=False)
    assert plain.returncode != 0, "row policies forbid a whole dump"
    dump = subprocess.run(
        [tool("pg_dump"), "--enable-row-security", "--data-only", "--exclude-table=django_migrations", url],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    assert "randomization_sealedentry" in dump, "the ciphertexts are in it, and nothing else of the list"
    assert [r for r in run["opened"] if r in dump] == []
    assert not METHOD.search(dump)
    told = [line[:80] for line in dump.splitlines() if "RFA_PVP" in line]
    tables = re.split(r"^COPY public\.(\w+)", dump, flags=re.M)
    named = {table for table, body in zip(tables[1::2], tables[2::2], strict=True) if "RFA_PVP" in body}
    assert named <= {"protocol_protocolversion", "randomization_scheme"}, told
