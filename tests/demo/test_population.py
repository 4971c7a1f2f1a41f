"""The demonstration: everybody in it came through the services."""

from collections import Counter

import pytest

from randomization import arms
from trialsite.audit.context import acting
from trialsite.demo import population
from trialsite.outbox.models import Message
from trialsite.participants.models import Participant
from trialsite.staff.models import system_actor
from visits.models import Visit

# One of each, as the whole plan has them.
FEW = [
    next(row for row in population.PLAN if row[2] == status)
    for status in dict.fromkeys(row[2] for row in population.PLAN)
]


def marked(made):
    return hasattr(made, "correction")


def states():
    with acting(system_actor("system.loader")):
        return Counter(Participant.objects.values_list("status", flat=True))


def test_the_demonstration_shows_every_state_and_goes_on_where_it_was_broken_off(committed):
    population.load(print, plan=FEW[:3])
    assert sum(states().values()) == 3
    for _ in range(2):
        population.load(print, plan=FEW)
        assert sum(states().values()) == len(FEW)
    assert set(states()) == set(Participant.Status)
    with acting(system_actor("system.loader")):
        settled = set(Visit.objects.values_list("state", flat=True))
        fates = set(Message.objects.values_list("state", flat=True))
        assert [
            made.correction.kind for made in arms.visible_to(system_actor("system.loader")) if marked(made)
        ] == ["ineligible"]
    assert settled >= {"expected", "attended", "not_expected"}
    assert fates >= {"pending", "uncertain"}


def test_production_is_never_filled(committed, settings):
    settings.TRIALSITE_ENV = "prod"
    with pytest.raises(RuntimeError):
        population.load(print, plan=FEW)
