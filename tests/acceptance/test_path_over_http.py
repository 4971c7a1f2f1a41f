"""A hospital's program takes a participant from registration to the reminder, over real servers of every kind."""

import datetime as dt
import json
import threading
import urllib.error
import urllib.request
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.conftest import PASSWORD, activate, make_person
from tests.processes import deployment, eventually, free_port
from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.demo import casebook
from trialsite.enrollment import services as enrollment
from trialsite.participants.models import Participant
from trialsite.staff.tokens import issue_token

pytestmark = pytest.mark.acceptance


class Mailbox:
    """What the SMTP server has accepted."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self._lock = threading.Lock()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 -- aiosmtpd's name
        import email
        import email.policy

        with self._lock:
            self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 OK"

    def to(self, address: str) -> list[EmailMessage]:
        with self._lock:
            return [mail for mail in self.mails if mail["To"] == address]


@pytest.fixture
def mailbox():
    box = Mailbox()
    server = Controller(box, hostname="127.0.0.1", port=free_port())
    server.start()
    yield box, server.port
    server.stop()


class Client:
    """A script with a token and nothing but the standard library."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url, token

    def __call__(self, method: str, path: str, body: Any = None, key: str = "") -> tuple[int, Any]:
        request = urllib.request.Request(  # noqa: S310 -- loopback
            f"{self.url}/api/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Token {self.token}", "Content-Type": "application/json"}
            | ({"Idempotency-Key": key} if key else {}),
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


def _clients(url):
    site = activate("SHGH")
    people = {role: make_person(role, site) for role in ("coordinator", "investigator")}
    activate("SMU3")
    tokens = {
        role: issue_token(actor=user, user=user, name="acceptance", valid_for=dt.timedelta(days=1))
        for role, user in people.items()
    }
    return people, *(Client(url, tokens[role]) for role in ("coordinator", "investigator"))


def test_from_registration_to_the_reminder(committed, sealed, cluster, mailbox, tmp_path):
    box, smtp_port = mailbox
    with deployment(
        tmp_path / "var",
        database_url=cluster.url("edc_app", committed),
        email_url=f"smtp://127.0.0.1:{smtp_port}",
        plan_every=1,
    ) as running:
        people, coordinator, investigator = _clients(running.url)
        user = people["coordinator"]
        code = _register_and_consent(coordinator)
        _screen_and_sign(coordinator, investigator, people["investigator"], code)
        _operate_and_randomize(coordinator, investigator, code)
        _book_the_next_visit(coordinator, code)
        _the_reminders_leave(coordinator, box, user, code)
        _no_log_names_a_person(running, user)


def _no_log_names_a_person(running, user):
    """Structured lines of all three processes, without contact data, passphrases, tokens or mail addresses."""
    for process in ("web", "worker", "beat"):
        written = running.log(process)
        for personal in (
            "wang@example.org",
            "13800000001",
            "王",
            PASSWORD,
            user.email,
            user.full_name,
            "Token ",
        ):
            assert personal not in written, (process, personal)
    lines = [json.loads(line) for line in running.log("web").splitlines() if line.startswith("{")]
    told = [line for line in lines if line["message"] == "request"]
    assert {"method", "route", "status", "ms", "request", "time", "level"} <= set(told[0])
    assert any(line["route"].endswith("register/") for line in told)


def _register_and_consent(coordinator):
    status, made = coordinator("POST", "participants/register/", {"site": "SHGH"}, key="register-one")
    assert (status, made["status"]) == (201, "registered")
    again = coordinator("POST", "participants/register/", {"site": "SHGH"}, key="register-one")[1]
    assert again["code"] == made["code"] == "01-001"
    assert coordinator("GET", "participants/")[1]["results"] == [again]
    code = made["code"]
    status, refused = coordinator("POST", f"participants/{code}/randomize/", key="far-too-early")
    assert (status, refused["code"]) == (409, "step_refused")
    signed_at = (clock.now() - dt.timedelta(days=9)).isoformat()
    body = {"form_version": "1.0", "patient_signed_at": signed_at, "family_signed_at": signed_at}
    assert coordinator("POST", f"participants/{code}/consent/", body)[0] == 201
    contact: dict[str, object] = {
        "name": "王",
        "phone": "13800000001",
        "email": "wang@example.org",
        "language": "zh-hans",
    }
    assert coordinator("PUT", f"participants/{code}/contact/", contact)[0] == 422
    contact["contact_consent"] = True
    assert coordinator("PUT", f"participants/{code}/contact/", contact)[0] == 200
    who = {"name": "王", "birth_date": "1961-04-12", "last_digits": "１２３４"}
    assert coordinator("PUT", f"participants/{code}/identity/", who) == (200, [])
    return code


def _screen_and_sign(coordinator, investigator, signer, code):
    surgery_on = clock.today("Asia/Shanghai") - dt.timedelta(days=4)
    for form, values in casebook.screening(surgery_on - dt.timedelta(days=2)).items():
        status, saved = coordinator("PUT", f"participants/{code}/records/SCR/{form}/", {"values": values})
        assert status == 200, saved
    bad = {"values": {"hgb": {"value": "12", "unit": "g/L"}}, "expected_version": 1}
    status, refused = coordinator("PUT", f"participants/{code}/records/SCR/labs/", bad)
    assert status == 422
    assert "g/dL" in refused["fields"]["hgb"][0]
    found = investigator("GET", f"participants/{code}/eligibility/?surgery_on={surgery_on}")[1]
    assert found["eligible"] is True, [one for one in found["findings"] if one["satisfied"] is not True]
    body = {"password": PASSWORD, "surgery_on": surgery_on.isoformat()}
    assert coordinator("POST", f"participants/{code}/eligibility/", body)[0] == 403
    _sign_in_time(signer, code, surgery_on)
    assert investigator("POST", f"participants/{code}/eligibility/", body)[0] == 201


def _sign_in_time(user, code, surgery_on):
    """By the day of the surgery, which lies before that of the randomization: here the clock has to help."""
    with acting(user):
        participant = Participant.objects.with_protocol().get(code=code)
    earlier = clock.now() - (clock.today("Asia/Shanghai") - surgery_on)
    with clock.pretend(earlier):
        enrollment.sign_eligibility(
            actor=user, participant=participant, password=PASSWORD, surgery_on=surgery_on
        )


def _operate_and_randomize(coordinator, investigator, code):
    today = clock.today("Asia/Shanghai")
    surgery: dict[str, Any] = {"values": casebook.surgery(today - dt.timedelta(days=4))}
    status, refused = coordinator("POST", f"participants/{code}/surgery/", surgery)
    assert (status, refused["code"]) == (409, "milestone_missing")
    before = {"values": casebook.pain(today - dt.timedelta(days=5), 7)}
    assert coordinator("PUT", f"participants/{code}/records/BL/pain/", before)[0] == 200
    status, planned = coordinator("POST", f"participants/{code}/surgery/", surgery)
    assert (status, [visit["code"] for visit in planned][:2]) == (201, ["RAND", "W1"])
    status, refused = coordinator("POST", f"participants/{code}/randomize/", key="no-recheck-yet")
    assert (status, refused["code"]) == (409, "recheck_missing")
    values = {"values": casebook.recheck(today)}
    assert coordinator("PUT", f"participants/{code}/records/RAND/recheck/", values)[0] == 200
    status, refused = coordinator("POST", f"participants/{code}/randomize/", key="by-whom-one")
    assert (status, refused["code"]) == (409, "recheck_not_by_investigator")
    again = {
        "values": {**casebook.recheck(today - dt.timedelta(days=1))},
        "expected_version": 1,
        "reason": "asked by the investigator",
    }
    assert investigator("PUT", f"participants/{code}/records/RAND/recheck/", again)[0] == 200
    status, outcome = coordinator("POST", f"participants/{code}/randomize/", key="randomize-one")
    assert (status, outcome["position"]) == (201, 1), outcome
    assert coordinator("POST", f"participants/{code}/randomize/", key="randomize-one") == (200, outcome)
    assert coordinator("POST", f"participants/{code}/randomize/", key="randomize-two") == (200, outcome)
    codes = {visit["code"] for visit in coordinator("GET", f"visits/?participant={code}")[1]["results"]}
    assert ("SBRT" in codes) == (outcome["arm"] == "RFA_PVP_SBRT")


def _book_the_next_visit(coordinator, code):
    listed = coordinator("GET", f"visits/?participant={code}")[1]["results"]
    first = next(visit for visit in listed if visit["code"] == "W1")
    at = (clock.now() + dt.timedelta(days=2)).replace(microsecond=0)
    status, booked = coordinator("POST", f"visits/{first['id']}/book/", {"at": at.isoformat()})
    assert (status, booked["state"]) == (200, "booked"), booked


def _the_reminders_leave(coordinator, box, user, code):
    """Beat plans, the worker sends, the mail server has each message once."""
    told = eventually(
        lambda: [mail for mail in box.to(user.email) if mail["Subject"] == f"Randomized: {code}"]
    )
    assert len(told) == 1
    assert "RFA" not in told[0].get_content()
    visit = eventually(
        lambda: [mail for mail in box.to(user.email) if mail["Subject"].startswith(f"{code} ")]
    )
    assert code in visit[0].get_content()
    listed = eventually(
        lambda: [
            one
            for one in coordinator("GET", f"reminders/?subject_code={code}")[1]["results"]
            if one["state"] == "sent"
        ]
    )
    assert listed
    subjects = [mail["Message-ID"] for mail in box.mails]
    assert len(subjects) == len(set(subjects)), "each message leaves once"
