"""The demonstration: everybody in it came through the services."""

from collections import Counter

import pytest

from randomization import arms
from trialsite.attachments.models import Attachment
from trialsite.audit.context import acting
from trialsite.casebook.models import CasebookSignature, Lock, NormalLimit, Query, Record, Verification
from trialsite.core import clock
from trialsite.demo import population
from trialsite.imports.models import Import
from trialsite.outbox.models import Message
from trialsite.participants.models import Participant, Transfer, Withdrawal, owing_reconsent
from trialsite.safety import reading as safety
from trialsite.staff.models import User, system_actor
from visits.models import Visit

# One of each, as the whole plan has them.
FEW = [
    next(row for row in population.PLAN if row[2] == status)
    for status in dict.fromkeys(row[2] for row in population.PLAN)
]
# Those to whom something happens: see `stories`.
FEW += [
    ("SHGH", 96, "randomized"),
    ("SHGH", 52, "randomized"),
    ("PKUPH", 60, "randomized"),
    ("SMU3", 33, "randomized"),
]


def marked(made):
    return hasattr(made, "correction")


def states():
    with acting(system_actor("system.loader")):
        return Counter(Participant.objects.values_list("status", flat=True))


def shows_what_readers_leave_behind():
    reader = User.objects.get(username="coordinator.sh")
    with acting(reader):
        assert set(Query.objects.values_list("state", flat=True)) >= {"open", "answered", "closed"}
        assert Verification.objects.standing().exclude(item="").count() == 3
        assert Lock.objects.standing().get().kind == "freeze"
        assert CasebookSignature.objects.standing().count() == 1
        assert [one.stage for one in safety.reports(reader, clock.now())] == ["overdue", "running", "closed"]
        assert [one.difference.code for one in safety.differences(reader)] == ["not_marked_serious"]
        assert [(one.dry_run, one.saved, one.refused) for one in Import.objects.order_by("pk")] == [
            (True, 2, 1),
            (False, 2, 1),
        ]
        assert sorted(Attachment.objects.values_list("identifies", flat=True)) == [False, True]


def test_the_demonstration_shows_every_state_and_goes_on_where_it_was_broken_off(committed):
    population.load(print, plan=FEW[:3])
    assert sum(states().values()) == 3
    for _ in range(2):
        population.load(print, plan=FEW)
        # One was screened a second time.
        assert sum(states().values()) == len(FEW) + 1
    assert set(states()) == set(Participant.Status)
    reader = User.objects.get(username="manager")
    with acting(reader):
        settled = set(Visit.objects.values_list("state", flat=True))
        fates = set(Message.objects.values_list("state", flat=True))
        assert [
            made.correction.kind for made in arms.visible_to(system_actor("system.loader")) if marked(made)
        ] == ["ineligible"]
        told = {
            "limits": NormalLimit.objects.values("site").distinct().count() == 3,
            "breach recorded": Record.objects.filter(form="deviation", data__dvsubject__value="I5").count()
            == 1,
            "withdrawals": set(Withdrawal.objects.values_list("level", flat=True)) >= {"treatment", "data"},
            "transfer": Transfer.objects.count() == 1,
            "second screening": Participant.objects.exclude(previous=None).count() == 1,
            "owed": owing_reconsent(reader, clock.today("Asia/Shanghai")).exists(),
        }
    assert all(told.values()), told
    shows_what_readers_leave_behind()
    assert settled >= {"expected", "attended", "not_expected"}
    assert fates >= {"pending", "uncertain"}


def test_production_is_never_filled(committed, settings):
    settings.TRIALSITE_ENV = "prod"
    with pytest.raises(RuntimeError):
        population.load(print, plan=FEW)
