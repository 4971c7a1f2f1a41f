"""Serious adverse events on the screen: the list with its clocks, the steps of a report, both forms compared."""

import datetime as dt

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.conftest import walked_once
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.casebook.errors import ValuesRefused
from trialsite.casebook.models import Record
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.safety import services
from trialsite.safety.errors import StillOpen, TimeRefused

NOW = clock.now()


def told(**more):
    return {
        "saestdat": clock.today("Asia/Shanghai").isoformat(),
        "awareat": (NOW - dt.timedelta(hours=30)).isoformat(timespec="minutes"),
        "saeterm": "sepsis",
        "criteria": ["hospital"],
        "saerel": "none",
        "expected": False,
        "narrative": "Fever and a positive blood culture.",
        "saeout": "recovering",
        **more,
    }


ward, site_a, coordinator, investigator, consented = walked_once(__name__, "consented", "consented")


@pytest.fixture
def report(consented, coordinator):
    return save_record(
        actor=coordinator, participant=consented, event="LOG", form="sae", values=told()
    ).record


def client_of(user, language="en"):
    client = Client(headers={"accept-language": language})
    client.force_login(user)
    return client


def body(client, path, status=200):
    answer = client.get(path)
    assert answer.status_code == status
    return answer.content.decode()


def test_the_list_tells_what_is_overdue_and_the_step_ends_it(report, coordinator):
    client = client_of(coordinator)
    page = body(client, "/admin/safety/")
    assert "6 hours overdue" in page
    assert "not due" in page  # judged unrelated: nothing goes onward
    assert "超期" in body(client_of(coordinator, "zh-hans"), "/admin/safety/")
    step = f"/admin/safety/{report.pk}/to_sponsor/"
    body(client, step)
    at = clock.local(NOW - dt.timedelta(hours=1), "Asia/Shanghai")
    entry = {"at": f"{at:%Y-%m-%dT%H:%M}", "seen": report.version, "reason": ""}
    assert "reason is needed" in client.post(step, entry).content.decode()
    assert client.post(step, entry | {"reason": "reported by fax"}).status_code == 302
    page = body(client, "/admin/safety/")
    assert "late" in page
    assert "in follow-up" in page
    with acting(coordinator):
        stored = Record.objects.get(pk=report.pk)
        assert dt.datetime.fromisoformat(stored.data["reportedat"]["value"]) == at.replace(
            second=0, microsecond=0
        )
        assert stored.state == "complete"
    # The page was drawn before that change: the second click meets the newer version.
    assert (
        client.post(
            step, entry | {"reason": "again", "at": f"{at - dt.timedelta(minutes=2):%Y-%m-%dT%H:%M}"}
        ).status_code
        == 422
    )


def test_a_step_is_in_the_trail_with_its_reason(report, coordinator, person):
    services.note(
        actor=coordinator, record=report, step="to_sponsor", at=clock.now(), seen=1, reason="by telephone"
    )
    with acting(person("auditor")):
        event = Event.objects.filter(table_name="casebook_record", action="update").latest("pk")
    assert (event.actor_id, event.reason) == (coordinator.pk, "by telephone")


@pytest.mark.parametrize("hours", [-31, 1])
def test_a_time_before_awareness_or_ahead_is_refused(report, coordinator, hours):
    at = NOW + dt.timedelta(hours=hours)
    with pytest.raises(TimeRefused):
        services.note(actor=coordinator, record=report, step="onward", at=at, seen=1, reason="x")
    with acting(coordinator):
        assert Record.objects.get(pk=report.pk).version == 1


def test_a_case_is_closed_only_when_all_is_told_and_the_outcome_is_final(report, coordinator, consented):
    def close(seen):
        return services.note(
            actor=coordinator, record=report, step="close", at=clock.now(), seen=seen, reason="final letter"
        )

    with pytest.raises(StillOpen):
        close(1)
    services.note(actor=coordinator, record=report, step="to_sponsor", at=NOW, seen=1, reason="fax")
    with pytest.raises(StillOpen):
        close(2)
    save_record(
        actor=coordinator,
        participant=consented,
        event="LOG",
        form="sae",
        values={"saeout": "recovered"},
        partial=True,
        expected_version=2,
        reason="seen today",
    )
    assert f"/admin/safety/{report.pk}/close/" in body(client_of(coordinator), "/admin/safety/")
    close(3)
    assert "closed 1" in body(client_of(coordinator), "/admin/safety/")


def test_a_new_report_begins_with_whose_it_is(report, consented, coordinator):
    client = client_of(coordinator)
    body(client, "/admin/safety/new/")
    answer = client.post("/admin/safety/new/", {"participant": consented.pk})
    assert answer.headers["Location"] == f"/admin/participant/{consented.code}/form/LOG/sae/2/"
    assert client.post("/admin/safety/new/", {"participant": "9"}).status_code == 422


def test_an_instant_is_entered_as_the_clock_on_the_wall_shows_it(consented, coordinator):
    client = client_of(coordinator)
    form = f"/admin/participant/{consented.code}/form/LOG/sae/1/"
    at = clock.local(NOW - dt.timedelta(hours=2), "Asia/Shanghai").replace(second=0, microsecond=0)
    values = {"version": "0", "draft": "1", "saeterm": "sepsis", "awareat": f"{at:%Y-%m-%dT%H:%M}"}
    assert client.post(form, values).status_code == 302
    with acting(coordinator):
        stored = Record.objects.get(form="sae").data["awareat"]["value"]
    assert stored == at.isoformat()
    assert f'value="{at:%Y-%m-%dT%H:%M:%S}"' in body(client, form)
    wrong = client.post(form, values | {"version": "1", "awareat": "soon"})
    assert wrong.status_code == 422


def test_an_instant_stored_with_another_offset_is_not_changed_by_saving_the_page(
    report, consented, coordinator
):
    client = client_of(coordinator)
    with acting(coordinator):
        before = Record.objects.get(pk=report.pk).data
    wall = clock.local(dt.datetime.fromisoformat(before["awareat"]["value"]), "Asia/Shanghai")
    values = told() | {"awareat": f"{wall:%Y-%m-%dT%H:%M}", "expected": "false", "version": "1"}
    client.post(f"/admin/participant/{consented.code}/form/LOG/sae/1/", values)
    with acting(coordinator):
        assert Record.objects.get(pk=report.pk).version == 1


def test_another_hospital_meets_none_of_it(report, coordinator_b):
    client = client_of(coordinator_b)
    assert "sepsis" not in body(client, "/admin/safety/")
    body(client, f"/admin/safety/{report.pk}/to_sponsor/", status=404)
    assert client.post(f"/admin/safety/{report.pk}/close/", {}).status_code == 404
    body(client_of(coordinator_b), "/admin/safety/1/nonsense/", status=404)


def test_the_list_costs_the_same_for_one_report_and_for_many(report, consented, coordinator):
    client = client_of(coordinator)
    counts = []
    for extra in (0, 6):
        for number in range(extra):
            save_record(
                actor=coordinator,
                participant=consented,
                event="LOG",
                form="sae",
                repeat=number + 2,
                values=told(),
            )
        body(client, "/admin/safety/")
        with CaptureQueriesContext(connection) as asked:
            body(client, "/admin/safety/")
        counts.append(len(asked))
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00+14:00", "1879-12-31T23:59:00+08:00", "9999-12-31T23:59:59-12:00"]
)
def test_an_instant_at_the_end_of_the_calendar_is_refused_and_the_list_goes_on(consented, coordinator, at):
    here = {"participant": consented, "event": "LOG", "form": "sae", "complete": False}
    with pytest.raises(ValuesRefused) as refused:
        save_record(actor=coordinator, values=told(awareat=at), **here)
    assert list(refused.value.fields) == ["awareat"]
    body(client_of(coordinator), "/admin/safety/")


def test_a_report_dated_before_anybody_was_aware_is_shown_as_a_contradiction(consented, coordinator):
    early = (NOW - dt.timedelta(hours=31)).isoformat(timespec="minutes")
    here = {"participant": consented, "event": "LOG", "form": "sae", "complete": False}
    save_record(actor=coordinator, values=told(reportedat=early), **here)
    page = body(client_of(coordinator), "/admin/safety/")
    assert "before awareness" in page and "✓ in time" not in page
    assert "早于获知时间" in body(client_of(coordinator, "zh-hans"), "/admin/safety/")
