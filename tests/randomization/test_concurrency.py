"""Many hands at once, on real connections: one entry each, no gap, no double, in every hospital."""

import threading
from collections import Counter, defaultdict
from typing import Any

import pytest
from django.db import connections

from randomization.errors import CapReached
from randomization.models import Allocation, Scheme, Stratum
from randomization.services import install_list
from randomization.verification import verify
from tests.conftest import activate, make_person
from tests.path import walk
from tests.randomization.stories import allocated, made_list, randomize
from trialsite.audit.context import acting
from trialsite.core.errors import DomainError
from trialsite.outbox.models import Message

THREADS = 8


def at_once(jobs):
    """Run the jobs in as many threads, all let go together; what each returned or was refused with."""
    start = threading.Barrier(len(jobs))
    found: list[Any] = [None] * len(jobs)

    def work(place, job):
        try:
            start.wait()
            found[place] = job()
        except Exception as error:  # noqa: BLE001 -- every failure is handed to the test
            found[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.fixture
def teams(committed):
    made = []
    for code in ("SHGH", "SMU3", "PKUPH"):
        site = activate(code)
        roles = {role: make_person(role, site) for role in ("coordinator", "investigator")}
        made.append({"site": site} | roles)
    return made


@pytest.fixture
def installed(committed, loader):
    return install_list(actor=loader, document=made_list(), total_cap=120)


def test_eight_hands_at_three_hospitals_take_every_entry_once(teams, installed, loader):
    waiting = [(team, walk("registered", **team)) for _ in range(16) for team in teams]
    answers = {}

    def hand(number):
        for team, participant in waiting[number::THREADS]:
            answers[participant.pk] = allocated(team, participant)

    assert at_once([lambda number=number: hand(number) for number in range(THREADS)]) == [None] * THREADS
    with acting(loader):
        rows = list(Allocation.objects.select_related("stratum").order_by("position"))
        scheme = Scheme.objects.get()
        strata = dict(Stratum.objects.values_list("key", "next_index"))
    assert [row.position for row in rows] == list(range(1, 49))
    assert {row.participant_id: (row.arm, row.position, row.hash) for row in rows} == {
        pk: (answer.arm, answer.position, answer.ledger_head) for pk, answer in answers.items()
    }
    in_order = defaultdict(list)
    for row in rows:
        in_order[row.stratum.key].append(row.index)
    assert in_order == {f"site={team['site'].code}": list(range(1, 17)) for team in teams}
    assert set(strata.values()) == {17}
    assert (scheme.position, scheme.head) == (48, rows[-1].hash)
    assert verify(actor=loader) == []


def test_eight_participants_randomized_at_once_bring_one_mail_to_each_of_two_people(teams, installed, loader):
    waiting = [(team, walk("operated", **team)) for _ in range(3) for team in teams][:THREADS]
    found = at_once(
        [
            lambda team=team, participant=participant: randomize(
                team, participant, f"at-once-{participant.pk}"
            )
            for team, participant in waiting
        ]
    )
    assert sorted(answer.position for answer in found) == list(range(1, THREADS + 1))
    with acting(loader):
        told = Counter(Message.objects.filter(kind="allocation").values_list("subject_code", flat=True))
    assert told == {participant.code: 2 for _, participant in waiting}
    assert verify(actor=loader) == []


def test_eight_clicks_with_one_key_give_one_allocation_and_one_answer(teams, installed, loader):
    participant = walk("operated", **teams[0])
    found = at_once([lambda: randomize(teams[0], participant, "an-impatient-hand")] * THREADS)
    assert {answer.ledger_head for answer in found} == {found[0].ledger_head}
    assert sum(not answer.replayed for answer in found) == 1
    with acting(loader):
        assert Allocation.objects.count() == 1
        assert Stratum.objects.get(key="site=SHGH").next_index == 2


def test_eight_people_with_eight_keys_randomize_one_participant_once(teams, installed, loader):
    participant = walk("operated", **teams[0])
    jobs = [
        lambda number=number: randomize(teams[0], participant, f"person-number-{number}")
        for number in range(THREADS)
    ]
    found = at_once(jobs)
    assert len({(answer.arm, answer.position, answer.ledger_head) for answer in found}) == 1
    assert sum(not answer.replayed for answer in found) == 1
    with acting(loader):
        assert Allocation.objects.count() == 1


def test_one_key_for_many_participants_at_many_hospitals_serves_one_of_them(teams, installed, loader):
    waiting = [(team, walk("operated", **team)) for team in teams]
    found = at_once(
        [
            lambda team=team, participant=participant: randomize(team, participant, "one-key-for-all")
            for team, participant in waiting
        ]
    )
    refused = [answer for answer in found if isinstance(answer, Exception)]
    assert {type(error).__name__ for error in refused} == {"KeyReused"}
    assert len(refused) == len(waiting) - 1
    assert verify(actor=loader) == []


def test_a_rush_on_the_last_places_stops_at_the_cap(teams, committed, loader):
    install_list(actor=loader, document=made_list(length=4), total_cap=4)
    waiting = [(team, walk("registered", **team)) for _ in range(3) for team in teams][:THREADS]
    found = at_once(
        [
            lambda team=team, participant=participant: allocated(team, participant)
            for team, participant in waiting
        ]
    )
    refused = [answer for answer in found if isinstance(answer, DomainError)]
    assert [type(error) for error in refused] == [CapReached] * 4
    assert sorted(answer.position for answer in found if answer not in refused) == [1, 2, 3, 4]
    assert verify(actor=loader) == []
