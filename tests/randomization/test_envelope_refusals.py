"""What keeps an envelope from being entered, whatever stands on its paper; and a list without the hospital."""

import pytest

from randomization.errors import CapReached, LedgerBroken, NoList
from randomization.generation import envelopes
from randomization.installing import install_list
from randomization.models import Stratum
from randomization.services import allocate_by_envelope
from tests.path import walk
from tests.randomization.stories import (
    SECRET,
    allocated,
    as_superuser,
    made_list,
    made_specification,
    randomize,
)
from tests.randomization.test_envelopes import enter
from trialsite.audit.context import acting
from trialsite.core import clock

pytestmark = pytest.mark.usefixtures("committed")


def papers_of(installer, total_cap=120):
    """The list with two envelopes at each hospital, installed; what those of the first one hold."""
    install_list(actor=installer, document=made_list(emergency=2), total_cap=total_cap)
    made = envelopes(made_specification(emergency=2), [SECRET])
    return [one for one in made if one["stratum"] == "site=SHGH"]


def test_no_envelope_is_entered_beyond_the_cap_of_the_trial(statistician, team_a):
    first, _ = papers_of(statistician, total_cap=1)
    randomize(team_a, walk("operated", **team_a), "the-only-one")
    with pytest.raises(CapReached):
        enter(team_a, walk("operated", **team_a), first)


def test_no_envelope_is_entered_where_the_ledger_does_not_go_on(statistician, team_a, settings, tmp_path):
    first, _ = papers_of(statistician)
    randomize(team_a, walk("operated", **team_a), "before-it-was-lost")
    settings.WITNESS_FILE = str(tmp_path / "lost.jsonl")
    with pytest.raises(LedgerBroken, match="missing"):
        enter(team_a, walk("operated", **team_a), first)


def test_an_envelope_is_entered_in_the_transaction_of_its_step(statistician, team_a):
    first, _ = papers_of(statistician)
    with pytest.raises(RuntimeError, match="transaction"):
        allocate_by_envelope(
            actor=team_a["coordinator"],
            participant=walk("operated", **team_a),
            site=team_a["site"],
            strata={"site": "SHGH"},
            eligibility_hash="0" * 64,
            idempotency_key="by-itself-1",
            number=1,
            arm=first["arm"],
            check_code=first["check_code"],
            opened_at=clock.now(),
        )


def test_a_list_without_the_hospital_gives_no_arm(statistician, team_a, cluster):
    papers_of(statistician)
    as_superuser(cluster, "UPDATE randomization_stratum SET key = 'site=GONE' WHERE key = 'site=SHGH'")
    with acting(team_a["coordinator"]):
        assert not Stratum.objects.filter(key="site=SHGH").exists()
    with pytest.raises(NoList):
        allocated(team_a, walk("operated", **team_a))
