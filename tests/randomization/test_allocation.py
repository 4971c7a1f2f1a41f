"""Who gets which entry: the next one of the own hospital's list, once, and nothing when something is not in order."""

import hashlib

import pytest
from django.conf import settings
from django.test import override_settings

from randomization import arms, vault
from randomization.errors import (
    CapReached,
    KeyReused,
    ListDamaged,
    NoList,
    RandomizationPaused,
    StateNotReachable,
    StrataChanged,
)
from randomization.models import Allocation, Scheme, Stratum
from randomization.opening import open_next
from randomization.services import allocate, allocate_by_envelope, install_list, stored
from randomization.steering import set_state
from randomization.verification import verify
from tests.path import walk
from tests.randomization import independent
from tests.randomization.stories import SECRET, as_superuser, made_list, randomize
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.core import clock
from trialsite.core.errors import Forbidden, NotFound
from trialsite.sites.models import Site
from trialsite.staff.access import has
from trialsite.staff.capabilities import CAPABILITIES, RANDOMIZE
from trialsite.staff.models import Membership, User
from trialsite.staff.services import end_membership, grant

OTHER_KEY = "b3RoZXIta2V5LWZvci10aGUtc2VhbGVkLWxpc3QtMDE="
FROZEN = independent.frozen(
    {
        "trial": "NCT06756087",
        "environment": "demo",
        "method": "permuted_blocks",
        "block_sizes": [4, 6],
        "arms": ["RFA_PVP", "RFA_PVP_SBRT"],
        "sites": ["SHGH", "SMU3", "PKUPH"],
        "length": 120,
    }
)


@pytest.fixture
def installed(data, loader):
    return install_list(actor=loader, document=made_list(), total_cap=120)


@pytest.fixture
def operated(team_a):
    return walk("operated", **team_a)


def nothing_was_allocated(loader):
    with acting(loader):
        assert not Allocation.objects.exists()
        assert list(Scheme.objects.values_list("position", flat=True)) in ([], [0])
        assert set(Stratum.objects.values_list("next_index", flat=True)) <= {1}
    return True


@pytest.mark.django_db
def test_participants_get_the_entries_of_their_own_hospital_in_turn(team_a, team_b, loader):
    document = made_list()
    install_list(actor=loader, document=document, total_cap=120)
    seed = independent.seed([SECRET], independent.specification_hash(FROZEN))
    lists = {
        team["site"].code: independent.drawn_arms(FROZEN, seed, f"site={team['site'].code}")
        for team in (team_a, team_b)
    }
    given: dict[str, list[str]] = {"SHGH": [], "SMU3": []}
    for number, team in enumerate((team_a, team_a, team_b, team_a, team_b, team_b, team_a), start=1):
        outcome = randomize(team, walk("operated", **team), f"in-turn-{number}")
        assert (outcome.position, outcome.stratum) == (number, f"site={team['site'].code}")
        given[team["site"].code].append(outcome.arm)
    assert {code: lists[code][: len(found)] for code, found in given.items()} == given
    assert verify(actor=loader) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("door", "more"),
    [
        (allocate, {}),
        (
            allocate_by_envelope,
            {"number": 1, "arm": "RFA_PVP", "check_code": "AAAA-AAAA", "opened_at": clock.now()},
        ),
    ],
)
def test_the_room_itself_asks_for_the_right_at_the_hospital_of_the_participant(
    team_a, team_b, installed, door, more
):
    theirs = walk("registered", **team_b)
    stranger = team_a["coordinator"]
    with acting(stranger), pytest.raises(NotFound):
        door(
            actor=stranger,
            participant=theirs,
            site=team_b["site"],
            strata={"site": team_b["site"].code},
            eligibility_hash="0" * 64,
            idempotency_key="from-another-hospital",
            **more,
        )


@pytest.mark.django_db
def test_the_ledger_is_the_one_that_a_second_implementation_writes(team_a, installed, loader):
    people = [walk("operated", **team_a) for _ in range(3)]
    mailed = [randomize(team_a, one, f"chain-{one.code}").ledger_head for one in people]
    head = installed.head
    with acting(loader):
        rows = list(Allocation.objects.select_related("stratum", "allocated_by", "participant"))
    for position, (row, person) in enumerate(zip(rows, people, strict=True), start=1):
        content = {
            "position": position,
            "participant": person.code,
            "stratum": "site=SHGH",
            "index": position,
            "arm": row.arm,
            "r": bytes(row.r),
            "strata_hash": hashlib.sha256(b"site=SHGH").hexdigest(),
            "eligibility_hash": row.eligibility_hash,
            "kind": "main",
            "user": team_a["coordinator"].username,
            "at": row.allocated_at.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00"),
            "previous": head,
        }
        head = independent.ledger_hash(content)
        assert row.hash == head
    assert mailed[-1] == head
    assert [row.hash for row in rows] == mailed


@pytest.mark.django_db
def test_the_same_request_again_gets_the_same_answer_and_takes_no_entry(team_a, operated, installed, loader):
    first = randomize(team_a, operated, "the-same-key")
    again = randomize(team_a, operated, "the-same-key")
    assert again.replayed
    assert not first.replayed
    for part in ("arm", "position", "stratum", "allocated_at", "ledger_head"):
        assert getattr(again, part) == getattr(first, part)
    assert randomize(team_a, operated, "another-key") == again, "by whatever key: one participant, one answer"
    with acting(loader):
        assert Allocation.objects.count() == 1
        assert Stratum.objects.get(key="site=SHGH").next_index == 2


@pytest.mark.django_db
def test_whoever_lost_the_role_while_waiting_for_the_lock_randomizes_nobody(
    team_a, operated, installed, loader
):
    actor, site = team_a["coordinator"], team_a["site"]
    assert has(actor, RANDOMIZE, site=site), "asked before the lock, and remembered"
    end_membership(actor=loader, membership=Membership.objects.get(user=actor), reason="left the study team")
    grant(actor=loader, user=User.objects.get(pk=actor.pk), role="assessor", site=site, reason="blinded now")
    with pytest.raises(Forbidden):
        randomize(team_a, operated, "too-late")
    assert nothing_was_allocated(loader)


@pytest.mark.django_db
def test_the_answer_stands_while_randomization_is_paused(team_a, operated, installed, statistician):
    first = randomize(team_a, operated, "before-the-pause")
    set_state(actor=statistician, scheme=installed, state="paused", reason="monitor's finding")
    assert randomize(team_a, operated, "before-the-pause").arm == first.arm


@pytest.mark.django_db
def test_a_key_that_stands_for_another_participant_is_refused_at_the_same_hospital(
    team_a, operated, installed, loader
):
    randomize(team_a, walk("operated", **team_a), "one-key-for-two")
    with pytest.raises(KeyReused):
        randomize(team_a, operated, "one-key-for-two")
    assert not randomize(team_a, operated, "a-key-of-its-own").replayed
    assert verify(actor=loader) == []


@pytest.mark.django_db
def test_a_key_of_a_hospital_that_one_cannot_see_is_refused_in_the_same_words(
    team_a, team_b, operated, installed, loader
):
    randomize(team_b, walk("operated", **team_b), "one-key-for-two")
    with pytest.raises(KeyReused):
        randomize(team_a, operated, "one-key-for-two")
    with acting(loader):
        assert Allocation.objects.count() == 1
        assert Stratum.objects.get(key="site=SHGH").next_index == 1
    assert randomize(team_a, operated, "a-key-of-its-own").position == 2


@pytest.mark.django_db
def test_other_stratification_values_for_an_allocated_participant_are_refused(team_a, operated, installed):
    randomize(team_a, operated, "first-strata")
    with acting(team_a["coordinator"]), pytest.raises(StrataChanged, match=operated.code):
        stored(participant=operated, strata={"site": "SMU3"})


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["paused", "closed"])
def test_nobody_is_allocated_while_randomization_is_not_active(
    team_a, operated, installed, statistician, loader, person, state
):
    set_state(actor=statistician, scheme=installed, state=state, reason="data monitoring committee")
    with pytest.raises(RandomizationPaused):
        randomize(team_a, operated, "while-it-rests")
    assert nothing_was_allocated(loader)
    with acting(person("auditor")):
        told = Event.objects.filter(table_name="randomization_scheme", action="update").latest("id")
    assert (told.changes, told.reason) == ({"state": ["active", state]}, "data monitoring committee")


@pytest.mark.django_db
def test_a_pause_ends_and_a_closure_does_not(team_a, operated, installed, statistician, trial_manager):
    set_state(actor=statistician, scheme=installed, state="paused", reason="audit")
    set_state(actor=statistician, scheme=installed, state="active", reason="audit over")
    assert randomize(team_a, operated, "after-the-pause").position == 1
    with pytest.raises(Forbidden):
        set_state(actor=trial_manager, scheme=installed, state="closed", reason="not mine to close")
    set_state(actor=statistician, scheme=installed, state="closed", reason="recruitment complete")
    for state in ("active", "paused"):
        with pytest.raises(StateNotReachable):
            set_state(actor=statistician, scheme=installed, state=state, reason="again")


@pytest.mark.django_db
def test_the_trials_cap_is_never_passed(team_a, team_b, loader):
    install_list(actor=loader, document=made_list(length=2), total_cap=2)
    for number, team in enumerate((team_a, team_b)):
        randomize(team, walk("operated", **team), f"within-cap-{number}")
    with pytest.raises(CapReached):
        randomize(team_a, walk("operated", **team_a), "one-too-many")
    with acting(loader):
        assert Allocation.objects.count() == 2


@pytest.mark.django_db
def test_the_hospitals_cap_binds_that_hospital_alone(team_a, team_b, installed, loader):
    with acting(loader):
        Site.objects.filter(code="SHGH").update(cap=1, target=1)
    randomize(team_a, walk("operated", **team_a), "the-only-one")
    with pytest.raises(CapReached):
        randomize(team_a, walk("operated", **team_a), "the-second-one")
    assert randomize(team_b, walk("operated", **team_b), "next-door-1").position == 2


@pytest.mark.django_db
def test_without_a_list_nobody_is_allocated(team_a, operated, loader):
    with pytest.raises(NoList):
        randomize(team_a, operated, "without-a-list")
    assert nothing_was_allocated(loader)


@pytest.mark.django_db
def test_another_sequence_key_allocates_nothing_and_the_right_one_goes_on(
    team_a, operated, installed, loader
):
    with override_settings(SEQUENCE_KEY=OTHER_KEY), pytest.raises(ListDamaged):
        randomize(team_a, operated, "wrong-key-1")
    assert nothing_was_allocated(loader)
    assert randomize(team_a, operated, "wrong-key-1").position == 1


TAMPERING = {
    "two ciphertexts change places": "UPDATE randomization_sealedentry e SET ciphertext = o.ciphertext"
    " FROM randomization_sealedentry o WHERE e.stratum_id = o.stratum_id AND e.index + o.index = 3",
    "the leaf follows its ciphertext": "UPDATE randomization_sealedentry e SET ciphertext = o.ciphertext,"
    " leaf = o.leaf FROM randomization_sealedentry o WHERE e.stratum_id = o.stratum_id AND e.index + o.index = 3",
    "a bit of the ciphertext": "UPDATE randomization_sealedentry SET ciphertext = set_bit(ciphertext, 100,"
    " 1 - get_bit(ciphertext, 100)) WHERE index = 1",
    "a bit of the nonce": "UPDATE randomization_sealedentry SET ciphertext = set_bit(ciphertext, 3,"
    " 1 - get_bit(ciphertext, 3)) WHERE index = 1",
    "no ciphertext": r"UPDATE randomization_sealedentry SET ciphertext = '\x' WHERE index = 1",
    "a leaf": "UPDATE randomization_sealedentry SET leaf = set_bit(leaf, 9, 1 - get_bit(leaf, 9)) WHERE index = 1",
    "a step of the path": "UPDATE randomization_sealedentry SET path = jsonb_set(path, '{3,1}',"
    " to_jsonb(repeat('0', 64)))",
    "no path": "UPDATE randomization_sealedentry SET path = '[]'",
    "a path that is none": "UPDATE randomization_sealedentry SET path = '[1]'",
    "the entry is gone": "DELETE FROM randomization_sealedentry WHERE index = 1",
    "the root": "UPDATE randomization_stratum SET root = repeat('0', 64)",
    "the entries of another hospital": "UPDATE randomization_sealedentry e SET ciphertext = o.ciphertext,"
    " leaf = o.leaf FROM randomization_sealedentry o WHERE e.index = o.index AND e.stratum_id + o.stratum_id ="
    " (SELECT sum(id) FROM randomization_stratum WHERE key IN ('site=SHGH', 'site=SMU3'))",
    "the arms are exchanged": """UPDATE randomization_scheme SET arms = '["RFA_PVP_SBRT", "RFA_PVP"]'""",
    "an arm is gone": "UPDATE randomization_scheme SET arms = '[]'",
}


@pytest.mark.parametrize("statement", TAMPERING.values(), ids=TAMPERING)
def test_a_list_that_was_tampered_with_by_its_owner_allocates_nothing(committed, cluster, loader, statement):
    """No participant is needed here: the list alone is changed, and opened where an allocation would open it."""
    scheme = install_list(actor=loader, document=made_list(), total_cap=120)
    with acting(loader):
        stratum = Stratum.objects.get(key="site=SHGH")
        assert open_next(scheme, stratum, 1, {}).arm in ("RFA_PVP", "RFA_PVP_SBRT")
    as_superuser(cluster, statement)
    with acting(loader):
        scheme.refresh_from_db()
        stratum.refresh_from_db()
        with pytest.raises(ListDamaged):
            open_next(scheme, stratum, 1, {})


FAR_AWAY = {
    "a leaf": "UPDATE randomization_sealedentry SET leaf = set_bit(leaf, 9, 1 - get_bit(leaf, 9)) WHERE index = 99",
    "an entry too many": "INSERT INTO randomization_sealedentry (created_at, stratum_id, kind, index, ciphertext,"
    " leaf, path) SELECT created_at, stratum_id, kind, 121, ciphertext, leaf, path FROM randomization_sealedentry"
    " WHERE index = 1",
}


@pytest.mark.parametrize("statement", FAR_AWAY.values(), ids=FAR_AWAY)
def test_damage_elsewhere_in_the_list_is_found_by_verification(committed, cluster, loader, statement):
    install_list(actor=loader, document=made_list(), total_cap=120)
    as_superuser(cluster, statement)
    found = verify(actor=loader)
    assert sum(one.endswith("main: the sealed entries do not fit the root") for one in found) == 3


def test_a_damaged_list_leaves_no_trace_of_an_allocation(
    committed, cluster, team_a, operated, installed, loader
):
    as_superuser(cluster, TAMPERING["two ciphertexts change places"])
    with pytest.raises(ListDamaged):
        randomize(team_a, operated, "damaged-list")
    assert nothing_was_allocated(loader)
    with acting(loader):
        operated.refresh_from_db()
    assert operated.status == "operated"


@pytest.mark.django_db
@pytest.mark.parametrize("role", sorted(set(CAPABILITIES) - {"system"}))
def test_only_roles_with_the_capability_allocate_and_only_at_their_own_hospital(
    team_a, operated, installed, person, site_b, loader, role
):
    def ask(actor):
        return randomize({"coordinator": actor}, operated, f"asked-by-{actor.pk}")

    with pytest.raises((Forbidden, NotFound, operated.DoesNotExist)):
        ask(person(role, site_b))
    if RANDOMIZE in CAPABILITIES[role]:
        assert ask(person(role, team_a["site"])).position == 1
    else:
        with pytest.raises((Forbidden, NotFound, operated.DoesNotExist)):
            ask(person(role, team_a["site"]))
        assert nothing_was_allocated(loader)


@pytest.mark.django_db
def test_allocating_outside_a_transaction_is_a_defect_and_not_an_allocation():
    """The `db` fixture opens a transaction, so the door is asked with the connection's word alone."""
    from django.db import connection

    connection.in_atomic_block, before = False, connection.in_atomic_block
    try:
        with pytest.raises(RuntimeError, match="transaction"):
            allocate(
                actor=None,  # type: ignore[arg-type]
                participant=None,  # type: ignore[arg-type]
                site=None,  # type: ignore[arg-type]
                strata={},
                eligibility_hash="",
                idempotency_key="",
            )
    finally:
        connection.in_atomic_block = before


def test_the_demo_key_of_the_settings_is_a_whole_key():
    assert len(vault.key_from(settings.SEQUENCE_KEY)) == 32


@pytest.mark.django_db
def test_other_rooms_read_arms_by_the_hiding_rule_only(team_a, operated, installed, assessor):
    randomize(team_a, operated, "who-may-see-it")
    with acting(team_a["coordinator"]):
        assert arms.visible_to(team_a["coordinator"]).count() == 1
    with acting(assessor):
        assert arms.visible_to(assessor).count() == 0
