"""Servers that clients drive: threads of this process for planted bugs, gunicorn behind a proxy for faults."""

import contextlib
import os
import queue
import secrets
import subprocess
import threading
import wsgiref.simple_server
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from django.core.wsgi import get_wsgi_application
from django.db import connections

from tests.processes import ROOT, _answers, eventually, free_port
from trialsite.runtime import commands
from trialsite.runtime.places import Places
from trialsite.runtime.valkey import Valkey

# Enough for races; each opens a connection, whose first requests cost most.
THREADS: Final = 4


class _Threads(wsgiref.simple_server.WSGIServer):
    """Some threads, each with a database connection of its own that outlives a request, as in a worker of gunicorn."""

    request_queue_size = 128

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._waiting: queue.SimpleQueue[tuple[Any, Any] | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._serve) for _ in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._waiting.put((request, client_address))

    def _serve(self) -> None:
        try:
            while asked := self._waiting.get():
                try:
                    self.finish_request(*asked)
                except OSError:
                    self.handle_error(*asked)
                finally:
                    self.shutdown_request(asked[0])
        finally:
            connections.close_all()

    def server_close(self) -> None:
        super().server_close()
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()


class _Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the history is the log."""


@contextlib.contextmanager
def in_process() -> Iterator[tuple[str, int]]:
    """Real HTTP, served by threads of this process; yields (host, port)."""
    served = connections.settings["default"]
    before, served["CONN_MAX_AGE"] = served["CONN_MAX_AGE"], None
    server = wsgiref.simple_server.make_server(
        "127.0.0.1", 0, get_wsgi_application(), server_class=_Threads, handler_class=_Quiet
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield "127.0.0.1", server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        served["CONN_MAX_AGE"] = before


@contextlib.contextmanager
def gunicorn(
    folder: Path, database_url: str, step_file: Path, witness: Path | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The serving command itself, with the harness's clock; yields (process, port)."""
    port = free_port()
    places = Places(folder / "var")
    places.make()
    # The broker's server, which is the shared cache of tokens and limits too.
    valkey = Valkey(places.valkey, places.valkey_socket)
    valkey.start()
    command = [
        "tests.harness.wsgi:application" if word == "trialsite.wsgi:application" else word
        for word in commands.web(bind="127.0.0.1", port=port)
    ]
    environ = os.environ | {
        "TRIALSITE_VAR": str(places.root),
        "DATABASE_URL": database_url,
        "BROKER_URL": places.broker_url,
        "CACHE_URL": places.broker_url,
        "SECRET_KEY": secrets.token_urlsafe(48),
        "WITNESS_FILE": str(witness or ""),
        "HARNESS_STEP": str(step_file),
    }
    with (folder / "web.log").open("wb") as log:
        process = subprocess.Popen(
            commands.here(command), env=environ, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
        )
    try:
        address = f"http://127.0.0.1:{port}/healthz/live"
        eventually(lambda: process.poll() is not None or _answers(address), seconds=120)
        if process.poll() is not None:
            raise AssertionError((folder / "web.log").read_text(encoding="utf-8")[-2000:])
        yield process, port
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        valkey.stop()
