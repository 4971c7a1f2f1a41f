"""Tables as a statistician takes them: typed, complete, and no more than their reader may see."""

import csv
import io
import json

import pytest
from django.test import Client

from randomization.steering import mark_in_error
from tests.conftest import PASSWORD, activate, built_once, install_demo_list, make_person
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.casebook import deviations, findings
from trialsite.casebook.reviewing import sign_casebook
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.demo import casebook
from trialsite.enrollment import services as enrollment
from trialsite.roster import services as roster
from trialsite.staff.models import Signature

TODAY = clock.today("Asia/Shanghai").isoformat()


def rows(user, name, asked=""):
    """The table as its reader gets it over HTTP."""
    client = Client()
    client.force_login(user)
    answer = client.get(f"/api/v1/exports/{name}.csv{asked}")
    assert answer.status_code == 200, answer.content
    text = answer.getvalue().decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


@built_once
def people():
    """One randomized participant at A, one operated at B; each with the coordinator."""
    install_demo_list()
    made = []
    for site, status in ((activate("SHGH"), "randomized"), (activate("SMU3"), "operated")):
        staff = {role: make_person(role, site) for role in ("coordinator", "investigator")}
        made.append((walk(status, site=site, **staff), staff["coordinator"]))
    return made


@pytest.fixture
def site_a(people):
    return people[0][0].site


@pytest.fixture
def site_b(people):
    return people[1][0].site


@pytest.fixture
def statistician(people, person):
    return person("statistician")


def test_a_form_becomes_a_typed_table_with_its_keys_first(people, statistician):
    found = rows(statistician, "labs")
    assert [row["participant"] for row in found] == sorted(one.code for one, _ in people)
    first = found[0]
    assert list(first)[:9] == [
        "trial",
        "protocol_version",
        "hospital",
        "participant",
        "event",
        "repeat",
        "state",
        "record_version",
        "observed_on",
    ]
    assert (first["trial"], first["event"], first["state"]) == ("NCT06756087", "SCR", "complete")
    assert (first["hgb"], first["hgb__entered"], first["hgb__unit"]) == ("124", "12.4", "g/dL")
    assert (first["ast"], first["ast__uln"]) == ("28", "40")


def test_yes_no_and_several_choices_have_a_column_of_their_own(people, statistician):
    found = rows(statistician, "surgery")[0]
    assert (found["ablated"], found["levels__T12"], found["levels__T5"]) == ("Y", "Y", "N")


def test_a_deviation_that_the_software_found_has_its_code_and_parameters_beside_the_sentence(
    people, statistician
):
    one, coordinator = people[0]
    deviations.record(
        actor=coordinator,
        participant=one,
        category="visit_window",
        on=clock.today("Asia/Shanghai"),
        what=findings.what("took_long", took=20, most=14),
        why="snow",
    )
    own = {"dvstdat": TODAY, "dvcat": "other", "dvterm": "Fasting was not kept.", "dvreason": "breakfast"}
    save_record(actor=coordinator, participant=one, event="LOG", form="deviation", repeat=2, values=own)
    first, second = rows(statistician, "deviation")
    assert (first["dvterm__found"], json.loads(first["dvterm__about"])) == (
        "took_long",
        {"took": "20", "most": "14"},
    )
    assert first["dvterm"].startswith("The last fraction was given 20 days after the first")
    assert (second["dvterm"], second["dvterm__found"], second["dvterm__about"]) == (own["dvterm"], "", "")
    codes = {row["code"]: row for row in rows(statistician, "codelists") if row["column"] == "dvterm__found"}
    assert "{took}" in codes["took_long"]["label_en"]
    assert codes["took_long"]["label_zh"] != codes["took_long"]["label_en"]


def test_columns_do_not_depend_on_the_data(people, statistician):
    assert rows(statistician, "sae") == []
    client = Client()
    client.force_login(statistician)
    header = client.get("/api/v1/exports/sae.csv").getvalue().decode()
    assert header.startswith("trial,protocol_version,hospital,participant,event,repeat")
    assert "narrative,narrative__missing" in header


HOSTILE = 'comma, "quote"\nline; =1+1 \t 王静 🦴 \\N \\.'


def test_text_comes_out_as_it_was_entered(people, statistician):
    participant, coordinator = people[0]
    values = {"aestdat": "2026-10", "aeterm": HOSTILE, "aetoxgr": 2, "aeser": False}
    save_record(actor=coordinator, participant=participant, event="LOG", form="adverse_event", values=values)
    found = rows(statistician, "adverse_event")[0]
    assert (found["aeterm"], found["aestdat"], found["aetoxgr"], found["aeser"]) == (
        HOSTILE,
        "2026-10",
        "2",
        "N",
    )
    entry = next(row for row in rows(statistician, "long") if row["item"] == "aeterm")
    assert entry["value"] == HOSTILE


def test_a_missing_answer_carries_its_reason(people, statistician):
    participant, coordinator = people[0]
    values = casebook.pain(clock.today("Asia/Shanghai"), 3) | {"average": {"missing": "refused"}}
    save_record(actor=coordinator, participant=participant, event="W1", form="pain", values=values)
    found = next(row for row in rows(statistician, "pain") if row["event"] == "W1")
    assert (found["worst"], found["average"], found["average__missing"]) == ("3", "", "refused")


def test_an_amount_that_no_decimal_ends_comes_with_twelve_places(people, statistician):
    participant, coordinator = people[0]
    with acting(coordinator, reason="a fraction for the test"):
        record = participant.records.get(event="SCR", form="labs")
        record.data["creat"]["si"] = "200/3"
        record.data["creat"]["sign"] = "<"
        record.version += 1
        record.save()
    found = next(row for row in rows(statistician, "labs") if row["participant"] == participant.code)
    assert found["creat"] == "66.666666666667"


def test_the_long_table_holds_every_entry_once(people, statistician):
    found = rows(statistician, "long")
    keys = {(row["participant"], row["event"], row["form"], row["repeat"], row["item"]) for row in found}
    assert len(keys) == len(found)
    entry = next(row for row in found if row["item"] == "hgb")
    assert (entry["value"], entry["entered"], entry["unit"], entry["form"]) == ("124", "12.4", "g/dL", "labs")


def test_lists_of_participants_visits_scores_and_queries(people, statistician):
    (randomized, _), (operated, _) = people
    found = {row["participant"]: row for row in rows(statistician, "participants")}
    assert found[randomized.code]["status"] == "randomized"
    assert found[randomized.code]["arm"] in ("RFA_PVP", "RFA_PVP_SBRT")
    assert found[operated.code]["arm"] == ""
    assert {row["visit"] for row in rows(statistician, "visits")} >= {"W1", "M12"}
    assert rows(statistician, "scores") == []
    assert isinstance(rows(statistician, "queries"), list)
    signed = [row for row in rows(statistician, "signatures") if row["what"] == "eligibility"]
    assert {row["participant"] for row in signed} == {randomized.code, operated.code}
    assert all(len(row["content_hash"]) == 64 and row["printed_name"] and row["meaning"] for row in signed)
    assert [row["fallen_at"] for row in signed] == ["", ""]


IN_ERROR = ("in_error", "in_error_reason", "in_error_truth")


def test_whoever_was_randomized_in_error_is_known_to_the_analyst(people, statistician, trial_manager):
    (randomized, _), (operated, _) = people
    said = {"kind": "ineligible", "reason": "INR read wrongly", "truth": "INR 2.1 on the day"}
    mark_in_error(actor=trial_manager, participant=randomized, **said)
    found = {row["participant"]: row for row in rows(statistician, "participants")}
    assert [found[randomized.code][name] for name in IN_ERROR] == list(said.values())
    assert [found[operated.code][name] for name in IN_ERROR] == ["", "", ""]
    hidden = {row["participant"]: row for row in rows(statistician, "participants", "?blinded=1")}
    assert [hidden[randomized.code][name] for name in IN_ERROR] == ["", "", ""], "free text may name the arm"
    client = Client()
    client.force_login(statistician)
    page = client.get("/admin/randomization/overview/").content.decode()
    assert randomized.code in page and said["truth"] in page


def test_every_signature_that_there_is_stands_in_the_table_with_what_it_is_over(
    people, person, site_a, site_b, statistician
):
    """Over envelopes: tests/randomization/test_envelopes.py."""
    (randomized, _), _ = people
    head, assessor = person("pi", site_a), person("assessor", site_a)
    sign_casebook(actor=head, participant=randomized, password=PASSWORD)
    roster.delegate(actor=head, site=site_a, user=assessor, tasks=["assessment"], password=PASSWORD)
    roster.review_access(actor=head, site=site_a, findings="none", password=PASSWORD)
    for reader in (statistician, head):
        with acting(reader):
            wanted = {one.content_hash: one.printed_name for one in Signature.objects.visible_to(reader)}
        signed = rows(reader, "signatures")
        assert {row["content_hash"]: row["printed_name"] for row in signed} == wanted
        of_roster = {"delegation", "access_review"} if reader == head else {"roster"}
        assert {row["what"] for row in signed} == {"eligibility", "casebook", "activation"} | of_roster
        assert {bool(row["participant"]) for row in signed if row["what"] in ("eligibility", "casebook")} == {
            True
        }
    assert {row["hospital"] for row in rows(head, "signatures")} == {"SHGH"}


def test_a_pi_gets_the_own_hospital_only(people, person, site_b):
    head = person("pi", site_b)
    assert {row["hospital"] for row in rows(head, "labs")} == {"SMU3"}
    assert {row["hospital"] for row in rows(head, "long")} == {"SMU3"}
    assert {row["hospital"] for row in rows(head, "participants")} == {"SMU3"}


def test_whoever_may_not_see_arms_gets_none_in_any_table(
    people, person, site_a, monkeypatch, cluster, committed
):
    """A role that exports and is blind: no arm, no SBRT form, no visit that tells."""
    import psycopg

    from trialsite.exports.tables import tables
    from trialsite.staff import capabilities

    monkeypatch.setitem(
        capabilities.CAPABILITIES, "assessor", capabilities.CAPABILITIES["assessor"] | {"data.export"}
    )
    with psycopg.connect(cluster.url("edc_owner", committed)) as owner:
        owner.execute(
            "INSERT INTO staff_rolecapability (role, capability) VALUES ('assessor', 'data.export')"
        )
    blind = person("assessor", site_a)
    with acting(blind):
        names = [table.name for table in tables(blind)]
    assert not {"sbrt", "fraction"} & set(names)
    for name in [*names, "codebook"]:
        text = str(rows(blind, name))
        assert "RFA_PVP" not in text, name
        assert "SBRT" not in text, name
    assert rows(blind, "participants")[0]["arm"] == ""


def test_a_blinded_export_tells_no_arm_to_whoever_sees_arms_otherwise(people, statistician, person):
    (randomized, _), _ = people
    client = Client()
    client.force_login(statistician)
    shown, blinded = (
        {one["name"] for one in client.get(f"/api/v1/exports/{asked}").json()} for asked in ("", "?blinded=1")
    )
    assert shown - blinded == {"sbrt", "sbrt_end", "fraction", "arm_deviation", "event_treatment"}
    for name in [*sorted(blinded), "codebook", "codelists"]:
        text = str(rows(statistician, name, "?blinded=1"))
        assert "RFA_PVP" not in text, name
        assert "SBRT" not in text, name
    found = {row["participant"]: row for row in rows(statistician, "participants", "?blinded=1")}
    assert (found[randomized.code]["status"], found[randomized.code]["arm"]) == ("randomized", "")
    assert not any(found[randomized.code][name] for name in IN_ERROR)
    assert rows(statistician, "labs", "?blinded=1") == rows(statistician, "labs")
    assert client.get("/api/v1/exports/fraction.csv?blinded=true").status_code == 404
    assert client.get("/api/v1/exports/labs.csv?blinded=perhaps").status_code == 422
    answer = client.get("/admin/exports/table.csv?table=labs&blinded=1")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="labs-blinded.csv"'
    with acting(person("auditor")):
        noted = Event.objects.filter(action="export", table_name="labs").order_by("pk")
        assert ["blinded" in str(one.changes) for one in noted] == [True, True, False, True]


def test_the_code_book_explains_every_column_of_every_table(people, statistician):
    client = Client()
    client.force_login(statistician)
    book = rows(statistician, "codebook")
    told = {(row["table"], row["column"]): row for row in book}
    assert len(told) == len(book)
    for name in [one["name"] for one in client.get("/api/v1/exports/").json()]:
        header = client.get(f"/api/v1/exports/{name}.csv").getvalue().decode().splitlines()[0].split(",")
        assert [column for table, column in told if table == name] == header, name
    assert all(row["label_en"] and row["label_zh"] and row["holds"] for row in book)
    assert (told["labs", "hgb"]["unit"], told["labs", "hgb"]["holds"]) == ("g/L", "number")
    assert told["labs", "hospital"]["cdash"] == "SITEID"
    assert told["demographics", "sex"]["codes_en"] == "male=male; female=female"
    assert told["surgery", "levels__T12"]["label_zh"].endswith("：T12")
    # A code for which the standard has a variable of its own stands under that one.
    assert told["sae", "criteria__death"]["cdash"] == "AESDTH"
    assert told["adverse_event", "aestdat"]["type"] == "date, may be partial"
    assert (told["sae", "awareat"]["holds"], told["sae", "awareat"]["unit"]) == ("instant", "UTC")
    assert "operated=operated" in told["participants", "status"]["codes_en"]


def test_the_code_lists_hold_every_code_that_stands_in_a_table(people, statistician):
    lists = rows(statistician, "codelists")
    known: dict[tuple[str, str], set[str]] = {}
    for row in lists:
        assert row["label_en"] and row["label_zh"], row
        known.setdefault((row["table"], row["column"]), set()).add(row["code"])
    assert known["participants", "arm"] == {"RFA_PVP", "RFA_PVP_SBRT"}
    assert known["labs", "hgb__unit"] >= {"g/L", "g/dL"}
    assert known["visits", "in_window"] == {"Y", "N"}
    for name in ("participants", "visits", "signatures", "demographics", "labs", "surgery", "pain"):
        for row in rows(statistician, name):
            for column, value in row.items():
                codes = known.get((name, column))
                assert not value or codes is None or value in codes, (name, column, value)


@pytest.mark.parametrize("role", ["coordinator", "investigator", "assessor", "administrator"])
def test_who_may_not_export_is_told_so(people, person, site_a, role):
    client = Client()
    client.force_login(person(role, site_a))
    assert client.get("/api/v1/exports/labs.csv").status_code == 403


@pytest.mark.parametrize("name", ["nothing", "casebook_record", "labs;drop", "LABS", "x" * 200])
def test_an_unknown_table_is_a_plain_404(people, statistician, name):
    client = Client()
    client.force_login(statistician)
    assert client.get(f"/api/v1/exports/{name}.csv").status_code == 404


def test_every_export_is_noted_before_its_first_row(people, statistician, person):
    rows(statistician, "labs")
    auditor = person("auditor")
    with acting(auditor):
        event = Event.objects.filter(action="export", table_name="labs").get()
    assert (event.actor_id, event.application) == (statistician.pk, "api")


def test_dead_and_withdrawn_participants_stay_in_the_tables(people, statistician):
    participant, coordinator = people[0]
    with acting(coordinator):
        participant.refresh_from_db()
    enrollment.record_death(
        actor=coordinator, participant=participant, values={"dthdat": TODAY, "cause": "progression"}
    )
    assert rows(statistician, "death")[0]["dthdat"] == TODAY
    assert participant.code in {row["participant"] for row in rows(statistician, "labs")}


def test_after_a_withdrawal_of_the_use_of_data_no_value_leaves_and_the_person_still_counts(
    people, statistician
):
    participant, coordinator = people[0]
    with acting(coordinator):
        participant.refresh_from_db()
    values = {"wddat": TODAY, "level": "data", "reason": "moved abroad"}
    enrollment.withdraw(actor=coordinator, participant=participant, values=values)
    for name in ("labs", "long", "visits", "scores", "queries", "signatures"):
        assert participant.code not in {row["participant"] for row in rows(statistician, name)}, name
    assert participant.code in {row["participant"] for row in rows(statistician, "participants")}
