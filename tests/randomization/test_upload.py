"""A statistician's finished list: every mistake with its line, and the same sealed form in the end."""

from io import StringIO

import pytest
import yaml
from django.conf import settings
from django.core.management import CommandError, call_command

from randomization import upload, vault
from randomization.exporting import sealed_export
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


def test_the_command_seals_a_csv_and_names_its_mistakes(tmp_path):
    specification, listed, out = tmp_path / "s.yaml", tmp_path / "list.csv", tmp_path / "sealed.json"
    fields = {
        "trial": "T",
        "environment": "demo",
        "method": "complete",
        "arms": list(ARMS),
        "sites": ["X"],
        "length": 4,
    }
    specification.write_text(yaml.safe_dump(fields), encoding="utf-8")
    listed.write_text(written(["site=X"], 3), encoding="utf-8")
    arguments = (str(specification), "--from-csv", str(listed), "--out", str(out))
    with pytest.raises(CommandError, match="site=X has 3 entries; expected 4"):
        call_command("generate_list", *arguments, stdout=StringIO())
    listed.write_text(written(["site=X"], 4), encoding="utf-8")
    call_command("generate_list", *arguments, stdout=StringIO())
    assert out.exists()
