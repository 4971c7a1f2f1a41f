"""A real SMS provider over HTTP, as small as one can be: it keeps keys, and a test chooses how it behaves.

As a program (`python -m tests.outbox.smsserver PORT LOG`) it writes every text that it delivers to LOG before it
answers, and reads LOG again when it starts: what it has taken it knows for good.
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.processes import free_port

TOKEN = "token-of-the-provider"


class SmsServer:
    """Delivers a text once per key.

    `answers`: (status, body) to give instead. `breaks`: it takes the text and hangs up without a word. `mute`: it
    answers no question about a key. `slow`: seconds before it answers. `meanwhile`: what happens elsewhere between
    its taking the text and its answer.
    """

    def __init__(self, port: int, log: Path | None = None) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}/v1/messages"
        self.answers: tuple[int, Any] | None = None
        self.breaks = self.mute = False
        self.slow = 0.0
        self.meanwhile: Callable[[], Any] = lambda: None
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.texts: list[dict[str, str]] = []
        self.keys: dict[str, str] = {}
        self._lock = threading.Lock()
        self._log = log
        if log and log.exists():
            for line in log.read_text(encoding="utf-8").splitlines():
                text = json.loads(line)
                self.texts.append(text)
                self.keys[text["key"]] = "delivered"
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                """Nothing on the screen."""

            def do_POST(self) -> None:
                outer._take(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def do_GET(self) -> None:
                outer._tell(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True

    def _take(self, handler: Any, body: dict[str, str]) -> None:
        key = handler.headers["Idempotency-Key"]
        self.requests.append(("POST", key, dict(handler.headers)))
        if self.answers:
            time.sleep(self.slow)
            _answer(handler, *self.answers)
            return
        with self._lock:
            if key not in self.keys:
                self.keys[key] = "delivered"
                text = body | {"key": key}
                self.texts.append(text)
                if self._log:
                    with self._log.open("a", encoding="utf-8") as log:
                        log.write(json.dumps(text) + "\n")
        self.meanwhile()
        time.sleep(self.slow)
        if self.breaks:
            handler.connection.close()
        else:
            _answer(handler, 202, {"id": key[:8], "status": self.keys[key]})

    def _tell(self, handler: Any) -> None:
        key = handler.path.rpartition("/")[2]
        self.requests.append(("GET", key, dict(handler.headers)))
        if self.mute:
            handler.connection.close()
        elif key not in self.keys:
            _answer(handler, 404, {"title": "no such key"})
        else:
            _answer(handler, 200, {"status": self.keys[key]})

    def serve(self) -> None:
        """Until `stop`."""
        self._server.serve_forever(poll_interval=0.05)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _answer(handler: Any, status: int, body: Any) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    if 300 <= status < 400:
        handler.send_header("Location", "http://127.0.0.1:1/elsewhere")
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


@pytest.fixture
def smsserver(settings: Any) -> Iterator[SmsServer]:
    """The provider that the settings point at."""
    made = SmsServer(free_port())
    settings.SMS_URL, settings.SMS_TOKEN, settings.SMS_SENDER, settings.SMS_TIMEOUT = (
        made.url,
        TOKEN,
        "Ward",
        1,
    )
    thread = threading.Thread(target=made.serve, daemon=True)
    thread.start()
    yield made
    made.stop()
    thread.join(5)


if __name__ == "__main__":
    SmsServer(int(sys.argv[1]), Path(sys.argv[2])).serve()
