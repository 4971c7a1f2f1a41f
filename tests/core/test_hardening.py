"""Headers, sizes, addresses, log lines and the clock."""

import datetime as dt
import json
import logging
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError, URLError

import pytest
from django.db import connection
from django.test import Client

from tests.path import walk
from trialsite import environment
from trialsite.core import health, outgoing, timekeeping
from trialsite.core.logs import JsonLines, redacted

pytestmark = pytest.mark.django_db


def policy(answer):
    return dict(
        part.strip().split(" ", 1) for part in answer["Content-Security-Policy"].split(";") if " " in part
    )


def test_only_pages_of_the_theme_may_compile_expressions_and_none_runs_inline_scripts(coordinator):
    client = Client()
    door = client.get("/sign-in/")
    assert policy(door)["script-src"] == policy(door)["style-src"] == "'self'"
    client.force_login(coordinator)
    admin = client.get("/admin/worklist/")
    assert policy(admin)["script-src"] == "'self' 'unsafe-eval'"
    docs = client.get("/api/v1/docs/")
    assert policy(docs)["script-src"] == "'self'"
    for answer in (door, admin, docs):
        assert policy(answer)["frame-ancestors"] == "'none'"
        assert policy(answer)["object-src"] == "'none'"
        assert "camera=()" in answer["Permissions-Policy"]
        assert answer["Referrer-Policy"] == answer["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["X-Frame-Options"] == "DENY"


def test_what_was_shown_stays_in_no_browser(site_a, coordinator):
    """After sign-out the next person at the ward's computer found names and telephones in its cache."""
    client, participant = (
        Client(),
        walk("registered", site=site_a, coordinator=coordinator, investigator=coordinator),
    )
    client.force_login(coordinator)
    page = f"/admin/participant/{participant.code}/"
    for path in (page, f"{page}contact/", f"/api/v1/participants/{participant.code}/"):
        answer = client.get(path)
        assert (answer.status_code, answer["Cache-Control"]) == (200, "private, no-store"), path


@pytest.mark.parametrize("path", ["/api/v1/tokens/", "/sign-in/", "/nowhere/"])
def test_a_body_that_is_too_large_is_refused_before_it_is_read(path):
    answer = Client().post(path, b"{" + b" " * (2 * 1024 * 1024), content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_a_view_that_takes_files_may_take_more(monkeypatch):
    from trialsite.staff.api import TokenViewSet

    monkeypatch.setattr(TokenViewSet, "upload_limit", 10 * 1024 * 1024, raising=False)
    answer = Client().post("/api/v1/tokens/", b" " * (3 * 1024 * 1024), content_type="application/json")
    assert answer.status_code == 401


def test_who_comes_past_the_proxy_is_told_why_and_so_is_the_log(settings, client, caplog):
    settings.TRUSTED_PROXIES = 1
    answer = client.get("/sign-in/")
    assert (answer.status_code, "X-Forwarded-For" in answer.content.decode()) == (400, True)
    assert "X-Forwarded-For" in caplog.text


@pytest.mark.parametrize(("language", "sentence"), [("en", "Not found."), ("zh-hans", "未找到。")])
def test_refusals_are_pages_in_both_languages_and_problems_for_programs(coordinator, language, sentence):
    client = Client(headers={"accept-language": language})
    assert client.get("/api/v1/nothing/").json()["code"] == "not_found"
    client.force_login(coordinator)
    for path in ("/nowhere/", "/admin/participant/99-999/"):
        shown = client.get(path)
        assert (shown.status_code, f"<h1>{sentence}</h1>" in shown.content.decode()) == (404, True), path
    for path in ("/admin/system/", "/admin/staff/user/"):
        shown = client.get(path)
        assert (shown.status_code, 'href="/"' in shown.content.decode()) == (403, True), path
    strict = Client(enforce_csrf_checks=True, headers={"accept-language": language})
    shown = strict.post("/sign-in/", {"login": "x", "password": "y"})
    assert (shown.status_code, 'href="/"' in shown.content.decode()) == (403, True)


def test_a_failure_of_the_server_is_a_page_too(rf):
    from django.views.defaults import server_error

    assert "The failure is written down" in server_error(rf.get("/")).content.decode()


@pytest.mark.parametrize(
    ("proxies", "told", "address"),
    [
        (0, "203.0.113.9", "127.0.0.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        (2, "6.6.6.6, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (2, "203.0.113.9", "127.0.0.1"),
        (1, "::ffff:203.0.113.9", "203.0.113.9"),
        (1, "2001:DB8::1", "2001:db8::1"),
    ],
)
def test_only_what_our_own_proxies_say_of_the_address_is_believed(settings, proxies, told, address):
    from django.http import HttpResponse
    from django.test import RequestFactory

    from trialsite.core.headers import ClientAddress

    settings.TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", headers={"x-forwarded-for": told})
    answer = ClientAddress(lambda passed: HttpResponse(passed.META["REMOTE_ADDR"]))(request)
    assert answer.content.decode() == address


def line(message, *args, **extra):
    record = logging.LogRecord("trialsite", logging.INFO, "x.py", 1, message, args, None)
    record.__dict__.update(extra)
    return JsonLines().format(record)


def test_a_log_line_is_json_with_time_level_and_what_was_added():
    told = json.loads(line("request", status=200, route="participant/<str:code>/"))
    assert (told["level"], told["message"], told["status"]) == ("INFO", "request", 200)
    written = dt.datetime.fromisoformat(told["time"])
    assert told["time"].endswith("Z")
    assert abs(dt.datetime.now(dt.UTC) - written) < dt.timedelta(seconds=60)


@pytest.mark.parametrize(
    "personal",
    [
        "wang.li@hospital.example",
        "13812345678",
        "+86 138 1234 5678",
        "11010519491231002X",
        ["passphrase", "four quiet herons"][1].split()[0],
        "f" * 64,
    ],
)
def test_no_personal_datum_and_no_secret_gets_into_a_line(personal):
    for sentence in (
        f"sent to password={personal} now",
        f"DETAIL:  Key (email)=({personal}) already exists.",
        f"GET /invitation/abc/{personal}/ refused",
    ):
        assert personal not in line(sentence)
    assert personal not in redacted(f"passphrase: {personal}")


def test_what_a_line_needs_stays_in_it():
    kept = "message 4711 of 01-001 failed after 120000 ms on 2026-11-24 22:04:23 at 192.0.2.20"
    assert kept in line(kept)


def test_decimals_are_no_identity_number_and_a_line_with_them_stays_json():
    told = json.loads(line("done", runtime=0.029124772000159282, seconds=0.13812345678))
    assert (told["runtime"], told["seconds"]) == (0.029124772000159282, 0.13812345678)
    assert "11010519491231002X" not in redacted("no.11010519491231002X")
    assert "13812345678" not in redacted("tel.13812345678")


def test_a_refusal_is_told_by_its_route_and_never_by_its_path(client, caplog):
    client.get("/nowhere/zhang-wei/")
    assert "zhang-wei" not in caplog.text


def test_the_clock_is_compared_with_the_databases(db):
    assert abs(timekeeping.offset()) < timekeeping.TOLERATED
    assert timekeeping.ntp() in ("synchronised", "not synchronised", "unknown")
    assert timekeeping.finding().startswith("ok (database")


def test_clocks_that_differ_keep_the_server_from_being_ready(monkeypatch):
    from trialsite.core.health import clock

    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 3)
    assert clock().startswith("clocks differ: database +")
    assert connection.is_usable()


@pytest.mark.parametrize(
    ("broker", "cache"),
    [
        ("redis://:secret@valkey:6379/0", "redis://:secret@valkey:6379/1"),
        ("rediss://valkey", "rediss://valkey/1"),
        ("redis+socket:///run/valkey.sock", "unix:///run/valkey.sock?db=1"),
    ],
)
def test_the_cache_lies_beside_the_broker_in_a_database_of_its_own(broker, cache):
    assert environment.cache(broker) == cache


def test_a_cache_elsewhere_is_refused():
    for wrong in ("amqp://rabbit/", "redis://valkey/first"):
        with pytest.raises(environment.BadEnvironment):
            environment.cache(wrong)


# Outgoing calls --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "192.168.0.1",
        "::1",
        "fe80::1",
        "::ffff:10.0.0.1",
        "224.0.0.1",
    ],
)
def test_addresses_inside_of_the_house_are_not_called(address):
    assert not outgoing.is_public(address)


def test_public_addresses_are():
    assert outgoing.is_public("93.184.216.34")


@pytest.fixture
def house():
    """A server of this machine; yields its address and the requests that reached it."""
    asked = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(302 if self.path == "/moved" else 200)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}", asked
        server.shutdown()


@pytest.mark.parametrize("url", ["https://localhost/x", "https://127.0.0.1:1/", "http://[::1]/"])
def test_a_name_that_leads_into_the_house_is_refused(settings, url):
    settings.OUTGOING_PRIVATE_HOSTS = []
    with pytest.raises(outgoing.NotCalled):
        outgoing.opener().open(url, timeout=5)


def test_a_private_host_is_called_where_the_settings_name_it_and_no_redirect_is_followed(settings, house):
    url, asked = house
    settings.OUTGOING_PRIVATE_HOSTS = ["localhost"]
    assert outgoing.opener().open(f"{url}/x", timeout=5).status == 200
    with pytest.raises(HTTPError) as moved:
        outgoing.opener().open(f"{url}/moved", timeout=5)
    assert moved.value.code == 302
    moved.value.close()
    assert asked == ["/x", "/moved"]


def test_a_name_server_that_answers_otherwise_the_second_time_leads_nowhere(settings, house, monkeypatch):
    """What was looked at is what is called: the name is not looked up again."""
    url, asked = house
    settings.OUTGOING_PRIVATE_HOSTS = []
    port, answers = int(url.rpartition(":")[2]), iter(["93.184.216.34", "127.0.0.1", "127.0.0.1"])
    called = []

    def look_up(host, *_, **__):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    def line(address, *_):
        called.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "create_connection", line)
    with pytest.raises(URLError):
        outgoing.opener().open(f"http://provider.example:{port}/x", timeout=5)
    assert called == [("93.184.216.34", port)]
    assert asked == []


@pytest.mark.django_db
def test_whether_the_server_is_ready_is_told_to_strangers_without_details_and_at_little_cost(
    settings, monkeypatch
):
    """Anybody could have the whole schema compared as often as they liked, and read which guard was missing."""
    asked = []

    def guards():
        asked.append(1)
        return "audit_event: policy audit_event_reader: missing"

    monkeypatch.setattr("trialsite.audit.posture.ready", guards)
    monkeypatch.setattr(health, "_found", health._Found())
    settings.READINESS = {"guards": "trialsite.audit.posture.ready", "clock": "trialsite.core.health.clock"}
    answers = [Client().get("/healthz/ready") for _ in range(5)]
    assert {answer.status_code for answer in answers} == {503}
    assert answers[0].json() == {"status": "not ready", "guards": "not ok", "clock": "ok"}
    assert len(asked) == 1


def test_a_null_byte_in_an_address_is_refused_like_everything_else(coordinator):
    client = Client()
    client.force_login(coordinator)
    answer = client.get("/api/v1/screening-log/?site=SH%00GH")
    assert (answer.status_code, list(answer.json()["fields"])) == (422, ["site"])
    assert answer["Content-Type"] == "application/problem+json"
    unknown = client.get("/api/v1/participants/01-999/")
    nothing = client.get("/api/v1/participants/01-001%00/")
    assert (nothing.status_code, nothing.json()) == (404, unknown.json()), "absent, in the same words"
    assert client.get("/admin/screening-log/?site=%00").status_code == 400


def test_a_body_of_unknown_length_is_not_taken_for_an_empty_one(coordinator):
    client = Client()
    client.force_login(coordinator)
    answer = client.post(
        "/api/v1/participants/register/", b"", "application/json", headers={"Transfer-Encoding": "chunked"}
    )
    assert (answer.status_code, answer.json()["code"]) == (411, "length_required")
