"""An amendment gives an item of another unit or type another name: one column of an export cannot hold both."""

import copy
import shutil

import pytest
import yaml

from tests.conftest import ROOT
from trialsite.protocol.continuity import broken
from trialsite.protocol.errors import BadProtocol
from trialsite.protocol.reader import read
from trialsite.protocol.services import load

FOLDER = ROOT / "protocols" / "nct06756087"
BEFORE = read(FOLDER)[0]


def item(document, form, name):
    [found] = [
        one
        for described in document["forms"]
        if described["code"] == form
        for section in described["sections"]
        for one in section["items"]
        if one["name"] == name
    ]
    return found


@pytest.mark.parametrize(
    ("form", "name", "change", "parts"),
    [
        ("labs", "hgb", {"unit": "g/dL"}, ["unit"]),
        ("vitals", "temp", {"unit": None}, ["unit"]),
        ("vitals", "temp", {"type": "text"}, ["type"]),
        ("demographics", "sex", {"type": "text"}, ["type"]),
        ("pain", "worst", {"type": "decimal"}, []),
        ("vitals", "temp", {"soft": [36, 38]}, []),
        ("labs", "hgb", {"name": "haemoglobin", "unit": "g/dL"}, []),
    ],
)
def test_unit_and_type_stay_under_one_name(form, name, change, parts):
    after = copy.deepcopy(BEFORE)
    item(after, form, name).update(change)
    found = list(broken(BEFORE, after))
    assert [(one, path.rpartition(".")[2]) for one, path, _sentence in found] == [
        (form, part) for part in parts
    ]


def test_the_loader_names_file_and_path_and_stores_nothing(data, loader, tmp_path):
    folder = tmp_path / "amended"
    shutil.copytree(FOLDER, folder)
    described = folder / "protocol.yaml"
    text = described.read_text(encoding="utf-8")
    described.write_text(text.replace('version: "1.0"', 'version: "1.1"', 1), encoding="utf-8")
    path = folder / "forms" / "vitals.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    [[place, temp]] = [
        (number, one) for number, one in enumerate(content["sections"][0]["items"]) if one["name"] == "temp"
    ]
    temp.update(unit="K", hard=[300, 320], soft=[308, 312])
    temp.pop("refused_units")
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    with pytest.raises(BadProtocol) as refused:
        load(actor=loader, folder=folder)
    [problem] = refused.value.problems
    assert (problem.file, problem.path) == ("forms/vitals.yaml", f"sections[0].items[{place}].unit")
    assert "'°C' in version 1.0" in problem.sentence
