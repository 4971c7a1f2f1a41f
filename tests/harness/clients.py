"""Clients over HTTP, each in a thread: impatient, forgetful, and with lost answers, all by one seed."""

import http.client
import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.harness.history import Call

# Refusals that no repetition of the request changes.
_FINAL = (400, 401, 403, 404, 409, 422)


@dataclass
class Clients:
    """`number` threads that take participants from one queue. `address()` is the server's host and port at the time.

    `lose` is the share of answers that are thrown away unread; `again` that of requests repeated although answered;
    `double` that of double clicks. A participant is given up after `patience` seconds.
    """

    address: Callable[[], tuple[str, int]]
    tokens: dict[str, str]
    seed: int
    number: int = 8
    lose: float = 0.1
    again: float = 0.15
    double: float = 0.15
    patience: float = 40
    calls: list[Call] = field(default_factory=list)
    lost: int = 0

    def run(self, participants: list[tuple[str, str]], *, on: Callable[[], bool] = lambda: True) -> None:
        """Randomize all of them, or as many as can be while `on()` holds."""
        queue = list(reversed(participants))
        threads = [threading.Thread(target=self._work, args=(queue, on)) for _ in range(self.number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self, queue: list[tuple[str, str]], on: Callable[[], bool]) -> None:
        while on():
            try:
                code, site = queue.pop()
            except IndexError:
                return
            self._participant(code, site)

    def dice(self, code: str) -> random.Random:
        """What decides all that is done for one participant, whichever thread comes to it: seed and code alone."""
        return random.Random(f"client-{self.seed}-{code}")

    def _participant(self, code: str, site: str) -> None:
        dice = self.dice(code)
        twice, again = dice.random() < self.double, dice.random() < self.again
        key = f"harness-{self.seed}-{code}"
        ends = time.monotonic() + self.patience
        if twice:
            second = threading.Thread(target=self._call, args=(code, site, f"{key}-other", False))
            second.start()
            self._call(code, site, key, False)
            second.join()
        while time.monotonic() < ends:
            call = self._call(code, site, key, dice.random() < self.lose)
            if call.acknowledged or call.status in _FINAL:
                break
            time.sleep(0.02 + 0.1 * dice.random())
        if again:
            self._call(code, site, key, False)

    def _call(self, code: str, site: str, key: str, lose: bool) -> Call:
        began = time.monotonic()
        status = 0
        body: dict[str, Any] = {}
        try:
            host, port = self.address()
            line = http.client.HTTPConnection(host, port, timeout=20)
            try:
                line.request(
                    "POST",
                    f"/api/v1/participants/{code}/randomize/",
                    body=b"",
                    headers={
                        "Authorization": f"Token {self.tokens[site]}",
                        "Idempotency-Key": key,
                        "Content-Length": "0",
                    },
                )
                if lose:
                    self.lost += 1
                else:
                    answer = line.getresponse()
                    said = answer.read()
                    status = answer.status
                    body = json.loads(said) if answer.status < 500 or answer.status == 503 else {}
            finally:
                line.close()
        except (OSError, http.client.HTTPException, ValueError):
            status, body = 0, {}
        call = Call(code, site, key, began, time.monotonic(), status, body)
        self.calls.append(call)
        return call
