"""The database goes away: pages and programs are told so, and told when to come back; a defect stays a defect."""

import datetime as dt

import psycopg
import pytest
from django.db import OperationalError, connections
from django.db.transaction import TransactionManagementError
from django.test import Client

from tests.path import walk
from trialsite.core import outage
from trialsite.enrollment.services import allocating
from trialsite.staff.tokens import issue_token


@pytest.fixture
def outside():
    """A client that sees what a browser sees: an answer, no exception."""
    return Client(raise_request_exception=False)


@pytest.fixture
def program(committed, coordinator):
    return {
        "HTTP_AUTHORIZATION": "Token "
        + issue_token(actor=coordinator, user=coordinator, name="s", valid_for=dt.timedelta(days=1))
    }


@pytest.fixture
def gone(tmp_path):
    """Call it, and nobody listens where the database was."""
    place = connections["default"].settings_dict
    before = place["HOST"]

    def away():
        connections["default"].close()
        place["HOST"] = str(tmp_path)

    yield away
    connections["default"].close()
    place["HOST"] = before


def test_without_a_database_a_program_gets_a_problem_and_a_person_a_page(
    committed, outside, program, coordinator, gone
):
    outside.force_login(coordinator)
    gone()
    answer = outside.get("/api/v1/participants/", **program)
    assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")
    assert answer.json()["code"] == "database_unreachable"
    assert int(answer["Retry-After"]) > 0
    page = outside.get("/admin/worklist/", headers={"accept-language": "zh-hans"})
    assert page.status_code == 503
    assert "Retry-After" in page
    assert "数据库暂时没有响应" in page.content.decode()
    assert "script-src" in page["Content-Security-Policy"]
    assert Client().get("/healthz/live").status_code == 200


def test_a_connection_that_is_killed_amid_a_randomization_is_told_and_the_repetition_succeeds(
    committed, sealed, outside, program, coordinator, investigator, site_a, cluster, monkeypatch
):
    participant = walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)
    real = allocating._randomize

    def cut(*arguments, **named):
        outcome = real(*arguments, **named)
        (pid,) = connections["default"].cursor().execute("SELECT pg_backend_pid()").fetchone()
        cluster.admin(f"SELECT pg_terminate_backend({pid})")
        return outcome

    def ask():
        return outside.post(
            f"/api/v1/participants/{participant.code}/randomize/",
            content_type="application/json",
            headers={"Idempotency-Key": "outage-1"},
            **program,
        )

    monkeypatch.setattr(allocating, "_randomize", cut)
    answer = ask()
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unreachable")
    monkeypatch.setattr(allocating, "_randomize", real)
    assert ask().status_code == 201
    assert ask().status_code == 200


def test_a_mistake_of_ours_is_not_called_an_outage(
    committed, sealed, outside, program, coordinator, investigator, site_a, monkeypatch
):
    participant = walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)

    def wrong(*_, **__):
        connections["default"].cursor().execute("SELECT nothing FROM nowhere")

    monkeypatch.setattr(allocating, "_randomize", wrong)
    answer = outside.post(
        f"/api/v1/participants/{participant.code}/randomize/",
        content_type="application/json",
        headers={"Idempotency-Key": "outage-2"},
        **program,
    )
    assert answer.status_code == 500


def _wrapped(state):
    wrapped = OperationalError("…")
    wrapped.__cause__ = psycopg.errors.lookup(state)("…")
    return wrapped


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("08006", "database_unreachable"),
        ("53100", "database_unreachable"),
        ("53300", "database_unreachable"),
        ("57P01", "database_unreachable"),
        ("58030", "database_unreachable"),
        ("40P01", "database_busy"),
        ("55P03", "database_busy"),
    ],
)
def test_what_waiting_can_mend(state, code):
    told = outage.told(_wrapped(state))
    assert told is not None
    assert told.code == code
    # Django tidies up after a lost connection and fails again.
    after = TransactionManagementError("…")
    after.__context__ = _wrapped(state)
    again = outage.told(after)
    assert again is not None
    assert again.code == code


def test_what_waiting_cannot_mend():
    assert outage.told(_wrapped("57014")) is None
    assert outage.told(ValueError("…")) is None
    assert outage.told(None) is None
    defect = ValueError("…")
    defect.__context__ = _wrapped("08006")
    assert outage.told(defect) is None
