"""Nothing tells what recruiters must not know: a whole run is made, and everything it left behind is searched."""

import base64
import logging
import os
import re
import subprocess
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.db import connections
from django.test import Client, override_settings

from randomization import generation, vault
from randomization.models import Allocation
from randomization.rules import sealing
from randomization.rules.specification import read
from randomization.services import install_list
from tests.conftest import built_once, make_person
from tests.path import walk
from tests.randomization.stories import SECRET, made_list, made_specification, made_team, randomize
from tests.randomization.test_minimisation import SPECIFICATION
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.exports.services import table_csv
from trialsite.exports.tables import tables
from trialsite.outbox.models import Message
from trialsite.runtime.postgres import tool
from trialsite.staff.capabilities import ARM_SEE, CAPABILITIES, DATA_EXPORT, RANDOMIZE
from trialsite.staff.checks import routes
from trialsite.staff.models import system_actor

# Words of the specification; `block` alone is a word of style sheets.
METHOD = re.compile(r"permuted|block_sizes|block size|big_stick|big stick|minimi[sz]ation", re.I)
# Nobody signs in as the system.
RECRUITING = [role for role, names in CAPABILITIES.items() if RANDOMIZE in names and role != "system"]
EXPORTING = [role for role, names in CAPABILITIES.items() if DATA_EXPORT in names and role != "system"]


def made_run() -> dict[str, Any]:
    """Three allocations at each of two hospitals; whose r and arms are known to the test alone."""
    team_a, team_b, loader = made_team("SHGH"), made_team("SMU3"), system_actor("system.loader")
    document = made_list()
    install_list(actor=loader, document=document, total_cap=120)
    for number, team in enumerate((team_a, team_b) * 3):
        randomize(team, walk("operated", **team), f"silent-run-{number}")
    with acting(loader):
        rows = list(Allocation.objects.select_related("participant", "site"))
    specification = made_specification()
    seed = generation.combined(specification, [SECRET])
    opened = {bytes(row.r).hex() for row in rows}
    salts = {
        sealing.salt(seed, stratum, index).hex()
        for stratum in specification.strata
        for index in range(1, specification.length + 1)
    }
    assert opened < salts
    key = base64.b64decode(settings.SEQUENCE_KEY)
    return {
        "team": team_a,
        "site": team_a["site"],
        "secret": [
            *(salts - opened),
            seed.hex(),
            SECRET.hex(),
            SECRET.decode(),
            key.hex(),
            settings.SEQUENCE_KEY,
        ],
        "rows": rows,
        "rule": document["rule"],
        "opened": [bytes(row.r).hex() for row in rows],
        "sealed": [entry["ciphertext"] for part in document["strata"] for entry in part["entries"]],
    }


@built_once
def run():
    return made_run()


@pytest.fixture
def logged(committed, caplog):
    """A run of its own, with all that was logged meanwhile."""
    caplog.set_level(logging.DEBUG)
    return made_run()


def told(run: dict[str, Any], text: str) -> list[str]:
    """What `text` says of the method, of entries to come, of seed, secrets and key."""
    method = METHOD.search(text)
    return [*([method[0]] if method else []), *(secret for secret in run["secret"] if secret in text)]


@built_once
def minimised():
    """A run of a list that commits draws: what is drawn tells, with the arms before, how the next may fall."""
    team, loader = made_team("SHGH"), system_actor("system.loader")
    key = vault.key_from(settings.SEQUENCE_KEY)
    install_list(actor=loader, document=generation.sealed_list(read(SPECIFICATION), [SECRET], key))
    for number in range(2):
        randomize(team, walk("operated", **team), f"minimised-run-{number}")
    with acting(loader):
        return {"site": team["site"], "rows": list(Allocation.objects.select_related("participant"))}


@pytest.mark.parametrize("role", RECRUITING)
def test_recruiting_roles_read_no_draw_on_any_route_of_an_allocation(minimised, role):
    client = Client()
    client.force_login(make_person(role, minimised["site"]))
    draws = [bytes(row.r).hex() for row in minimised["rows"]]
    for row in minimised["rows"]:
        assert client.get(f"/api/v1/participants/{row.participant.code}/proof/").status_code == 403
        shown = [
            client.get(f"/api/v1/participants/{row.participant.code}/{what}/")
            for what in ("", "certificate", "allocation")
        ] + [client.get(f"/admin/participant/{row.participant.code}/{what}") for what in ("", "certificate/")]
        text = "".join(answer.content.decode() for answer in shown if answer.status_code == 200)
        assert row.arm in text
        assert [draw for draw in draws if draw in text] == []
        assert METHOD.search(text) is None


def test_logs_and_errors_of_a_whole_run_tell_no_arm_no_r_and_no_method(logged, caplog):
    run, team_a = logged, logged["team"]
    client = Client()
    client.force_login(team_a["coordinator"])
    again = f"/api/v1/participants/{run['rows'][0].participant.code}/randomize/"
    refused = client.post(
        again,
        {"strata": {"site": "SMU3"}},
        content_type="application/json",
        headers={"Idempotency-Key": "another-key-of-mine"},
    )
    assert refused.status_code == 409
    assert "RFA_PVP" not in refused.content.decode()
    # A list that does not open under the key of this server is an error like any other.
    turn = f"/api/v1/participants/{walk('operated', **team_a).code}/randomize/"
    with override_settings(SEQUENCE_KEY=base64.b64encode(bytes(32)).decode()):
        failed = client.post(
            turn, content_type="application/json", headers={"Idempotency-Key": "a-wrong-key"}
        )
    assert failed.status_code >= 400
    assert "RFA_PVP" not in failed.content.decode()
    assert told(run, failed.content.decode() + refused.content.decode()) == []
    said = "\n".join(record.getMessage() for record in caplog.records if record.name != "django.db.backends")
    assert said
    assert "RFA_PVP" not in said
    assert told(run, said) == []
    assert [r for r in run["opened"] if r in said] == []


def test_messages_and_trail_name_no_arm_to_those_who_may_not_see_it(run, loader):
    assessor = make_person("assessor", run["site"])
    with acting(loader):
        payloads = "\n".join(f"{one.key} {one.payload}" for one in Message.objects.filter(kind="allocation"))
        trail = "\n".join(str(one.changes) for one in Event.objects.all())
    assert "RFA_PVP" not in payloads
    assert [r for r in (*run["opened"], *run["sealed"], run["rule"]) if r in trail + payloads] == []
    assert told(run, trail + payloads) == []
    with acting(assessor):
        assert not Event.objects.filter(table_name__startswith="randomization_allocation").exists()


def test_recruiting_roles_meet_neither_method_nor_other_hospitals_on_any_page_or_route(run):
    site_a = run["site"]
    elsewhere = [row for row in run["rows"] if row.site_id != site_a.pk]
    here = [row for row in run["rows"] if row.site_id == site_a.pk]
    # The own rows are chained to the row before, whose hash tells nothing of it.
    chained = {row.previous_hash for row in here}
    hidden = [row.participant.code for row in elsewhere]
    hidden += [row.hash for row in elsewhere if row.hash not in chained]
    assert len(hidden) > len(elsewhere)
    wrong = []
    for role in RECRUITING:
        client = Client(raise_request_exception=False)
        client.force_login(make_person(role, site_a))
        for path, _ in routes():
            if path.startswith(("healthz", "i18n", "api/v1/docs")):
                continue
            filled = path.replace("<str:code>", here[0].participant.code)
            # A paper is compressed: its text is read by the tests of papers.
            if "<" in filled or "(?P" in filled or filled.endswith((".pdf", "pdf/")):
                continue
            text = b"".join(client.get(f"/{filled}")).decode(errors="replace")
            wrong += [(role, path, word) for word in (*told(run, text), *hidden) if word in text]
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


def test_no_admin_page_of_an_object_nor_its_history_tells_more(run, loader):
    """The newest object of every registered window and its history, as a recruiting role and as an assessor."""
    site_a = run["site"]
    elsewhere = [row for row in run["rows"] if row.site_id != site_a.pk]
    hidden = [row.participant.code for row in elsewhere]
    with acting(loader):
        objects = [
            (model._meta, pk)
            for model in admin.site._registry
            for pk in model._base_manager.order_by("-pk").values_list("pk", flat=True)[:1]
        ]
    names = {meta.label_lower for meta, _ in objects}
    assert "participants.participant" in names
    assert any(name.startswith("randomization.") for name in names)
    wrong, opened = [], 0
    for role in (RECRUITING[0], "assessor"):
        client = Client(raise_request_exception=False)
        client.force_login(make_person(role, site_a))
        for meta, pk in objects:
            for page in ("change", "history"):
                path = f"/admin/{meta.app_label}/{meta.model_name}/{pk}/{page}/"
                answer = client.get(path)
                text = b"".join(answer).decode(errors="replace")
                opened += answer.status_code == 200
                wrong += [(role, path, word) for word in (*told(run, text), *hidden) if word in text]
                # The protocol's own text names both arms to everyone.
                if role == "assessor" and "RFA_PVP_SBRT" in text and meta.app_label != "protocol":
                    wrong.append((role, path, "RFA_PVP_SBRT"))
    assert wrong == []
    assert opened > 2


def test_no_object_names_itself_by_what_is_hidden(run, loader):
    with acting(loader):
        said = "\n".join(
            f"{row} {row!r}"
            for model in apps.get_app_config("randomization").get_models()
            for row in model._base_manager.all()[:400]
        )
    assert said.count("\n") > 360
    assert "RFA_PVP" not in said
    assert told(run, said) == []
    assert [r for r in (*run["opened"], *run["sealed"]) if r in said] == []


@pytest.mark.parametrize("role", EXPORTING)
def test_exports_tell_neither_method_nor_what_is_to_come(run, role):
    site_a = run["site"]
    actor = make_person(role, site_a)
    exported = "".join(
        b"".join(table_csv(actor=actor, name=name)).decode()
        for name in ("codebook", *(table.name for table in tables(actor)))
    )
    codes = {row.participant.code: row.site_id == site_a.pk for row in run["rows"]}
    assert {code: code in exported for code in codes} == codes
    assert told(run, exported) == []
    assert [r for r in (*run["opened"], *run["sealed"]) if r in exported] == []


def dumped(cluster, actor=None) -> dict[str, str]:
    """A dump of all that the serving role can read, table by table; as one who has bound `actor`, or nobody."""
    url = cluster.url("edc_app", connections.settings["default"]["NAME"])
    plain = subprocess.run([tool("pg_dump"), url], capture_output=True, text=True, check=False)
    assert plain.returncode != 0, "row policies forbid a whole dump"
    bound = {"PGOPTIONS": f"-c edc.actor={actor.pk}"} if actor else {}
    done = subprocess.run(
        [tool("pg_dump"), "--enable-row-security", "--data-only", "--exclude-table=django_migrations", url],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | bound,
    )
    assert done.returncode == 0, done.stderr
    parts = re.split(r"^COPY public\.(\w+)", done.stdout, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


NAMES_BOTH_ARMS = {"protocol_protocolversion", "randomization_scheme"}


def test_a_dump_taken_by_the_serving_role_holds_no_arm_and_no_r(run, cluster):
    dump = dumped(cluster)
    text = "\n".join(dump.values())
    assert run["sealed"][0] in dump["randomization_sealedentry"], (
        "ciphertexts are in it, nothing else of the list"
    )
    assert [r for r in run["opened"] if r in text] == []
    assert told(run, text) == []
    assert {table for table, body in dump.items() if "RFA_PVP" in body} <= NAMES_BOTH_ARMS


@pytest.mark.parametrize("role", [*RECRUITING, "assessor"])
def test_a_dump_with_someone_bound_holds_what_that_person_may_see_of_the_own_hospital(run, cluster, role):
    site_a = run["site"]
    actor = make_person(role, site_a)
    dump = dumped(cluster, actor)
    text = "\n".join(dump.values())
    assert told(run, text) == []
    here = [row for row in run["rows"] if row.site_id == site_a.pk]
    elsewhere = [row for row in run["rows"] if row.site_id != site_a.pk]
    assert all(row.participant.code in text for row in here), "it is not empty"
    hidden = [word for row in elsewhere for word in (row.participant.code, bytes(row.r).hex())]
    assert [word for word in hidden if word in text] == []
    # How far another hospital's list is used is a count of its participants.
    assert re.findall(r"site=\w+", dump["randomization_stratum"]) == [f"site={site_a.code}"]
    arms = {table for table, body in dump.items() if "RFA_PVP" in body} - NAMES_BOTH_ARMS
    if ARM_SEE in CAPABILITIES[role]:
        assert [r for r in run["opened"] if r in text] == [bytes(row.r).hex() for row in here]
    else:
        assert (arms, [r for r in run["opened"] if r in text]) == (set(), [])
