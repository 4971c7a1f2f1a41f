"""Days when the system is down: envelopes in their order, entered by two persons, marked in the ledger."""

import datetime as dt
from typing import Any

import pytest
from django.test import Client

from randomization.errors import EnvelopeDiffers, EnvelopeOutOfTurn, KeyReused, NoList
from randomization.exporting import sealed_export
from randomization.generation import envelopes
from randomization.models import Allocation, Scheme, Stratum
from randomization.rules.specification import Specification
from randomization.services import install_list
from randomization.steering import set_state
from randomization.verification import verify
from tests.conftest import PASSWORD, make_person
from tests.exports.test_tables import rows
from tests.path import walk
from tests.randomization import verifier
from tests.randomization.stories import SECRET, made_list, made_specification, randomize
from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.core.errors import Forbidden, NotFound
from trialsite.enrollment import corrections, schedule, services
from trialsite.enrollment.errors import OpenedInFuture, OutsideRandomizationWindow, SecondPersonNeeded
from trialsite.participants.services import transfer
from trialsite.staff.errors import WrongPassword
from trialsite.staff.models import Signature
from visits.models import Visit

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def paper(statistician):
    """The list of the trial with three envelopes at each hospital; what the envelopes of the first one hold."""
    install_list(actor=statistician, document=made_list(emergency=3), total_cap=120)
    specification: Specification = made_specification(emergency=3)
    return [one["arm"] for one in envelopes(specification, [SECRET]) if one["stratum"] == "site=SHGH"]


def enter(team, participant, number, arm, **changes: Any):
    asked = {
        "actor": team["coordinator"],
        "participant": participant,
        "idempotency_key": f"envelope-{number}",
        "number": number,
        "arm": arm,
        "opened_at": clock.now() - dt.timedelta(hours=1),
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
    outcome = enter(team_a, participant, 1, paper[0])
    assert (outcome.arm, outcome.position) == (paper[0], 2)
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
    again = enter(team_a, participant, 1, paper[0])
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
    enter(team_a, participant, 1, paper[0])
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
        enter(team_a, participant, 2, paper[1])
    with pytest.raises(EnvelopeDiffers):
        enter(team_a, participant, 1, other(paper[0]))
    with acting(team_a["coordinator"]):
        assert not Allocation.objects.exists()
        assert not Signature.objects.filter(meaning__startswith="I have seen").exists(), "nothing half stored"
    for number, arm in enumerate(paper, start=1):
        enter(team_a, participant, number, arm)
        participant = walk("operated", **team_a)
    with pytest.raises(NoList):
        enter(team_a, participant, 4, "RFA_PVP")
    with pytest.raises(KeyReused):
        enter(team_a, participant, 3, "RFA_PVP")


def test_two_different_persons_sign_with_their_own_passwords(paper, team_a, team_b):
    participant = walk("operated", **team_a)
    with pytest.raises(SecondPersonNeeded):
        enter(team_a, participant, 1, paper[0], second=team_a["coordinator"])
    for wrong in ({"password": "wrong"}, {"second_password": "wrong"}):
        with pytest.raises(WrongPassword):
            enter(team_a, participant, 1, paper[0], **wrong)
    colleague, stranger = make_person("coordinator", team_a["site"]), team_b["investigator"]
    for second, refused in ((colleague, Forbidden), (stranger, NotFound)):
        with pytest.raises(refused):
            enter(team_a, participant, 1, paper[0], second=second)
    with acting(team_a["coordinator"]):
        assert not Allocation.objects.exists()


def test_an_envelope_counts_for_the_day_on_which_it_was_opened(paper, team_a):
    participant = walk("operated", **team_a)
    with pytest.raises(OpenedInFuture):
        enter(team_a, participant, 1, paper[0], opened_at=clock.now() + dt.timedelta(minutes=1))
    with pytest.raises(OutsideRandomizationWindow):
        enter(team_a, participant, 1, paper[0], opened_at=clock.now() - dt.timedelta(days=200))


def test_an_envelope_opened_on_paper_stands_though_the_randomization_was_forgone(paper, team_a):
    participant = walk("operated", **team_a)
    corrections.forgo_randomization(
        actor=team_a["coordinator"], participant=participant, reason="system down"
    )
    assert enter(team_a, participant, 1, paper[0]).arm == paper[0]
    with acting(team_a["coordinator"]):
        known = schedule.anchors(team_a["coordinator"], participant)
        attended = Visit.objects.get(participant=participant, code="RAND")
    assert ("end_of_local_treatment" in known) == (paper[0] == "RFA_PVP")
    assert attended.state == "attended", "it did take place"


def test_a_pause_does_not_keep_back_what_has_happened_on_paper(paper, team_a, statistician, loader):
    with acting(statistician):
        scheme = Scheme.objects.get()
    set_state(actor=statistician, scheme=scheme, state="paused", reason="safety review")
    enter(team_a, walk("operated", **team_a), 1, paper[0])
    with acting(statistician):
        stratum = Stratum.objects.get(key="site=SHGH")
    assert (stratum.next_index, stratum.next_emergency) == (1, 2)
    assert verify(actor=loader) == []
