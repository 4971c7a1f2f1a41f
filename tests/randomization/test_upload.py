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
from randomization.rules.specification import Specification, reread
from randomization.services import install_list
from randomization.verification import verify
from tests.path import walk
from tests.randomization import independent, verifier
from tests.randomization.stories import SECRET, allocated, made_specification
from tests.randomization.test_envelopes import enter

ARMS = ("RFA_PVP", "RFA_PVP_SBRT")


def written(strata, length, emergency=0):
    lines = ["stratum,index,arm" + ",kind" * bool(emergency)]
    for kind, count in (("main", length), ("emergency", emergency)):
        lines += [
            f"{stratum},{index},{ARMS[index * 7 % 3 % 2]}" + f",{kind}" * bool(emergency)
            for stratum in strata
            for index in range(1, count + 1)
        ]
    return "\n".join(lines) + "\n"


def read(text, *, length, emergency=0):
    lengths = {"main": length, "emergency": emergency}
    return upload.rows(text, arms=("A", "B"), strata=("X", "Y"), lengths=lengths)


def test_all_mistakes_are_told_at_once_with_their_lines():
    with pytest.raises(upload.BadUpload) as refused:
        read("stratum,index,arm\nX,1,A\nX,3,B\nX,3,C\nZ,1,A\nX,4\n", length=3)
    assert refused.value.problems == [
        "line 3: index '3' of X, main found; expected 2",
        "line 4: arm 'C' found; expected one of A, B",
        "line 5: stratum 'Z' found; expected one of X, Y",
        "line 6: 2 values found; expected 3",
        "the end: Y, main has 0 entries; expected 3",
    ]
    with pytest.raises(upload.BadUpload) as refused:
        read(
            "stratum,index,arm,kind\nX,1,A,main\nX,1,A,paper\nX,2,B,emergency\nY,1,B,main\n",
            length=1,
            emergency=1,
        )
    assert refused.value.problems == [
        "line 3: kind 'paper' found; expected one of main, emergency",
        "line 4: index '2' of X, emergency found; expected 1",
        "the end: Y, emergency has 0 entries; expected 1",
    ]


def test_list_and_envelopes_are_read_apart_in_any_order_of_lines():
    lines = ["X,1,B,emergency", "X,1,A,main", "Y,1,B,main", "X,2,B,main", "Y,2,A,main", "Y,1,A,emergency", ""]
    text = "\r\n".join(["\ufeffstratum,index,arm,kind", *lines])
    assert read(text, length=2, emergency=1) == {
        ("X", "main"): ["A", "B"],
        ("X", "emergency"): ["B"],
        ("Y", "main"): ["B", "A"],
        ("Y", "emergency"): ["A"],
    }


@pytest.mark.parametrize("text", ["", "arm,index\n", "1,2,3\n", "stratum,index,arm,note\n"])
def test_a_file_without_its_heading_is_refused(text):
    with pytest.raises(upload.BadUpload, match=r"line 1: .*expected stratum, index, arm, and kind"):
        read(text, length=1)


def test_a_file_in_another_encoding_is_refused(frozen):
    frame = reread(json.loads(frozen.read_text()))
    with pytest.raises(upload.BadUpload, match="byte 2: the file is not UTF-8"):
        upload.sealed_upload("ab甲".encode("gb18030"), frame, bytes(32), SECRET)


def test_a_value_too_long_for_csv_is_refused(frozen):
    frame = reread(json.loads(frozen.read_text()))
    with pytest.raises(upload.BadUpload, match="the file is not CSV: field larger"):
        upload.sealed_upload(b"stratum,index,arm\n" + b"x" * 200_000, frame, bytes(32), SECRET)


@pytest.mark.usefixtures("committed")
def test_an_uploaded_list_and_its_envelopes_are_installed_allocated_and_verified(
    statistician, team_a, loader
):
    frame = made_specification(emergency=2)
    content = written(frame.strata, frame.length, 2).encode()
    document, paper = upload.sealed_upload(content, frame, vault.key_from(settings.SEQUENCE_KEY), SECRET)
    assert "RFA_PVP_SBRT," not in str(document)
    install_list(actor=statistician, document=document, total_cap=120)
    given = [allocated(team_a, walk("registered", **team_a)).arm for _ in range(3)]
    lines = content.decode().splitlines()
    assert given == [line.split(",")[2] for line in lines[1:4]]
    (sheet, _) = [one for one in paper if one["stratum"] == "site=SHGH"]
    envelope = next(line for line in lines if line.startswith("site=SHGH,1,") and line.endswith("emergency"))
    assert enter(team_a, walk("operated", **team_a), sheet).position == 4
    assert sheet["arm"] == envelope.split(",")[2]
    assert verify(actor=loader) == []
    export = sealed_export(actor=statistician)
    assert [row["kind"] for row in export["rows"]] == ["main"] * 3 + ["emergency"]
    heads = [(row["position"], row["hash"]) for row in export["rows"]]
    assert verifier.load().verify(export, [SECRET], heads, content) == []
    export["rows"][1]["arm"] = ARMS[export["rows"][1]["arm"] == ARMS[0]]
    assert verifier.load().verify(export, [SECRET], heads, content)


def made_by(*words):
    """What a step of the command prints."""
    out = StringIO()
    call_command("generate_list", *map(str, words), stdout=out)
    return out.getvalue().splitlines()


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


def test_a_specification_that_says_a_name_twice_is_not_frozen(tmp_path):
    specification = tmp_path / "s.yaml"
    specification.write_text("environment: training\nenvironment: demo\n", encoding="utf-8")
    with pytest.raises(CommandError, match=r"“environment” stands twice(.|\n)*line 2"):
        made_by("freeze", specification, "--out", tmp_path / "frozen")


def test_the_command_seals_a_csv_and_names_its_mistakes(tmp_path, frozen):
    listed, out, secret = tmp_path / "list.csv", tmp_path / "sealed.json", tmp_path / "secret"
    (commitment,) = made_by("draw", "--trial", "T", "--role", "statistician", "--out", secret)
    listed.write_text(written(["site=X"], 3), encoding="utf-8")
    party = ("--secret-file", secret, "--commitment", commitment)
    arguments = ("upload", frozen, "--csv", listed, *party, "--out", out)
    with pytest.raises(
        CommandError,
        match=r"Mistakes in the list \(2\):\n.*main has 3 entries; .*\n.*emergency has 0 entries",
    ):
        made_by(*arguments)
    listed.write_text(written(["site=X"], 4, 2), encoding="utf-8")
    (second,) = made_by("draw", "--trial", "T", "--role", "sponsor", "--out", tmp_path / "sponsor")
    sponsor = ("--secret-file", tmp_path / "sponsor", "--commitment", second)
    for wrong in ((*party, *sponsor), (*party, "--public", "00")):
        with pytest.raises(CommandError, match="the statistician's secret alone"):
            made_by("upload", frozen, "--csv", listed, *wrong, "--out", out)
    with pytest.raises(CommandError, match="secret of the statistician is not"):
        made_by(*(word if word != commitment else "0" * 64 for word in arguments))
    with pytest.raises(CommandError, match="--paper is needed"):
        made_by(*arguments)
    assert not out.exists()
    paper = tmp_path / "paper.csv"
    out.touch()
    with pytest.raises(CommandError, match="exists already"):
        made_by(*arguments, "--paper", paper)
    assert not paper.exists(), "no paper whose codes belong to no list"
    out.unlink()
    printed = made_by(*arguments, "--paper", paper)
    assert paper.stat().st_mode & 0o077 == 0, "only its owner reads it"
    sheets = list(csv.DictReader(paper.read_text(encoding="utf-8").splitlines()))
    assert [(sheet["index"], sheet["check_code"]) for sheet in sheets] == [
        (str(number), sheet["r"][:10]) for number, sheet in enumerate(sheets, start=1)
    ]
    (part,) = json.loads(out.read_text())["strata"]
    for sheet, entry in zip(sheets, part["emergency"]["entries"], strict=True):
        own = independent.leaf("site=X", int(sheet["index"]), sheet["arm"], bytes.fromhex(sheet["r"]))
        assert own.hex() == entry["leaf"], "the paper is the one of the sealed envelopes"
    assert f"site=X: root of the envelopes {part['emergency']['root']}" in printed
    # Who kept secret and file shows that this file was sealed.
    sealed = json.loads(out.read_text())
    text = vault.unseal_rule(
        vault.key_from(settings.SEQUENCE_KEY), bytes.fromhex(sealed["rule"]), trial="T", environment="demo"
    )
    bound = sealing.fields(
        "TRIALSITE-UPLOAD-1", bytes.fromhex(secret.read_text().strip()), listed.read_bytes()
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
    printed = made_by("seal", frozen, *secrets, *told, *public, "--out", out)
    sealed = json.loads(out.read_text())
    (part,) = sealed["strata"]
    roots = {"site=X": part["root"]}, {"site=X": part["emergency"]["root"]}
    head = independent.genesis("T", "demo", sealed["specification_hash"], *roots)
    assert printed[-4:] == [
        f"site=X: root {part['root']}",
        f"site=X: root of the envelopes {part['emergency']['root']}",
        "Public value 00ff",
        f"Genesis {head}",
    ]
    assert list(sealed["commitments"].values()) == commitments
    parties = [bytes.fromhex((tmp_path / role).read_text().strip()) for role in ("statistician", "sponsor")]
    specification = Specification.of(json.loads(frozen.read_text()))
    again = generation.sealed_list(
        specification, parties, vault.key_from(settings.SEQUENCE_KEY), public=b"\x00\xff"
    )
    assert [part["root"] for part in again["strata"]] == [part["root"] for part in sealed["strata"]]
    paper = tmp_path / "paper.csv"
    made_by("envelopes", frozen, *secrets, *told, *public, "--out", paper)
    assert paper.stat().st_mode & 0o077 == 0, "only its owner reads it"
    rows = list(csv.DictReader(paper.read_text(encoding="utf-8").splitlines()))
    wanted = generation.envelopes(specification, parties, public=b"\x00\xff")
    assert [(row["index"], row["arm"]) for row in rows] == [(str(one["index"]), one["arm"]) for one in wanted]

    # What does not fit what was published is refused.
    with pytest.raises(CommandError, match="secret of the statistician is not"):
        made_by("seal", frozen, *secrets, "--commitment", "0" * 64, *told[2:], "--out", tmp_path / "other")
    with pytest.raises(CommandError, match="as many commitments"):
        made_by("seal", frozen, *secrets, *told[:2], "--out", tmp_path / "other")
    for step in ("seal", "envelopes"):
        with pytest.raises(CommandError, match="required: --commitment"):
            made_by(step, frozen, *secrets, "--out", tmp_path / "other")
    text = frozen.read_text()
    for old, new, why in (
        ('"length":4', '"length": 4', "not what `freeze` wrote"),
        ('"length":4', '"length":0', "length: a whole number"),
        ('"ratio":[1,1]', '"ratio":[0,1]', "ratio: two whole numbers"),
        ('"bound":0', '"bound":3', "strata and numbers"),
        ('"site=X"', '"site=X","site=X"', "strata and numbers"),
        ('"site=X"', '"place=X"', "not what `freeze` writes|not what `freeze` wrote"),
    ):
        frozen.write_text(text.replace(old, new), encoding="utf-8")
        with pytest.raises(CommandError, match=why):
            made_by("seal", frozen, *secrets, *told, "--out", tmp_path / "other")
    assert not (tmp_path / "other").exists()
