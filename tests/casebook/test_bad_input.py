"""Whatever a program or a hand sends: a 4xx that names the field, and the record stays as it was."""

import json

import pytest
from django.test import Client

from tests.casebook.hostile import ENTRIES, TYPES, harmless
from tests.conftest import walked_once
from trialsite.audit.context import acting
from trialsite.casebook.models import Record
from trialsite.core import clock
from trialsite.protocol import schema

ADDRESS = "/api/v1/participants/{}/records/SCR/{}/"
GOOD = {"lbdat": "2026-03-01"}


ward, site_a, coordinator, investigator, screened = walked_once(__name__, "consented", "screened")


@pytest.fixture
def client(coordinator):
    made = Client()
    made.force_login(coordinator)
    return made


def send(client, participant, body, *, form="labs", method="PATCH"):
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    return client.generic(method, ADDRESS.format(participant.code, form), text, "application/json")


def values(**entries):
    return {"values": entries, "expected_version": 1, "reason": "hostile"}


# (form, body, status, the field that the answer names)
HOSTILE = [
    ("labs", values(wbc="many"), 422, "wbc"),
    ("labs", values(wbc=True), 422, "wbc"),
    ("labs", values(wbc=6.2), 422, "wbc"),
    ("labs", values(wbc=["6.2"]), 422, "wbc"),
    ("labs", values(wbc={"value": {"value": "6.2"}}), 422, "wbc"),
    ("labs", values(wbc={"value": "6.2", "unit": ["10^9/L"]}), 422, "wbc"),
    ("labs", values(wbc={"value": "6.2", "colour": "red"}), 422, "wbc"),
    ("labs", values(wbc={"missing": ["unknown"]}), 422, "wbc"),
    ("labs", values(wbc={"missing": "lost"}), 422, "wbc"),
    ("labs", values(wbc="9" * 400), 422, "wbc"),
    ("labs", values(wbc="1e9"), 422, "wbc"),
    ("labs", values(wbc="NaN"), 422, "wbc"),
    ("labs", values(wbc="6.2\u0000"), 422, "wbc"),
    ("labs", values(wbc={"value": "6.2", "unit": "mmol/L"}), 422, "wbc"),
    ("labs", values(hgb={"value": "12", "unit": "g/L"}), 422, "hgb"),
    ("labs", values(creat={"value": "0.9", "unit": "µmol/L", "uln": "104"}), 422, "creat"),
    ("labs", values(lymph={"value": "1200", "unit": "10^9/L"}), 422, "lymph"),
    ("labs", values(wbc="6", anc="9"), 422, "anc"),
    ("labs", values(clearance="80"), 422, "clearance"),
    ("labs", values(lbdat="2199-01-01"), 422, "lbdat"),
    ("labs", values(lbdat="2026-02-30"), 422, "lbdat"),
    ("labs", values(lbtim="25:00"), 422, "lbtim"),
    ("labs", values(cholesterol="5"), 422, "cholesterol"),
    ("labs", values(**{"w\u0000bc": "5"}), 422, "w�bc"),
    ("labs", values(**{"x" * 5000: "5"}), 422, "x" * 80),
    ("serology", values(hbv_dna={"value": "4.2", "unit": "log10 IU/mL"}), 422, "hbv_dna"),
    ("serology", values(hbv_dna={"value": "50000", "unit": "copies/mL"}), 422, "hbv_dna"),
    ("serology", values(hbv_dna={"value": "<LLOQ", "unit": "IU/mL"}), 422, "hbv_dna"),
    ("serology", values(hiv_reason="\u0000"), 422, "hiv_reason"),
    ("serology", values(syphilis="maybe"), 422, "syphilis"),
    ("lesion", values(levels="T5"), 422, "levels"),
    ("lesion", values(levels=[["T5"]]), 422, "levels"),
    ("demographics", values(brthdat="1890-01-01"), 422, "brthdat"),
    ("labs", {"values": [], "expected_version": 1}, 422, "values"),
    ("labs", {"values": {"wbc": "6"}, "expected_version": "one"}, 422, "expected_version"),
    ("labs", {"values": {"wbc": "6"}, "expected_version": 1, "reason": "\u0000"}, 422, "reason"),
    ("labs", {"expected_version": 1}, 422, "values"),
    ("labs", '{"values": {"wbc": NaN}, "expected_version": 1}', 400, None),
    ("labs", '{"values": {"wbc": 1e999}, "expected_version": 1}', 400, None),
    ("labs", '{"values": ', 400, None),
    ("labs", b"\xff\xfe\x00", 400, None),
    ("labs", '{"values": ' + '{"a": ' * 2000 + "1" + "}" * 2001, 400, None),
    ("labs", '{"values": {"wbc": ' + "9" * 5000 + "}}", 400, None),
]  # fmt: skip


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_hostile_input_is_refused_by_name_and_nothing_is_stored(screened, client, coordinator, method):
    with acting(coordinator):
        before = dict(Record.objects.values_list("form", "data"))
    wrong = []
    for form, body, status, field in HOSTILE:
        answer = send(client, screened, body, form=form, method=method)
        fields = answer.json().get("fields", {}) if answer.status_code == 422 else {}
        expected = {400, 422} if status == 400 else {status}
        if answer.status_code not in expected or (
            field and not any(name.startswith(field) for name in fields)
        ):
            wrong.append((form, str(body)[:80], answer.status_code, fields))
    assert wrong == []
    with acting(coordinator):
        assert dict(Record.objects.values_list("form", "data")) == before


def test_the_table_holds_an_item_of_each_type():
    assert {kind for items in TYPES.values() for kind in items.values()} == set(
        schema.ITEM["properties"]["type"]["enum"]
    )


@pytest.mark.parametrize(("event", "form"), TYPES)
def test_every_type_of_item_refuses_every_hostile_entry_by_its_name(
    screened, client, coordinator, event, form
):
    with acting(coordinator):
        before = dict(Record.objects.values_list("form", "data"))
    wrong = []
    for entry in ENTRIES:
        items = {item: kind for item, kind in TYPES[event, form].items() if not harmless(kind, entry)}
        body = {
            "values": dict.fromkeys(items, entry),
            "expected_version": 1,
            "reason": "x",
            "complete": False,
        }
        address = f"/api/v1/participants/{screened.code}/records/{event}/{form}/"
        answer = client.patch(address, json.dumps(body), "application/json")
        if items and (answer.status_code != 422 or set(answer.json()["fields"]) != set(items)):
            wrong.append((str(entry)[:40], answer.status_code, answer.json().get("fields")))
    assert wrong == []
    with acting(coordinator):
        assert dict(Record.objects.values_list("form", "data")) == before


def test_ten_megabytes_are_refused(screened, client):
    answer = send(client, screened, values(wbc="6" * 10_000_000))
    assert 400 <= answer.status_code < 500


def test_hostile_addresses_are_not_found(screened, client):
    day = clock.today("Asia/Shanghai").isoformat()
    pain = {"values": {"paindat": day, "worst": "3", "average": "1"}}
    numbers = [f"{place}/{number}" for place in ("SCR/labs", "BL/pain") for number in (0, 2, 10_000, 10**20)]
    for path in ("SCR/%00", "%00/labs", "SCR/nothing", *numbers):
        for method in ("GET", "PUT", "PATCH"):
            answer = client.generic(
                method,
                f"/api/v1/participants/{screened.code}/records/{path}/",
                json.dumps(pain if "pain" in path else values(wbc="6")),
                "application/json",
            )
            assert answer.status_code == 404, (method, path, answer.status_code)
    assert client.get("/api/v1/participants/%00/records/").status_code == 404


def test_a_patch_changes_what_it_names_and_leaves_the_rest(screened, client, coordinator):
    answer = send(client, screened, values(wbc={"value": "7000", "unit": "/µL"}))
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert (data["wbc"]["value"], data["wbc"]["si"], data["hgb"]["value"]) == ("7000", "7", "12.4")
    assert data["clearance"]["computed"] is True
    taken = {**values(lbtim=None), "expected_version": 2}
    assert "lbtim" not in send(client, screened, taken).json()["data"]
    stale = send(client, screened, values(wbc="8"))
    assert (stale.status_code, stale.json()["code"]) == (409, "version_conflict")


@pytest.mark.parametrize(
    ("form", "item", "entry", "words"),
    [
        ("labs", "hgb", {"value": "12", "unit": "g/L"}, "g/dL"),
        ("labs", "creat", {"value": "0.9", "unit": "µmol/L", "uln": "104"}, "mg/dL"),
        ("labs", "lymph", {"value": "1200", "unit": "10^9/L"}, "/µL"),
        ("ecg", "qt", {"value": "0.39", "unit": "ms"}, "Was it measured in s?"),
        ("echo", "lvef", {"value": "0.62", "unit": "%"}, "ratio"),
        ("serology", "hbv_dna", {"value": "5", "unit": "log10 IU/mL"}, "log10 IU/mL"),
    ],
)
def test_a_number_in_another_unit_is_refused_with_that_unit_named(screened, client, form, item, entry, words):
    answer = send(client, screened, values(**{item: entry}), form=form)
    assert answer.status_code == 422
    assert words in " ".join(answer.json()["fields"][item])


def test_a_number_plausible_in_another_unit_is_asked_about(screened, client):
    answer = send(client, screened, values(bili={"value": "1", "unit": "µmol/L", "uln": "21"}, weight="140"))
    asked = {query["item"]: query["text_en"] for query in answer.json()["queries"]}
    assert "mg/dL" in asked["bili"]
    assert "斤" in asked["weight"]


def test_the_machines_qtcf_is_asked_about_beyond_five_milliseconds(screened, client):
    """430 ms at 68/min makes 448.32 ms."""
    for version, machine, doubted in (
        (1, "453.3", False),
        (2, "453.4", True),
        (3, "443.4", False),
        (4, "443.3", True),
    ):
        body = values(qt="430", rate="68", qtcf_machine=machine) | {"expected_version": version}
        answer = send(client, screened, body, form="ecg")
        assert answer.json()["data"]["qtcf"]["value"] == "448.32"
        assert ("qtcf_machine" in {query["item"] for query in answer.json()["queries"]}) is doubted, machine


def test_neither_confirmation_stands_alone(screened, client):
    both = send(client, screened, values(confirmed_by=["none", "imaging"]), form="history")
    assert (both.status_code, set(both.json()["fields"])) == (422, {"confirmed_by"})
    assert send(client, screened, values(confirmed_by=["none"]), form="history").status_code == 200


def test_a_time_that_has_not_come_yet_is_refused_on_the_day_of_today(screened, client):
    now = clock.local(clock.now(), "Asia/Shanghai")
    noon = now.replace(hour=12, minute=0)
    with clock.pretend(noon):
        late = send(client, screened, values(lbdat=f"{noon:%Y-%m-%d}", lbtim="12:01"))
        assert (late.status_code, set(late.json()["fields"])) == (422, {"lbtim"})
        assert send(client, screened, values(lbdat=f"{noon:%Y-%m-%d}", lbtim="12:00")).status_code == 200


def test_what_applies_is_required_and_what_does_not_is_asked_about(screened, client):
    lacking = send(client, screened, values(prior_rt=True), form="history")
    assert (lacking.status_code, set(lacking.json()["fields"])) == (422, {"prior_rt_last"})
    odd = send(client, screened, values(prior_rt=False, prior_rt_last="2020"), form="history")
    assert odd.status_code == 200
    assert [query["item"] for query in odd.json()["queries"]] == ["prior_rt_last"]


def test_a_corrected_birth_date_computes_the_clearance_anew(screened, client, coordinator):
    with acting(coordinator):
        labs = Record.objects.get(form="labs")
    before = labs.data["clearance"]["value"]
    assert send(client, screened, values(brthdat="1950-06-01"), form="demographics").status_code == 200
    with acting(coordinator):
        labs.refresh_from_db()
    assert labs.data["clearance"]["value"] != before
    assert labs.version == 2
