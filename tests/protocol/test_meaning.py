"""What the loader refuses in forms, rules and settings; and what is said of a number in a likely wrong unit. Pure."""

import copy
import shutil

import pytest
import yaml

from tests.conftest import ROOT
from tests.eligibility.judging import NOW, document
from trialsite.casebook.checks import own_facts, questions
from trialsite.casebook.rules import read_values
from trialsite.protocol.definition import Definition
from trialsite.protocol.meaning import problems_of
from trialsite.protocol.reader import read

FOLDER = ROOT / "protocols" / "nct06756087"


def form(trial, code):
    return next(one for one in trial["forms"] if one["code"] == code)


def item(trial, code, name):
    items = [one for section in form(trial, code)["sections"] for one in section["items"]]
    return next(one for one in items if one["name"] == name)


def setting(trial, name, value):
    trial["trial"]["settings"][name] = {"value": value, "meaning": {"en": "x", "zh": "中"}}


def criterion(trial, rule):
    trial["criteria"][0] |= {"rule": rule}
    for key in ("settings", "reading"):
        trial["criteria"][0].pop(key)


def check(trial, code, expression):
    said = {"en": "Odd", "zh": "异常"}
    named = item(trial, code, form(trial, code)["observed_item"])["name"]
    form(trial, code).setdefault("checks", []).append(
        {"id": "odd", "item": named, "expression": expression, "message": said}
    )


def derive(trial, expression):
    item(trial, "labs", "clearance")["derive"] = expression


SEXES = [{"code": code, "label": {"en": code, "zh": code}} for code in ("F", "M")]
# (what is changed, where it is said, what is said)
WRONG = [
    (lambda t: item(t, "pain", "worst").pop("cdash"), "worst.cdash", "is needed"),
    (
        lambda t: item(t, "pain", "now").update(cdash="QSORRES.NPRSAVG"),
        "average.cdash",
        "'QSORRES.NPRSAVG' stands twice",
    ),
    (lambda t: check(t, "pain", "opioids.dose > 3"), ".expression", "reads 'opioids', which repeats"),
    (lambda t: criterion(t, "sins.level == 'T5'"), "[0].rule", "reads 'sins', which repeats"),
    (
        lambda t: derive(t, "labs.weight if known(labs.creat) else 2 * labs.weight"),
        "clearance.derive",
        "what lacks is unknown",
    ),
    (
        lambda t: item(t, "demographics", "sex").update(choices=SEXES),
        "clearance.derive",
        "one of female, male",
    ),
    (
        lambda t: derive(t, "cockcroft_gault(40, labs.weight, labs.creat, labs.source)"),
        "clearance.derive",
        "one of female, male",
    ),
    (lambda t: form(t, "recheck").pop("observed_item"), "observed_item", "counts from the surgery on"),
    (
        lambda t: item(t, "recheck", "rcdat").update(partial=True),
        "observed_item",
        "counts from the surgery on",
    ),
    (lambda t: item(t, "recheck", "rcdat").pop("needed"), "rcdat.needed", "a step rests on it"),
    (lambda t: item(t, "withdrawal", "level").pop("needed"), "level.needed", "a step rests on it"),
    (lambda t: item(t, "pain", "paindat").pop("needed"), "paindat", "follows the consent"),
    (lambda t: item(t, "pain", "paindat").update(partial=True), "paindat", "follows the consent"),
    (lambda t: form(t, "pain").pop("observed_item"), "observed_item", "follows the consent"),
    (lambda t: item(t, "sbrt", "regimen").pop("needed"), "regimen.needed", "a step rests on it"),
    (
        lambda t: item(t, "surgery", "ablated_why").update(needed=True),
        "ablated_why.needed",
        "asked of everyone",
    ),
    (lambda t: form(t, "labs").update(time_item="lbdat"), "time_item", "there is no time 'lbdat'"),
    (lambda t: setting(t, "sae_route", "fax"), "settings.sae_route", "is read by no rule and by no step"),
    (lambda t: setting(t, "pain_scale", "least"), "pain_response.scale", "names a number of 'pain'"),
    (
        lambda t: setting(t, "primary_reference_baseline", "screening"),
        "pain_response.reference",
        "one of the baselines",
    ),
]


@pytest.mark.parametrize(("change", "path", "said"), WRONG)
def test_what_a_protocol_cannot_mean_is_refused(change, path, said):
    changed = copy.deepcopy(document())
    change(changed)
    found = [(at, sentence) for _part, at, sentence in problems_of(changed)]
    assert any(at.endswith(path) and said in sentence for at, sentence in found), found


def test_sexes_under_other_codes_are_mapped_where_the_clearance_is_computed():
    changed = copy.deepcopy(document())
    item(changed, "demographics", "sex")["choices"] = SEXES
    sex = '("male" if demographics.sex == "M" else "female")'
    derive(changed, f"cockcroft_gault(age(demographics.brthdat, labs.lbdat), labs.weight, labs.creat, {sex})")
    assert not [one for one in problems_of(changed) if one[0] == "form:labs"]


def rewritten(tmp_path, *changes):
    """A copy of the trial's folder with changed files."""
    folder = tmp_path / "trial"
    shutil.copytree(FOLDER, folder)
    for name, change in changes:
        path = folder / f"{name}.yaml"
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        change(content)
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return folder


def test_one_mistake_hides_no_other(tmp_path):
    """What has no structure is left alone, and so are the rules that read it; all else is told at once."""
    folder = rewritten(
        tmp_path,
        ("forms/pain", lambda content: content["sections"][0]["items"][1].update(reveals_arm=True)),
        ("forms/echo", lambda content: content["sections"][0]["items"][-1].pop("cdash")),
        ("criteria", lambda content: content[1].update(rule="labs.colour > 3")),
    )
    found = {(one.file, one.path) for one in read(folder)[1]}
    assert found == {
        ("forms/pain.yaml", "sections[0].items[1]"),
        ("forms/echo.yaml", "lvef.cdash"),
        ("criteria.yaml", "[1].rule"),
    }
    (folder / "protocol.yaml").unlink()
    assert found | {("protocol.yaml", "")} == {(one.file, one.path) for one in read(folder)[1]}


def test_a_file_of_wrong_shape_tells_the_mistakes_in_its_expressions_too(tmp_path):
    """Of a form, of the criteria and of the settings only the entry of wrong shape is left alone."""

    def vitals(content):
        items = content["sections"][0]["items"]
        items[1]["label"].pop("zh")
        items[1]["show_if"] = "vitals.colour == 3"
        items[2]["type"] = "number"
        items[-1]["show_if"] = "labs.creat >"
        said = {"en": "Odd", "zh": "异常"}
        content["checks"] = [
            {"id": "odd", "item": "temp", "expression": "labs.creet > 3", "message": {**said, "zh": ""}},
            {"id": "lost", "item": "temp", "expression": "vitals.diabp > 3", "message": dict(said)},
            {
                "id": "even",
                "item": "temp",
                "expression": "vitals.pulse > vitals.temmp",
                "message": dict(said),
            },
        ]

    def criteria(content):
        content[0].pop("title")
        content[1]["rule"] = "vitals.wieght > 3"
        content[2]["rule"] = "setting.least_kps > 3"

    def trial(content):
        content.pop("title")

    folder = rewritten(tmp_path, ("forms/vitals", vitals), ("criteria", criteria), ("protocol", trial))
    assert {(one.file, one.path) for one in read(folder)[1]} == {
        ("forms/vitals.yaml", "sections[0].items[1].label"),
        ("forms/vitals.yaml", "sysbp.show_if"),
        ("forms/vitals.yaml", "sections[0].items[2].type"),
        ("forms/vitals.yaml", "weight.show_if"),
        ("forms/vitals.yaml", "checks[0].message.zh"),
        ("forms/vitals.yaml", "checks[0].expression"),
        ("forms/vitals.yaml", "checks[2].expression"),
        ("criteria.yaml", "[0]"),
        ("criteria.yaml", "[1].rule"),
        ("criteria.yaml", "[2].rule"),
        ("protocol.yaml", ""),
    }


@pytest.mark.parametrize(
    ("code", "entries", "said"),
    [
        # 5.3 log10 are 200 000 IU/mL, and would count as less than 10 000.
        ("serology", {"hbsag": "positive", "hbv_dna": "5.3"}, "Was it measured in log10 IU/mL?"),
        ("serology", {"hcv": "positive", "hcv_rna": "4.1"}, "Was it measured in log10 IU/mL?"),
        ("serology", {"hbsag": "positive", "hbv_dna": "<20"}, None),
        ("serology", {"hbsag": "positive", "hbv_dna": "200000"}, None),
        ("infection", {"temp": "98.6"}, "°F"),
        ("vitals", {"temp": "98.6"}, "°F"),
        ("infection", {"temp": "39"}, "Please check."),
    ],
)
def test_a_number_of_another_unit_is_asked_about_or_refused_with_that_unit_named(code, entries, said):
    definition = Definition.from_document(document())
    described = definition.form(code)
    reading = read_values(described, entries, now=NOW, complete=False)
    asked = questions(described, reading.data, own_facts(described, reading.data), definition.rule)
    found = [one.text.en for one in asked if one.check_id.startswith("soft:")]
    found += [fault.params["other"] for fault in reading.faults.values()]
    assert (said is None and found == []) or (said is not None and found and found[0].endswith(said))


def test_whoever_is_blinded_meets_no_question_on_radiotherapy():
    """What an assessor may read, at any visit, asks nothing of radiotherapy after the surgery."""
    definition = Definition.from_document(document())
    hidden = {
        form.code
        for visit in definition.visits
        if visit.reveals_arm
        for form in definition.forms_at(visit.code)
    }
    open_forms = [one for one in definition.forms if not one.reveals_arm and one.code not in hidden]
    telling = [
        f"{one.code}.{name}"
        for one in open_forms
        for name, item in one.items.items()
        if any(word in item.label.en.lower() for word in ("radio", "sbrt", "fraction"))
    ]
    assert sorted(telling) == ["attestations.radiosensitive", "history.prior_rt"]
    assert definition.form("event_treatment").reveals_arm
