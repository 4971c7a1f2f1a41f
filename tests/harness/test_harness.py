"""The harness on itself and on the service: planted bugs are caught, the service stands under faults."""

import pytest

from tests.harness import bugs, run


@pytest.mark.parametrize("bug", sorted(bugs.BUGS))
def test_a_planted_bug_is_caught_by_the_invariant_that_it_breaks(committed, cluster, bug):
    report = run.with_bug(cluster, committed, bug=bug, seed=7)
    assert any(sentence.startswith(bugs.CAUGHT_BY[bug]) for sentence in report.found), str(report)


def test_without_a_bug_nothing_is_found(committed, cluster, monkeypatch):
    monkeypatch.setitem(bugs.BUGS, "none", lambda dice: [])
    report = run.with_bug(cluster, committed, bug="none", seed=7)
    assert (report.found, report.allocations) == ([], 24), str(report)


def test_the_service_stands_under_faults(committed, cluster):
    report = run.with_faults(seed=11, seconds=12, participants=400, like=cluster)
    print(report)
    assert report.found == [], str(report)
    assert report.allocations > 5, str(report)
    # Whatever was killed or cut is told as an outage: no fault makes the service fail.
    assert not [refusal for refusal in report.refused if refusal.startswith("500")], str(report)
    assert set(report.faults) >= {"killed backend", "killed postmaster", "old backup"}, str(report)
