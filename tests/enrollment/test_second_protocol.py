"""A participant of a made-up protocol walks the whole path: other codes, forms, criteria and units, no other code."""

import copy
import datetime as dt
import shutil

import pytest
import yaml
from django.conf import settings
from django.test import Client

from eligibility.errors import NotEligible, NotSigned
from randomization import arms, generation, vault
from tests.approvals import ETHICS
from tests.conftest import PASSWORD, make_person
from tests.enrollment import second
from trialsite.audit.context import acting
from trialsite.casebook.models import Record
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.enrollment import breaches, consort, corrections, services
from trialsite.enrollment.errors import NotInProtocol, RecheckMissing
from trialsite.enrollment.trial import install_list, load
from trialsite.participants.models import Participant
from trialsite.participants.services import approve_consent_form
from trialsite.protocol.reader import read
from trialsite.safety import reminders
from trialsite.safety import services as safety
from trialsite.sites.services import sign_activation
from visits import services as visits
from visits.models import Visit

TODAY = clock.today("Asia/Shanghai")
SURGERY = TODAY - dt.timedelta(days=3)


@pytest.fixture
def trial(db, loader, site_a, tmp_path):
    """The second protocol, in force at hospital A, with its list."""

    def begin(**changed):
        version = load(actor=loader, folder=second.write(tmp_path / "second", **changed))
        manager = make_person("trial_manager")
        for signer in (make_person("pi", site_a), manager):
            sign_activation(actor=signer, site=site_a, version=version, password=PASSWORD, **ETHICS)
        approve_consent_form(
            actor=manager,
            site=site_a,
            protocol_version=version,
            version="S1",
            approved_on=ETHICS["ethics_approved_on"],
            reference="EC-2025-018",
        )
        document = generation.demo_list(
            trial=version.definition.id,
            environment="demo",
            strata=[f"site={site.code}" for site in version.definition.sites],
            arms=("DIET", "DRUG"),
            length=version.definition.total_cap,
            key=vault.key_from(settings.SEQUENCE_KEY),
        )
        install_list(actor=loader, document=document, version=version)
        return version

    return begin


@pytest.fixture
def enter(coordinator):
    def save(participant, event, form, **values):
        saved = save_record(
            actor=coordinator,
            participant=Participant.objects.with_protocol().get(pk=participant.pk),
            event=event,
            form=form,
            values=values.pop("values", values),
            expected_version=values.pop("expected_version", None),
        )
        return saved.record

    return save


def metabolic(on, glucose):
    return {
        "drawn": on.isoformat(),
        "glucose": {"value": glucose, "unit": "mg/dL"},
        "mass": "80",
        "height": {"value": "165", "unit": "cm"},
    }


@pytest.fixture
def operated(site_a, coordinator, investigator, enter):
    """Walks the second protocol as far as the surgery."""

    def walk(key):
        participant = services.register(actor=coordinator, site=site_a, registration_key=key)
        services.consent(
            actor=coordinator,
            participant=participant,
            form_version="S1",
            patient_signed_at=clock.now() - dt.timedelta(days=9),
            family_signed_at=None,
        )
        seen = SURGERY - dt.timedelta(days=2)
        with acting(coordinator):
            enter(participant, "DAY0", "metabolic", **metabolic(seen, "126.112"))
            asked = seen - dt.timedelta(days=3)
            enter(participant, "DAY0", "diet", asked=asked.isoformat(), meals=6)
        with clock.pretend(clock.now() - dt.timedelta(days=7)):
            services.sign_eligibility(
                actor=investigator, participant=participant, password=PASSWORD, surgery_on=SURGERY
            )
        services.operate(
            actor=coordinator, participant=participant, values={"done": SURGERY.isoformat(), "length": 120}
        )
        return participant

    return walk


def test_from_registration_to_the_last_visit(trial, operated, site_a, coordinator, enter):
    trial()
    participant = operated("second-path")

    def randomize(key="second-randomized"):
        return services.randomize(actor=coordinator, participant=participant, idempotency_key=key)

    with pytest.raises(RecheckMissing):
        randomize()
    with acting(coordinator):
        enter(participant, "DRAW", "metabolic", **metabolic(TODAY, "110"))
    with pytest.raises(NotEligible) as refused:
        randomize()
    # What is asked again is asked of the new value; the signed verdict on the rest still stands.
    assert "A2" in str(refused.value)
    assert "B1" not in str(refused.value)
    with acting(coordinator, reason="read from the wrong line"):
        record = Record.objects.get(participant=participant, event="DRAW")
        save_record(
            actor=coordinator,
            participant=Participant.objects.with_protocol().get(pk=participant.pk),
            event="DRAW",
            form="metabolic",
            values=metabolic(TODAY, "130"),
            expected_version=record.version,
            reason="read from the wrong line",
        )
    outcome = randomize()
    with acting(coordinator):
        codes = dict(Visit.objects.filter(participant=participant).values_list("code", "state"))
        assert arms.visible_to(coordinator).get(participant=participant).arm == outcome.arm
    assert codes.pop("DRAW") == "attended"
    assert (codes.pop("DRIP", None) is not None) == (outcome.arm == "DRUG")
    assert codes == {"Q1": "expected", "Q2": "expected"}
    with acting(coordinator):
        extra = visits.unscheduled(
            actor=coordinator,
            participant=Participant.objects.get(pk=participant.pk),
            on=TODAY,
            reason="dizzy",
        )
    assert extra.code == "EXTRA"
    gone = services.withdraw(
        actor=coordinator, participant=participant, values={"left": TODAY.isoformat(), "level": "visits"}
    )
    assert gone.status == "withdrawn"
    with acting(coordinator):
        flow = consort.flow(coordinator)
    assert (flow.operated, flow.randomized) == (1, 1)


def test_a_date_that_was_wrong_is_corrected_and_its_breach_recorded_under_the_protocols_own_names(
    trial, operated, coordinator
):
    trial()
    participant = operated("second-corrected")
    with acting(coordinator):
        assert breaches.breached(Participant.objects.with_protocol().get(pk=participant.pk)) == {}
        record = Record.objects.get(participant=participant, form="bypass")
    # The blood was drawn after that day, so that it tells nothing of the time before surgery.
    corrections.correct_surgery(
        actor=coordinator,
        participant=participant,
        values={"done": (SURGERY - dt.timedelta(days=4)).isoformat(), "length": 120},
        expected_version=record.version,
        reason="misread",
    )
    with acting(coordinator):
        noted = Record.objects.get(participant=participant, form="breach")
    assert (noted.event, noted.data["dvcat"]["value"], noted.data["dvsubject"]["value"]) == (
        "NOTES",
        "eligibility",
        "OP",
    )


def test_nothing_is_asked_again_where_the_setting_says_so(trial, operated, coordinator):
    trial(recheck_criteria="none")
    participant = operated("second-unasked")
    services.randomize(actor=coordinator, participant=participant, idempotency_key="second-unasked-one")
    with acting(coordinator):
        assert Participant.objects.get(pk=participant.pk).status == "randomized"


def test_a_step_that_the_protocol_does_not_have_is_refused_by_name(trial, operated, coordinator):
    trial(leave_out="infusion", recheck_criteria="none")
    participant = operated("second-stepless")
    services.randomize(actor=coordinator, participant=participant, idempotency_key="second-stepless-one")
    with pytest.raises(NotInProtocol):
        services.start_treatment(actor=coordinator, participant=participant, values={})


def test_a_serious_event_runs_its_clocks_on_forms_of_other_names(
    trial, operated, site_a, coordinator, loader, enter
):
    trial()
    participant = operated("second-serious")
    now = clock.now()
    aware = now - dt.timedelta(hours=30)
    with acting(coordinator):
        enter(participant, "NOTES", "mishap", began=f"{TODAY:%Y-%m}", words="Leak", bad=True, fate="gone")
        alarm = enter(
            participant,
            "NOTES",
            "alarm",
            since=TODAY.isoformat(),
            learned=aware.isoformat(),
            story="leak",
            mishap_no=1,
            why=["life"],
            due_to="drug",
            in_brochure=False,
            fate="going_on",
        )
    client = Client()
    client.force_login(coordinator)
    (report,) = client.get("/api/v1/safety/").json()
    assert (report["form"], report["stage"]) == ("alarm", "overdue")
    assert [one["state"] for one in report["clocks"]] == ["overdue", "running", "running"]
    (differs,) = client.get("/api/v1/safety/reconciliation/").json()
    assert (differs["code"], differs["event"], differs["report"]) == ("outcome_differs", 1, 1)
    with acting(loader):
        (waits,) = reminders.waiting(Record.objects.all(), now)
    assert (waits.about, waits.phase) == ("to_sponsor", "open")
    page = client.get("/admin/safety/").content.decode()
    assert f"/admin/participant/{participant.code}/form/NOTES/mishap/1/" in page
    safety.note(actor=coordinator, record=alarm, step="to_sponsor", at=now, seen=1, reason="by mail")
    with acting(coordinator):
        assert Record.objects.get(form="alarm").data["told"]
    assert client.get("/api/v1/safety/").json()[0]["stage"] == "running"
    answer = client.post("/admin/safety/new/", {"participant": participant.pk})
    assert answer.headers["Location"].endswith("/form/NOTES/alarm/2/")
    assert client.get(f"/admin/safety/{alarm.pk}/narrative.pdf").content.startswith(b"%PDF")


def test_a_protocol_without_forms_of_safety_has_nothing_to_report(trial, operated, coordinator, loader):
    trial(safety=None)
    participant = operated("second-safe")
    client = Client()
    client.force_login(coordinator)
    assert client.get("/api/v1/safety/").json() == []
    assert client.get("/admin/safety/").status_code == 200
    assert client.post("/admin/safety/new/", {"participant": participant.pk}).status_code == 404
    with acting(loader):
        assert list(reminders.waiting(Record.objects.all(), clock.now())) == []


@pytest.mark.parametrize(
    ("part", "name", "value", "said"),
    [
        (
            "report",
            "aware",
            "since",
            "safety.report.aware: must name an item of 'alarm' of the type datetime",
        ),
        ("report", "form", "bypass", "safety.report.form: 'bypass' must repeat"),
        ("event", "form", "nothing", "safety.event.form: there is no form 'nothing'"),
        ("", "grave", ["death"], "safety.grave: 'death' is no choice of 'why'"),
        ("", "medication", {"form": "mishap", "start": "began", "end": "words"}, "of the type date"),
    ],
)
def test_forms_of_safety_that_lack_what_its_clocks_read_are_refused(tmp_path, part, name, value, said):
    wanted = copy.deepcopy(second.SAFETY)
    (wanted[part] if part else wanted)[name] = value
    folder = second.write(tmp_path / "second", safety=wanted)
    assert said in "\n".join(map(str, read(folder)[1]))


def test_outcomes_that_cannot_be_compared_are_refused(tmp_path):
    folder = second.write(tmp_path / "second")
    path = folder / "forms" / "mishap.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content["sections"][0]["items"][3]["choices"].pop()
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    assert "safety.event.outcome: has other choices" in "\n".join(map(str, read(folder)[1]))


def _without(part):
    def change(folder):
        for path in [*(folder / "forms").glob("*.yaml"), folder / "schedule.yaml"]:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            for entry in content if isinstance(content, list) else [content]:
                for key in ("drives", "role"):
                    if entry.get(key) == part:
                        del entry[key]
            path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")

    return change


def _schedule(code, **changes):
    def change(folder):
        path = folder / "schedule.yaml"
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        next(one for one in content if one["code"] == code).update(changes)
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")

    return change


def _without_kind(form, kind):
    def change(folder):
        path = folder / "forms" / f"{form}.yaml"
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        (item,) = [one for part in content["sections"] for one in part["items"] if one["name"] == "dvcat"]
        item["choices"] = [one for one in item["choices"] if one["code"] != kind]
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without_kind("breach", "eligibility"), "needs the choice 'eligibility'"),
        (_without_kind("arm_breach", "treatment"), "needs the choice 'treatment'"),
        (_without("screening"), "no visit has the role 'screening'"),
        (_without("randomization"), "no visit has the role 'randomization'"),
        (_without("unscheduled"), "no visit has the role 'unscheduled'"),
        (_without("surgery"), "no form drives 'surgery'"),
        (_without("death"), "no form drives 'death'"),
        (_without("withdrawal"), "no form drives 'withdrawal'"),
        (_without("deviation"), "no form has the role 'deviation'"),
        (_without("arm_deviation"), "visits of one arm need a form with the role 'arm_deviation'"),
        (_schedule("Q1", role="randomization"), "is the role of another visit already"),
        (_schedule("Q1", role="unscheduled"), "[4].kind: does not go with the role 'unscheduled'"),
        (_schedule("Q1", forms=["loss"]), "must be collected at one visit, not at 2"),
        (_schedule("DRAW", forms=[]), "reads 'metabolic', which the randomization does not collect"),
        (_schedule("DAY0", forms=["metabolic"]), "reads 'diet', which the screening does not collect"),
    ],
)
def test_a_protocol_in_which_a_part_is_not_played_is_refused(tmp_path, change, said):
    folder = second.write(tmp_path / "second")
    assert read(folder)[1] == []
    change(folder)
    assert said in "\n".join(map(str, read(folder)[1]))
    shutil.rmtree(folder)


def test_a_recheck_that_nobody_knows_is_refused(tmp_path):
    folder = second.write(tmp_path / "second", recheck_criteria="all of them")
    assert [str(one) for one in read(folder)[1]] == [
        "protocol.yaml: settings.recheck_criteria.value: must be one of: marked, none"
    ]


def test_a_second_visit_of_screening_counts_as_the_first_one(
    trial, operated, coordinator, enter, monkeypatch
):
    """A bad repeat that comes after the signature ends it: nobody is randomized past it."""
    again = {**second.VISITS[0], "code": "DAY0B", "forms": ["metabolic"]}
    monkeypatch.setattr(second, "VISITS", [second.VISITS[0], again, *second.VISITS[1:]])
    trial(recheck_criteria="none")
    participant = operated("second-repeat")
    with acting(coordinator):
        assert participant.verdicts.get().signature.standing
        enter(participant, "DAY0B", "metabolic", **metabolic(SURGERY - dt.timedelta(days=1), "110"))
        assert not participant.verdicts.get().signature.standing
        found = breaches.breached(Participant.objects.with_protocol().get(pk=participant.pk))
    assert list(found) == ["A2"]
    with pytest.raises(NotSigned):
        services.randomize(actor=coordinator, participant=participant, idempotency_key="second-repeat-one")
