"""Schemathesis over the whole description of the API, as every role: whatever is sent, the server does not fail.

Half of the requests are what the description allows and no more; the other half name rows that are there, so that they
come as far as the services. Nothing that a request does stays, but what the database would have refused at the commit
counts as a failure too.
"""

import contextlib
import logging
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from django.core.cache import cache
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import DatabaseError, close_old_connections, connection
from hypothesis import HealthCheck, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from schemathesis.core.result import Ok

from tests.routes import found
from tests.routes.asking import PARAMETER, undone
from tests.world import PEOPLE, World


@dataclass
class Storm:
    """Sends requests to each operation in turn, each as one of the roles."""

    world: World
    number: int
    """Of the first round; each has the next."""
    only: str = ""
    """The operation that is asked, as its path; all by default."""
    failed: list[str] = field(default_factory=list)
    """Operation, role and status that is ≥ 500, or what the commit would have refused."""
    answers: Counter[int] = field(default_factory=Counter)

    def run(self, *, examples: int) -> "Storm":
        """`examples` requests for each operation."""
        described = schemathesis.openapi.from_wsgi("/api/v1/schema/?format=json", get_wsgi_application())
        bodies = {name: found.example(one) for name, one in found.described().items()}
        for one in described.get_all_operations():
            if not isinstance(one, Ok):
                raise AssertionError(f"an operation cannot be read: {one}")
            operation = one.ok()
            path = operation.path.removeprefix("/api/v1")
            if self.only in ("", path):
                self._ask(operation, path, bodies.get(f"{operation.method.upper()} {path}"), examples)
        self.number += 1
        self.failed = sorted(set(self.failed))
        return self

    def _ask(self, operation: Any, path: str, example: Any, examples: int) -> None:
        @seeded(self.number)
        @settings(
            max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(
            case=operation.as_strategy(),
            role=st.sampled_from(PEOPLE),
            chance=st.randoms(),
            known=st.booleans(),
        )
        def send(case: Any, role: str, chance: random.Random, known: bool) -> None:
            if known:
                self._name_rows(case, role, chance, path, example)
            self._send(case, role)

        send()

    def _name_rows(self, case: Any, role: str, chance: random.Random, path: str, example: Any) -> None:
        """Rows of hospital A in the address; in what is sent, mostly the example of the description."""
        for match in PARAMETER.finditer(path):
            before = path[: match.start()].rstrip("/").rpartition("/")[2]
            after = path[match.end() :].lstrip("/").partition("/")[0]
            case.path_parameters[match[2]] = self.world.value(match[2], before, role, after)
        case.query = self._naming(case.query)
        if isinstance(case.body, dict) and isinstance(example, dict):
            drawn = {name: value for name, value in case.body.items() if chance.random() < 0.3}
            case.body = self._naming(example | drawn if chance.random() < 0.8 else case.body)

    def _naming(self, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        rows: Mapping[str, str] = self.world.values | {"participant": self.world.participant.code}
        return given | {
            name: int(rows[name]) if isinstance(value, int) else rows[name]
            for name, value in given.items()
            if name in rows and (not isinstance(value, int) or rows[name].isdigit())
        }

    def _send(self, case: Any, role: str) -> None:
        # Whoever asks too often is told so; here everybody asks as if for the first time.
        cache.clear()
        what = f"{case.method} {case.operation.path} as {role}"
        try:
            with _kept_connection(), undone(case.formatted_path):
                answer = case.call(headers={"Authorization": f"Token {self.world.tokens[role]}"})
                if answer.status_code < 400 and connection.in_atomic_block:
                    with connection.cursor() as cursor:
                        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except DatabaseError as error:
            self.failed.append(f"{what}: {error}".strip())
            return
        self.answers[answer.status_code] += 1
        if answer.status_code >= 500:
            self.failed.append(f"{what}: {answer.status_code}")


@contextlib.contextmanager
def _kept_connection() -> Iterator[None]:
    """The application would close a connection on which a transaction is open; Django's own client does the same."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in signals:
            signal.connect(close_old_connections)


def main(minutes: float, seed: int | None = None) -> int:
    """Rounds of two requests for each operation until the time is up; returns how many failed."""
    from tests.campaign.stage import ground
    from tests.world import build

    number = seed if seed is not None else random.SystemRandom().randrange(10**9)
    # Every refusal would be a line.
    logging.disable(logging.CRITICAL)
    with ground():
        storm = Storm(build(), number)
        ends = time.monotonic() + 60 * minutes
        while time.monotonic() < ends:
            storm.run(examples=2)
    told = ", ".join(f"{count} of {status}" for status, count in sorted(storm.answers.items()))
    print(
        f"interface: {storm.answers.total()} requests as {len(PEOPLE)} roles (seed {number}), {told};"
        f" {len(storm.failed)} failures"
    )
    for one in storm.failed:
        print("  ", one)
    return len(storm.failed)
