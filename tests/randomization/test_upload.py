"""A statistician's finished list: every mistake with its line, and the same sealed form in the end."""

import csv
import hashlib
import json
from io import StringIO

import pytest
import yaml
from django.conf import settings
from django.core.management import CommandError, call_command

from randomization import generation, upload, vault
from randomization.exporting import sealed_export
from randomization.rules import sealing
from randomization.rules.specification import Specification
from randomization.services import install_list
from randomization.verification import verify
from tests.path import walk
from tests.randomization import verifier
from tests.randomization.stories import allocated, made_specification

ARMS = ("RFA_PVP", "RFA_PVP_SBRT")


def written(strata, length):
    lines = ["stratum,index,arm"]
    lines += [
        f"{stratum},{index},{ARMS[index * 7 % 3 % 2]}" for stratum in strata for index in range(1, length + 1)
    ]
    return "\n".join(lines) + "\n"


def test_all_mistakes_are_told_at_once_with_their_lines():
    text = "stratum,index,arm\nX,1,A\nX,3,B\nX,3,C\nZ,1,A\nX,4\n"
    with pytest.raises(upload.BadUpload) as refused:
        upload.rows(text, arms=("A", "B"), strata=("X", "Y"), length=3)
    assert [problem.split(":")[0] for problem in refused.value.problems] == [
        "line 3",
        "line 4",
        "line 5",
        "line 6",
        "the end",
    ]


@pytest.mark.parametrize("text", ["", "arm,index\n", "1,2,3\n"])
def test_a_file_without_its_heading_is_refused(text):
    with pytest.raises(upload.BadUpload, match=r"line 1: .*expected stratum, index, arm"):
        upload.rows(text, arms=("A", "B"), strata=("X",), length=1)


@pytest.mark.django_db
def test_an_uploaded_list_is_installed_allocated_and_verified(statistician, team_a, loader):
    frame = made_specification()
    text = written(frame.strata, frame.length)
    document = upload.sealed_upload(text, frame, vault.key_from(settings.SEQUENCE_KEY))
    assert text not in str(document)
    install_list(actor=statistician, document=document, total_cap=120)
    given = [allocated(team_a, walk("registered", **team_a)).arm for _ in range(3)]
    assert given == [line.split(",")[2] for line in text.splitlines()[1:4]]
    assert verify(actor=loader) == []
    export = sealed_export(actor=statistician)
    heads = [(row["position"], row["hash"]) for row in export["rows"]]
    assert verifier.load().verify(export, [], heads) == []
    export["rows"][1]["arm"] = ARMS[export["rows"][1]["arm"] == ARMS[0]]
    assert verifier.load().verify(export, [], heads)


def made_by(*words):
    """What a step of the command prints."""
    out = StringIO()
    call_command("generate_list", *map(str, words), stdout=out)
    return out.getvalue().split()


@pytest.fixture
def frozen(tmp_path):
    fields = {
        "trial": "T",
        "environment": "demo",
        "method": "complete",
        "arms": list(ARMS),
        "sites": ["X"],
        "length": 4,
        "emergency": 2,
    }
    specification, out = tmp_path / "s.yaml", tmp_path / "frozen.json"
    specification.write_text(yaml.safe_dump(fields), encoding="utf-8")
    (printed,) = made_by("freeze", specification, "--out", out)
    assert printed == hashlib.sha256(out.read_bytes().strip()).hexdigest()
    return out


def test_the_command_seals_a_csv_and_names_its_mistakes(tmp_path, frozen):
    listed, out, secret = tmp_path / "list.csv", tmp_path / "sealed.json", tmp_path / "secret"
    made_by("draw", "--trial", "T", "--role", "statistician", "--out", secret)
    listed.write_text(written(["site=X"], 3), encoding="utf-8")
    arguments = ("upload", frozen, "--csv", listed, "--secret-file", secret, "--out", out)
    with pytest.raises(CommandError, match="site=X has 3 entries; expected 4"):
        made_by(*arguments)
    listed.write_text(written(["site=X"], 4), encoding="utf-8")
    made_by(*arguments)
    # Who kept secret and file shows that this file was sealed.
    sealed = json.loads(out.read_text())
    text = vault.unseal_rule(
        vault.key_from(settings.SEQUENCE_KEY), bytes.fromhex(sealed["rule"]), trial="T", environment="demo"
    )
    bound = sealing.fields(
        "TRIALSITE-UPLOAD-1", bytes.fromhex(secret.read_text().strip()), listed.read_text()
    )
    assert json.loads(text)["method"] == f"uploaded:{hashlib.sha256(bound).hexdigest()}"


def test_a_list_is_made_step_by_step_from_files(tmp_path, frozen):
    secrets, commitments = [], []
    for role in ("statistician", "sponsor"):
        file = tmp_path / role
        commitments += made_by("draw", "--trial", "T", "--role", role, "--out", file)
        assert file.stat().st_mode & 0o077 == 0
        secrets += ["--secret-file", file]
    with pytest.raises(CommandError, match="exists"):
        made_by("draw", "--trial", "T", "--role", "sponsor", "--out", tmp_path / "sponsor")
    told = [word for commitment in commitments for word in ("--commitment", commitment)]
    # The public value is known only later, after hash and commitments were published.
    public = ("--public", "00ff")
    out = tmp_path / "list.json"
    made_by("seal", frozen, *secrets, *told, *public, "--out", out)
    sealed = json.loads(out.read_text())
    assert list(sealed["commitments"].values()) == commitments
    parties = [bytes.fromhex((tmp_path / role).read_text().strip()) for role in ("statistician", "sponsor")]
    specification = Specification.of(json.loads(frozen.read_text()))
    again = generation.sealed_list(
        specification, parties, vault.key_from(settings.SEQUENCE_KEY), public=b"\x00\xff"
    )
    assert [part["root"] for part in again["strata"]] == [part["root"] for part in sealed["strata"]]
    paper = tmp_path / "paper.csv"
    made_by("envelopes", frozen, *secrets, *public, "--out", paper)
    assert paper.stat().st_mode & 0o077 == 0, "only its owner reads it"
    rows = list(csv.DictReader(paper.read_text(encoding="utf-8").splitlines()))
    wanted = generation.envelopes(specification, parties, public=b"\x00\xff")
    assert [(row["index"], row["arm"]) for row in rows] == [(str(one["index"]), one["arm"]) for one in wanted]

    # What does not fit what was published is refused.
    with pytest.raises(CommandError, match="secret of the statistician is not"):
        made_by("seal", frozen, *secrets, "--commitment", "0" * 64, *told[2:], "--out", tmp_path / "other")
    with pytest.raises(CommandError, match="as many commitments"):
        made_by("seal", frozen, *secrets, *told[:2], "--out", tmp_path / "other")
    frozen.write_text(frozen.read_text().replace('"length":4', '"length": 4'), encoding="utf-8")
    with pytest.raises(CommandError, match="not what `freeze` wrote"):
        made_by("seal", frozen, *secrets, "--out", tmp_path / "other")
    assert not (tmp_path / "other").exists()
