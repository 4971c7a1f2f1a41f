"""A minimised trial: factors that the protocol knows, draws that become arms, values that were signed."""

import pytest
from django.conf import settings

from eligibility.services import require_signed
from randomization import generation, vault
from randomization.errors import BadList
from randomization.exporting import sealed_export
from randomization.models import Allocation
from randomization.rules import factors
from randomization.rules.specification import read
from randomization.services import allocate, install_list
from randomization.verification import verify
from tests.path import PASSWORD, walk
from tests.randomization import independent, verifier
from tests.randomization.stories import SECRET, as_superuser, randomize
from tests.randomization.test_envelopes import enter
from tests.randomization.test_minimisation import NPRS, SPECIFICATION
from trialsite.audit.context import acting
from trialsite.enrollment import facts, services
from trialsite.enrollment.errors import StrataNotSigned, StratificationMissing
from trialsite.enrollment.services import allocating

WEIGHTS = {"site": 1, "nprs": 1}
# With its draws some arms come out otherwise than if nobody had been allocated before.
LEADING = b"a secret by which others matter."


def made(secret=SECRET, **changes):
    key = vault.key_from(settings.SEQUENCE_KEY)
    return generation.sealed_list(read({**SPECIFICATION, **changes}), [secret], key)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("factor", "match"),
    [
        ({"item": "SCR/pain/nothing"}, "has no item SCR/pain/nothing"),
        ({"item": "SCR/nothing/worst"}, "has no item"),
        ({"item": "NOWHERE/pain/worst"}, "has no item"),
        ({"item": "SURG/pain/worst"}, "pain is not collected at SURG"),
        ({"item": "SCR/pain/paindat"}, "type date cannot be a factor"),
        (
            {"levels": [{"level": "a", "from": 0, "to": 5}, {"level": "b", "from": 6, "to": 9}]},
            "10 fall into no level",
        ),
        (
            {
                "item": "RAND/recheck/fit",
                "levels": [{"level": "a", "is": [True]}, {"level": "b", "is": ["no"]}],
            },
            "false",
        ),
    ],
)
def test_a_factor_that_the_protocol_does_not_know_is_refused(statistician, factor, match):
    with pytest.raises(BadList, match=match):
        install_list(actor=statistician, document=made(factors=[{**NPRS, **factor}]), total_cap=120)


@pytest.mark.usefixtures("committed")
def test_minimised_arms_follow_from_the_draws_and_all_earlier_allocations(
    cluster, team_a, team_b, statistician, loader
):
    install_list(actor=statistician, document=made(LEADING), total_cap=120)
    participants = [walk("operated", **team) for team in (team_a, team_b, team_a, team_a, team_b, team_b)]
    for number, (team, participant) in enumerate(
        zip((team_a, team_b, team_a, team_a, team_b, team_b), participants, strict=True), start=1
    ):
        assert randomize(team, participant, f"minimised-{number}").position == number
    with acting(loader):
        rows = list(Allocation.objects.select_related("stratum").order_by("position"))
    specification = read(SPECIFICATION)
    seed = independent.seed([LEADING], specification.hash())
    earlier: list[tuple[dict[str, str], int]] = []
    alone: list[int] = []
    for row in rows:
        draw = independent.draws("NCT06756087", "demo", seed, row.stratum.key, row.index)[row.index - 1]
        chance = independent.chance_of_first(row.strata, earlier, WEIGHTS, 800, (1, 1))
        arm = independent.arm_of(draw, chance)
        assert (bytes(row.r), row.arm) == (draw, specification.arms[arm])
        alone.append(
            independent.arm_of(draw, independent.chance_of_first(row.strata, [], WEIGHTS, 800, (1, 1)))
        )
        earlier.append((row.strata, arm))
    assert alone != [arm for _levels, arm in earlier], "these draws would hide a forgotten ledger"
    assert {level for levels, _ in earlier for level in levels} == {"site", "nprs"}
    assert verify(actor=loader) == []
    export = sealed_export(actor=statistician)
    heads = [(row["position"], row["hash"]) for row in export["rows"]]
    assert verifier.load().verify(export, [LEADING], heads) == []

    swapped = {"RFA_PVP": "RFA_PVP_SBRT", "RFA_PVP_SBRT": "RFA_PVP"}[rows[3].arm]
    as_superuser(cluster, f"UPDATE randomization_allocation SET arm = '{swapped}' WHERE position = 4")
    assert "position 4: the arm is not the one of the published list" in verify(actor=loader)


@pytest.mark.django_db
def test_a_value_that_was_not_recorded_keeps_from_randomization(team_a, statistician):
    participant = walk("registered", **team_a)
    assert facts.strata(participant) == {"site": "SHGH"}
    install_list(actor=statistician, document=made(), total_cap=120)
    with acting(team_a["coordinator"]), pytest.raises(StratificationMissing, match=r"Worst pain.*SCR"):
        facts.strata(participant)


@pytest.mark.django_db
def test_a_participant_is_randomized_only_under_the_values_that_were_signed(team_a, statistician):
    participant = walk("operated", **team_a)
    signed = require_signed(participant)
    assert signed.document["strata"] == {"site": "SHGH"}
    # A factor that nobody has signed for: the list came after the signature.
    install_list(actor=statistician, document=made(), total_cap=120)
    team = team_a
    with acting(team["coordinator"]):
        known = facts.strata(participant)
        assert set(known) == {"site", "nprs"}
        with pytest.raises(StrataNotSigned):
            allocating._randomize(team["coordinator"], participant, "unsigned-1", known, allocate)
    services.sign_eligibility(
        actor=team["investigator"],
        participant=participant,
        password=PASSWORD,
        surgery_on=facts.surgery_on(participant),
        reason="The list came after the signature.",
    )
    again = require_signed(participant)
    assert again.document["strata"] == known
    assert again.signature.content_hash != signed.signature.content_hash
    with acting(team["coordinator"]):
        outcome = allocating._randomize(team["coordinator"], participant, "signed-1", known, allocate)
    assert outcome.position == 1


@pytest.mark.usefixtures("committed")
def test_of_several_strata_of_a_hospital_the_envelope_of_the_own_one_is_entered(team_a, statistician, loader):
    install_list(actor=statistician, document=made(), total_cap=120)
    papers = generation.envelopes(read(SPECIFICATION), [SECRET])
    first = {one["stratum"]: one for one in papers if one["index"] == 1}
    for worst, level in ((9, "7-10"), (5, "0-6")):
        own = factors.key({"site": "SHGH", "nprs": level})
        outcome = enter(
            team_a,
            walk("operated", **team_a, pain={"worst": worst}),
            first[own],
            idempotency_key=f"envelope-of-{level}",
        )
        assert (outcome.stratum, outcome.arm) == (own, first[own]["arm"])
    assert verify(actor=loader) == []
