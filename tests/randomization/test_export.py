"""The sealed export, and the verifier that shares not a line with the project: it finds every mutation."""

import copy
import hashlib
import json
import random
import subprocess
import sys
from dataclasses import replace

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from randomization.errors import NoList, NotRevealed
from randomization.exporting import sealed_export
from randomization.rules import sealing
from randomization.services import install_list
from randomization.steering import set_state
from tests.path import walk
from tests.randomization import mutations, verifier
from tests.randomization.stories import SECRET, allocated, made_list
from trialsite.core.errors import Forbidden

VERIFY = verifier.load().verify


def run(*arguments):
    """The verifier as a statistician runs it, on a Python that sees nothing of the project."""
    command = [sys.executable, "-I", str(verifier.PATH), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_verifier_is_short_and_imports_the_standard_library_alone():
    text = verifier.PATH.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    imported = {
        line.split()[1].split(".")[0] for line in text.splitlines() if line.startswith(("import ", "from "))
    }
    assert imported <= sys.stdlib_module_names


@pytest.mark.parametrize("method", mutations.METHODS, ids=[one["method"] for one in mutations.METHODS])
def test_every_method_is_verified_and_no_other_secret_fits(method):
    made = mutations.export(mutations.specification(method), 24, random.Random(5))
    empty = (0, made["rows"][0]["previous"])
    heads = [empty, *((row["position"], row["hash"]) for row in made["rows"])]
    assert VERIFY(made, mutations.SECRETS, heads) == []
    assert VERIFY(made, mutations.SECRETS, [(0, heads[1][1])]) != []
    for secrets in (mutations.SECRETS[:2], mutations.SECRETS[::-1], [], [*mutations.SECRETS[:2], bytes(32)]):
        assert "the secrets are not those that were committed to" in VERIFY(made, secrets, heads)


def test_an_uploaded_list_is_verified_against_its_file():
    uploaded, file = mutations.finished(random.Random(5))
    made = mutations.export(uploaded, 24, random.Random(5), file)
    heads = [(row["position"], row["hash"]) for row in made["rows"]]
    secret = mutations.SECRETS[:1]
    assert VERIFY(made, secret, heads, file) == VERIFY(made, secret, heads) == []
    assert {row["kind"] for row in made["rows"]} == {"main", "emergency"}
    other = file.replace(b"SHGH,1,RFA_PVP,", b"SHGH,1,RFA_PVP_SBRT,") + b"\r\n"
    not_it = "the list that was given is not the file that was sealed"
    for content in (other, file.replace(b"\r\n", b"\n"), b"", b"\xff"):
        assert VERIFY(made, secret, heads, content) == [not_it]
    committed = "the secrets are not those that were committed to"
    for secrets in ([], mutations.SECRETS[1:2], [*secret, *mutations.SECRETS]):
        assert committed in VERIFY(made, secrets, heads, file)


def test_a_file_that_is_bound_but_was_not_what_was_sealed_is_found():
    """The binding alone proves a file, not that its arms are those behind the roots."""
    _, file = mutations.finished(random.Random(5))
    uploaded, other = mutations.finished(random.Random(6))
    found = VERIFY(mutations.export(uploaded, 24, random.Random(5), file), mutations.SECRETS[:1], (), other)
    assert any(sentence.endswith("the arm is not the one of the list") for sentence in found)
    short = b"".join(other.splitlines(keepends=True)[:-1])
    bound = hashlib.sha256(sealing.fields("TRIALSITE-UPLOAD-1", mutations.SECRETS[0], short)).hexdigest()
    cut = replace(uploaded, method=f"uploaded:{bound}")
    found = VERIFY(mutations.export(cut, 9, random.Random(5), other), mutations.SECRETS[:1], (), short)
    assert any("the file lists another number of entries" in sentence for sentence in found)


def test_a_thousand_mutations_are_all_found():
    """`make campaign` tries ten thousand."""
    result = mutations.overlooked(VERIFY, 1000, seed=20260311)
    assert result["missed"] == []
    assert min(result["tried"].values()) > 100


def test_a_whole_rewrite_is_found_by_the_mailed_heads_alone():
    made = mutations.export(mutations.specification(mutations.METHODS[0]), 12, random.Random(5))
    heads = [(row["position"], row["hash"]) for row in made["rows"]]
    rewritten = copy.deepcopy(made)
    rewritten["rows"][4]["at"] = "2026-01-01T00:00:00.000000+00:00"
    mutations.rehashed(rewritten)
    assert VERIFY(rewritten, mutations.SECRETS) == []
    found = VERIFY(rewritten, mutations.SECRETS, heads)
    assert [sentence.split(":")[0] for sentence in found] == [f"position {at}" for at in range(5, 13)]


@pytest.mark.parametrize(
    "document", [{}, [], None, 7, {"format": "trialsite-sealed-export-1"}, {"format": "x"}]
)
def test_a_document_of_another_shape_is_a_finding_and_no_crash(document):
    assert len(VERIFY(document, [])) == 1


@pytest.fixture
def trial(data, team_a, team_b, statistician):
    """Five allocations at two hospitals under a list of one party."""
    install_list(actor=statistician, document=made_list(emergency=4), total_cap=120)
    for team in (team_a, team_b, team_a, team_a, team_b):
        allocated(team, walk("registered", **team))
    return statistician


@pytest.mark.usefixtures("committed")
def test_the_export_of_a_trial_is_verified_without_the_project(trial, tmp_path):
    out, secret, heads = tmp_path / "export.json", tmp_path / "statistician.hex", tmp_path / "heads.txt"
    call_command("export_sealed", str(out), "--actor", trial.username)
    secret.write_text(SECRET.hex() + "\n", encoding="utf-8")
    rows = json.loads(out.read_text(encoding="utf-8"))["rows"]
    heads.write_text("".join(f"{row['position']} {row['hash']}\n" for row in rows), encoding="utf-8")
    done = run(out, "--secret", secret, "--heads", heads)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("All holds: 5 allocations, 5 mailed heads")

    warned = run(out, "--secret", secret)
    assert "No mailed heads were given" in warned.stdout
    heads.write_text("3 " + "0" * 64, encoding="utf-8")
    found = run(out, "--secret", secret, "--heads", heads)
    assert found.returncode == 1
    assert found.stderr == "position 3: the ledger is not the one whose head was mailed\n"
    assert run(tmp_path / "nothing.json").returncode == 2

    with pytest.raises(CommandError, match="exists"):
        call_command("export_sealed", str(out), "--actor", trial.username)
    with pytest.raises(CommandError, match="no active account"):
        call_command("export_sealed", str(tmp_path / "other.json"), "--actor", "nobody")


def test_the_export_holds_neither_key_nor_seed_nor_an_entry_that_is_not_used(trial):
    document = sealed_export(actor=trial)
    assert len(document["rows"]) == 5
    assert "entries" not in json.dumps(document)
    assert "ciphertext" not in json.dumps(document)


def test_in_production_the_export_waits_until_randomization_is_closed(trial):
    from randomization.models import Scheme
    from trialsite.audit.context import acting

    with override_settings(TRIALSITE_ENV="prod"):
        with pytest.raises(NotRevealed):
            sealed_export(actor=trial)
        with acting(trial):
            scheme = Scheme.objects.get()
        set_state(actor=trial, scheme=scheme, state="closed", reason="recruitment is complete")
        assert sealed_export(actor=trial)["rows"]


@pytest.mark.django_db
def test_only_the_statistician_exports_and_only_where_a_list_is(statistician, coordinator, trial_manager):
    with pytest.raises(NoList):
        sealed_export(actor=statistician)
    for actor in (coordinator, trial_manager):
        with pytest.raises(Forbidden):
            sealed_export(actor=actor)
