"""`make audit` against a stand-in of the advisory service (OSV): what it says when one answers, and when none does."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.processes import ROOT, free_port

CANARY = ("django", "3.2")


@contextmanager
def advisories(known: dict[tuple[str, str | None], str]) -> Iterator[tuple[str, list[str]]]:
    """Answers for `known` {(package, version; None for any): id of the flaw}; yields address and names asked."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name, version = query["package"]["name"], query["version"]
            asked.append(name)
            flaw = known.get((name, version)) or known.get((name, None))
            told = {"id": flaw, "affected": [{"package": query["package"], "ranges": [FIXED]}]}
            body = json.dumps({"vulns": [told]} if flaw else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query", asked
        server.shutdown()


FIXED = {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}


def audit(url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(ROOT / "deploy" / "audit.sh")],
        env=os.environ | {"ADVISORIES_URL": url, "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_where_a_service_answers_every_package_of_the_lock_is_asked_about():
    with advisories({CANARY: "TEST-1"}) as (url, asked):
        done = audit(url)
    assert done.returncode == 0, done.stderr
    assert f"{len(asked) - 1} packages audited." in done.stdout
    assert {"django", "djangorestframework", "psycopg", "celery"} <= set(asked)


def test_a_flaw_is_named_with_the_version_that_mends_it():
    with advisories({CANARY: "TEST-1", ("celery", None): "TEST-2"}) as (url, _):
        done = audit(url)
    assert done.returncode == 1
    assert "celery" in done.stdout
    assert "TEST-2, mended in 99.1" in done.stdout


@pytest.mark.parametrize("answers", [True, False])
def test_a_service_that_knows_nothing_or_does_not_answer_is_no_audit(answers):
    if answers:
        with advisories({}) as (url, _):
            done = audit(url)
    else:
        done = audit(f"http://127.0.0.1:{free_port()}/v1/query")
    assert done.returncode == 3
    assert "NOT AUDITED" in done.stderr
    assert "ADVISORIES_URL" in done.stderr
    # What pip-audit says of a mirror that answers with nothing read as the good news.
    assert "No known" not in done.stdout + done.stderr
