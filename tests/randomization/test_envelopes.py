"""Days when the system is down: envelopes in their order, entered by two persons, marked in the ledger."""

import datetime as dt
from contextlib import closing
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError
from django.test import Client

from eligibility import services as eligibility
from eligibility.errors import NotSigned
from randomization import services as allocating
from randomization.errors import (
    CapReached,
    EnvelopeDiffers,
    EnvelopeOutOfTurn,
    KeyReused,
    NoList,
    SecondPersonNeeded,
)
from randomization.exporting import sealed_export
from randomization.generation import envelopes
from randomization.models import Allocation, Scheme, Stratum
from randomization.rules.specification import Specification
from randomization.services import install_list
from randomization.steering import set_state, set_stratum_cap, void_envelope
from randomization.verification import verify
from tests.conftest import PASSWORD, make_person
from tests.exports.test_tables import rows
from tests.path import walk
from tests.randomization import verifier
from tests.randomization.stories import SECRET, made_list, made_specification, randomize
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.casebook.models import Record
from trialsite.core import clock
from trialsite.core.errors import Forbidden, Invalid, NotFound
from trialsite.enrollment import corrections, notices, schedule, services
from trialsite.enrollment.errors import (
    AlreadyRandomized,
    OpenedBeforeSurgery,
    OpenedInFuture,
    StepRefused,
)
from trialsite.outbox.models import Message
from trialsite.outbox.resolvers import Cancel, Send
from trialsite.participants.services import transfer
from trialsite.staff.errors import WrongPassword
from trialsite.staff.models import Signature, User
from visits.models import Visit

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def paper(statistician):
    """The list of the trial with three envelopes at each hospital; what the envelopes of the first one hold."""
    install_list(actor=statistician, document=made_list(emergency=3), total_cap=120)
    specification: Specification = made_specification(emergency=3)
    return [one for one in envelopes(specification, [SECRET]) if one["stratum"] == "site=SHGH"]


def enter(team, participant, sheet, **changes: Any):
    asked = {
        "actor": team["coordinator"],
        "participant": participant,
        "idempotency_key": f"envelope-{sheet['index']}",
        "number": sheet["index"],
        "arm": sheet["arm"],
        "check_code": sheet["check_code"],
        "opened_at": clock.now(),
        "reason": "no power in the server room",
        "password": PASSWORD,
        "second": team["investigator"],
        "second_password": PASSWORD,
    }
    return services.enter_envelope(**(asked | changes))


def other(arm):
    return {"RFA_PVP": "RFA_PVP_SBRT", "RFA_PVP_SBRT": "RFA_PVP"}[arm]


def test_an_envelope_is_entered_by_two_signatures_and_marked_in_the_ledger(
    paper, team_a, statistician, loader
):
    first = randomize(team_a, walk("operated", **team_a), "by the system")
    participant = walk("operated", **team_a)
    outcome = enter(team_a, participant, paper[0])
    assert (outcome.arm, outcome.position) == (paper[0]["arm"], 2)
    then = randomize(team_a, walk("operated", **team_a), "the system again")
    with acting(team_a["coordinator"]):
        kinds = list(Allocation.objects.order_by("position").values_list("kind", "index"))
        signed = Signature.objects.filter(meaning__startswith="I have seen the opened envelope")
        assert {one.signer for one in signed} == {team_a["coordinator"], team_a["investigator"]}
        participant.refresh_from_db()
    assert kinds == [("main", 1), ("emergency", 1), ("main", 2)]
    assert participant.status == "randomized"
    assert (first.position, then.position) == (1, 3)
    assert verify(actor=loader) == []
    export = sealed_export(actor=statistician)
    heads = [(row["position"], row["hash"]) for row in export["rows"]]
    assert verifier.load().verify(export, [SECRET], heads) == []
    again = enter(team_a, participant, paper[0])
    assert again.replayed
    with acting(team_a["coordinator"]):
        assert signed.count() == 2, "a repeated request signs nothing again"
    client = Client()
    client.force_login(team_a["coordinator"])
    page = client.get(f"/admin/participant/{participant.code}/").content.decode()
    assert page.count("I have seen the opened envelope") == 2, "on screen, beside the allocation"
    assert all(one.content_hash in page for one in signed)


def test_the_signatures_over_an_envelope_move_with_the_participant_and_are_exported(
    paper, team_a, team_b, statistician, trial_manager
):
    participant = walk("operated", **team_a)
    enter(team_a, participant, paper[0])
    moved = transfer(actor=trial_manager, participant=participant, to=team_b["site"], reason="moved house")
    for team, seen in ((team_a, 0), (team_b, 2)):
        with acting(team["coordinator"]):
            signed = Signature.objects.visible_to(team["coordinator"]).over("envelope", participant.pk)
            assert len(signed) == seen
    found = [row for row in rows(statistician, "signatures") if row["what"] == "envelope"]
    assert {(row["hospital"], row["participant"]) for row in found} == {("SMU3", moved.code)}
    assert {row["content_hash"] for row in found} == {one.content_hash for one in signed}


def test_envelopes_are_entered_in_their_order_and_only_with_what_they_held(paper, team_a):
    participant = walk("operated", **team_a)
    with pytest.raises(EnvelopeOutOfTurn, match="number 1"):
        enter(team_a, participant, paper[1])
    with pytest.raises(EnvelopeDiffers):
        enter(team_a, participant, paper[0], arm=other(paper[0]["arm"]))
    with acting(team_a["coordinator"]):
        assert not Allocation.objects.exists()
        assert not Signature.objects.filter(meaning__startswith="I have seen").exists(), "nothing half stored"
    for sheet in paper:
        enter(team_a, participant, sheet)
        participant = walk("operated", **team_a)
    with pytest.raises(NoList):
        enter(team_a, participant, paper[0] | {"index": 4})
    with pytest.raises(KeyReused):
        enter(team_a, participant, paper[2])


def test_two_different_persons_sign_with_their_own_passwords(paper, team_a, team_b):
    participant = walk("operated", **team_a)
    with pytest.raises(SecondPersonNeeded) as refused_alone:
        enter(team_a, participant, paper[0], second=team_a["coordinator"])
    assert list(refused_alone.value.fields) == ["second"]
    for wrong, named in (({"password": "wrong"}, []), ({"second_password": "wrong"}, ["second_password"])):
        with pytest.raises(WrongPassword) as mistyped:
            enter(team_a, participant, paper[0], **wrong)
        assert list(mistyped.value.fields) == named, "whose it is"
    colleague, stranger = make_person("coordinator", team_a["site"]), team_b["investigator"]
    for second, refused in ((colleague, Forbidden), (stranger, NotFound)):
        with pytest.raises(refused):
            enter(team_a, participant, paper[0], second=second)
    with acting(team_a["coordinator"]):
        assert not Allocation.objects.exists()


def test_an_envelope_is_dated_between_the_surgery_and_now(paper, team_a):
    participant = walk("operated", **team_a)
    with pytest.raises(OpenedInFuture) as future:
        enter(team_a, participant, paper[0], opened_at=clock.now() + dt.timedelta(minutes=1))
    with pytest.raises(OpenedBeforeSurgery, match="before the surgery") as early:
        enter(team_a, participant, paper[0], opened_at=clock.now() - dt.timedelta(days=200))
    for refused in (future, early):
        assert refused.value.fields == {"opened_at": [str(refused.value)]}


def test_an_envelope_entered_late_counts_for_the_day_on_which_it_was_opened(
    paper, team_a, statistician, loader
):
    participant = walk("operated", **team_a)
    opened = clock.now() - dt.timedelta(days=2)
    enter(team_a, participant, paper[0], opened_at=opened)
    actor = team_a["coordinator"]
    with acting(actor):
        made = Allocation.objects.get()
        day = clock.local_date(opened, team_a["site"].timezone)
        assert schedule.anchors(actor, participant)["randomization"] == day
        assert Visit.objects.get(participant=participant, code="RAND").attended_on == day
    assert (made.opened_at, made.randomized_at) == (opened, opened)
    assert made.allocated_at > opened
    client = Client()
    client.force_login(actor)
    certificate = client.get(f"/api/v1/participants/{participant.code}/certificate/").json()
    assert (certificate["kind"], dt.datetime.fromisoformat(certificate["opened_at"])) == ("emergency", opened)
    page = client.get(f"/admin/participant/{participant.code}/certificate/").content.decode()
    assert f"{clock.local(opened, 'Asia/Shanghai'):%Y-%m-%d %H:%M:%S}" in page
    client.force_login(statistician)
    (row,) = client.get("/api/v1/randomization/ledger/").json()["results"]
    assert (row["kind"], dt.datetime.fromisoformat(row["opened_at"])) == ("emergency", opened)
    window = client.get(f"/admin/randomization/allocation/{made.pk}/change/").content.decode()
    assert "envelope" in window.lower()
    (told,) = [row for row in rows(statistician, "participants") if row["participant"] == participant.code]
    assert told["envelope_opened_at"]
    assert verify(actor=loader) == []


def test_whoever_has_not_seen_the_paper_learns_no_arm_and_is_reported(
    paper, team_a, statistician, trial_manager, loader
):
    principal = make_person("pi", team_a["site"])
    participant = walk("operated", **team_a)
    refused = []
    for arm in ("RFA_PVP", "RFA_PVP_SBRT"):
        with pytest.raises(EnvelopeDiffers) as error:
            enter(team_a, participant, paper[0], arm=arm, check_code="0123456789")
        refused.append(str(error.value))
    assert refused[0] == refused[1], "the right arm and the wrong one are refused alike"
    with acting(loader):
        assert not Allocation.objects.exists()
        mails = Message.objects.filter(kind="envelope_refused")
        told = {mail.recipient for mail in mails}
        assert told == {f"user:{one.pk}" for one in (statistician, trial_manager, principal)}
        assert len(mails) == 3, "once a day"
        text = notices.resolve_envelope_refused(mails[0], clock.now())
    assert isinstance(text, Send)
    assert participant.code in text.subject
    assert "RFA_PVP" not in text.body
    with acting(statistician):
        tried = Event.objects.filter(action="envelope_refused")
        assert [(one.row_key, one.actor_id) for one in tried] == [("1", team_a["coordinator"].pk)] * 2
    client = Client()
    client.force_login(statistician)
    assert "sealed envelope: envelope refused" in client.get("/admin/randomization/access/").content.decode()
    with acting(loader):
        User.objects.filter(pk=statistician.pk).update(is_active=False)
        gone = mails.get(recipient=f"user:{statistician.pk}")
        assert isinstance(notices.resolve_envelope_refused(gone, clock.now()), Cancel)
    assert (
        enter(team_a, participant, paper[0], check_code=f" {paper[0]['check_code'].upper()} ").position == 1
    )


def deviations_of(team, participant):
    with acting(team["coordinator"]):
        found = Record.objects.filter(participant=participant, form="deviation").order_by("repeat")
        return [(one.data["dvcat"]["value"], one.data["dvterm"]["value"]) for one in found]


def test_what_did_not_hold_when_an_envelope_was_opened_is_a_deviation_and_keeps_no_other_back(paper, team_a):
    """The paper is out of its cover: refusing it would block the envelopes behind it for good."""
    participant = walk("operated", **team_a)
    with acting(team_a["coordinator"]):
        eligibility.let_fall(participant=participant, reason="the INR was corrected")
    services.withdraw(
        actor=team_a["coordinator"],
        participant=participant,
        values={
            "wddat": clock.today(team_a["site"].timezone).isoformat(),
            "level": "treatment",
            "reason": "fear",
        },
    )
    with pytest.raises(NotSigned):
        randomize(team_a, participant, "by the system")
    enter(team_a, participant, paper[0])
    found = deviations_of(team_a, participant)
    assert [category for category, _ in found] == ["eligibility", "treatment"]
    assert all(term.startswith("An envelope was opened on") for _, term in found)
    assert enter(team_a, walk("operated", **team_a), paper[1]).position == 2


def test_an_envelope_of_somebody_who_has_died_or_left_since_is_entered(paper, team_a, loader):
    today = clock.today(team_a["site"].timezone)
    actor = team_a["coordinator"]
    gone = walk("operated", **team_a)
    services.record_death(actor=actor, participant=gone, values={"dthdat": today.isoformat()})
    left = walk("operated", **team_a)
    services.withdraw(
        actor=actor,
        participant=left,
        values={"wddat": today.isoformat(), "level": "visits", "reason": "moved"},
    )
    for participant, sheet, status in ((gone, paper[0], "dead"), (left, paper[1], "withdrawn")):
        enter(team_a, participant, sheet)
        with acting(actor):
            participant.refresh_from_db()
            mine = Visit.objects.filter(participant=participant)
            assert mine.get(code="RAND").state == "attended"
            assert not mine.open().filter(closes_on__gte=today).exists(), "nothing is expected of them"
        assert participant.status == status
    late = walk("operated", **team_a)
    services.record_death(
        actor=actor, participant=late, values={"dthdat": (today - dt.timedelta(days=1)).isoformat()}
    )
    with pytest.raises(StepRefused):
        enter(team_a, late, paper[2])
    assert verify(actor=loader) == []


def test_an_envelope_gives_no_second_arm_to_whoever_has_one(paper, team_a):
    participant = walk("operated", **team_a)
    randomize(team_a, participant, "by the system")
    with pytest.raises(AlreadyRandomized):
        enter(team_a, participant, paper[0])


def test_a_cap_of_the_stratum_counts_envelopes(paper, team_a, statistician, monkeypatch):
    enter(team_a, walk("operated", **team_a), paper[0])
    client = Client()
    client.force_login(statistician)

    def capped(cap):
        said = {"stratum": "site=SHGH", "cap": cap, "reason": "protocol"}
        return client.post("/api/v1/randomization/steering/", said, content_type="application/json")

    assert capped(0).status_code == 422, "one is randomized already"
    assert capped(1).status_code == 200
    (here,) = [one for one in client.get("/api/v1/randomization/strata/").json() if one["key"] == "site=SHGH"]
    assert (here["allocated"], here["cap"], here["emergency_length"]) == (1, 1, 3)
    published = client.get("/api/v1/randomization/").json()["emergency_roots"]["site=SHGH"]
    page = client.get("/admin/randomization/overview/").content.decode()
    assert here["emergency_root"] == published
    assert len(published) == 64 and published in page
    with pytest.raises(CapReached):
        randomize(team_a, walk("operated", **team_a), "beyond the cap")
    assert "<td>1</td><td>1</td>" in page
    monkeypatch.setattr(allocating, "_require_open", lambda *_, **__: Stratum.objects.get(key="site=SHGH"))
    with pytest.raises(IntegrityError, match="a pause, a cap or a restored backup"):
        randomize(team_a, walk("operated", **team_a), "past the service")


def test_an_envelope_opened_on_paper_stands_though_the_randomization_was_forgone(paper, team_a):
    participant = walk("operated", **team_a)
    corrections.forgo_randomization(
        actor=team_a["coordinator"], participant=participant, reason="system down"
    )
    assert enter(team_a, participant, paper[0]).arm == paper[0]["arm"]
    with acting(team_a["coordinator"]):
        known = schedule.anchors(team_a["coordinator"], participant)
        attended = Visit.objects.get(participant=participant, code="RAND")
    assert ("end_of_local_treatment" in known) == (paper[0]["arm"] == "RFA_PVP")
    assert attended.state == "attended", "it did take place"


def test_a_pause_does_not_keep_back_what_has_happened_on_paper(paper, team_a, statistician, loader):
    with acting(statistician):
        scheme = Scheme.objects.get()
    set_state(actor=statistician, scheme=scheme, state="paused", reason="safety review")
    enter(team_a, walk("operated", **team_a), paper[0])
    with acting(statistician):
        stratum = Stratum.objects.get(key="site=SHGH")
    assert (stratum.next_index, stratum.next_emergency) == (1, 2)
    assert verify(actor=loader) == []


LOST = {"reason": "lost when the office moved", "password": PASSWORD, "second_password": PASSWORD}


def test_a_lost_envelope_is_declared_void_by_two_and_keeps_no_other_back(
    paper, team_a, statistician, trial_manager, loader, monkeypatch
):
    said: dict[str, Any] = LOST | {
        "actor": statistician,
        "stratum": "site=SHGH",
        "number": 1,
        "second": trial_manager,
    }
    for wrong, refused in (
        ({"second": statistician}, SecondPersonNeeded),
        ({"second": team_a["investigator"]}, Forbidden),
        ({"actor": trial_manager, "second": statistician}, Forbidden),
        ({"second_password": "wrong"}, WrongPassword),
        ({"number": 2}, EnvelopeOutOfTurn),
        ({"stratum": "site=NOWHERE"}, NotFound),
        ({"reason": " "}, Invalid),
    ):
        with pytest.raises(refused) as told:
            void_envelope(**said | wrong)
        assert refused is not WrongPassword or "second_password" in told.value.fields
    made = void_envelope(**said)
    assert void_envelope(**said).pk == made.pk
    set_stratum_cap(actor=statistician, stratum=made.stratum, cap=1, reason="it takes no place under a cap")
    participant = walk("operated", **team_a)
    with pytest.raises(EnvelopeOutOfTurn, match="number 2"):
        enter(team_a, participant, paper[0])
    assert enter(team_a, participant, paper[1]).position == 1
    assert verify(actor=loader) == []
    export = sealed_export(actor=statistician)
    assert [part["void"] for part in export["strata"] if part["stratum"] == "site=SHGH"] == [[1]]
    assert verifier.load().verify(export, [SECRET], []) == []
    hidden = {**export, "strata": [{**part, "void": []} for part in export["strata"]]}
    assert verifier.load().verify(hidden, [SECRET], []), "an entry that is skipped without a word is found"
    signed = [row["signed_by"] for row in rows(statistician, "signatures") if row["what"] == "void_envelope"]
    assert signed == [statistician.username, trial_manager.username]
    client = Client()
    client.force_login(statistician)
    assert "void" in client.get("/admin/randomization/overview/").content.decode()
    assert "void envelope: created" in client.get("/admin/randomization/access/").content.decode()
    again = {"stratum": "site=SHGH", "number": 3, "second": trial_manager.username, **LOST}
    assert client.post("/admin/randomization/void/", again | {"number": 9}).status_code == 422
    assert client.post("/admin/randomization/void/", again).status_code == 302
    rest = client.post(
        "/api/v1/randomization/void-envelopes/", again | {"number": 4}, content_type="application/json"
    )
    assert (rest.status_code, rest.json()["code"]) == (409, "no_such_envelope")
    rest = client.post("/api/v1/randomization/void-envelopes/", again, content_type="application/json")
    assert (rest.status_code, rest.json()["declared_by"]) == (200, statistician.username)


def test_no_envelope_is_passed_over_by_bare_sql(paper, committed, cluster, statistician, trial_manager):
    insert = (
        "INSERT INTO randomization_voidenvelope (created_at, stratum_id, site_id, index, reason, declared_by_id,"
        " confirmed_by_id) SELECT now(), id, site_id, next_emergency{}, 'why', {}, {} FROM randomization_stratum"
        " WHERE key = 'site=SHGH'"
    )
    move = "UPDATE randomization_stratum SET next_emergency = next_emergency + 1{} WHERE key = 'site=SHGH'"
    for actor, statement in (
        (statistician, insert.format("", statistician.pk, trial_manager.pk)),
        (trial_manager, insert.format(" - 1", trial_manager.pk, statistician.pk)),
        (statistician, move.format("")),
        (statistician, move.format(", voided = voided + 1")),
    ):
        with closing(psycopg.connect(cluster.url("edc_app", committed))) as connection:
            connection.execute("SELECT set_config('edc.actor', %s, true)", [str(actor.pk)])
            with pytest.raises(psycopg.errors.CheckViolation):
                connection.execute(statement)
                connection.commit()
