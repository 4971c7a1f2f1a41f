"""Guesses identifiers over every route as someone of another hospital: nothing of the first may ever be shown."""

import json
import random
import re
import time
from typing import Any

from django.db import connection
from django.test import Client
from django.urls import URLPattern
from drf_spectacular.generators import SchemaGenerator

from trialsite.audit.context import acting
from trialsite.staff.checks import routes

_NAMED = re.compile(r"<(?:\w+:)?(\w+)>|\{(\w+)\}")


def addresses() -> list[tuple[str, str]]:
    """(method, address with its parameters) of every REST operation and every page."""
    described = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    rest = [(method.upper(), path) for path, methods in described.items() for method in methods]
    pages = [
        (method, f"/{path}")
        for path, route in routes()
        if _is_page(path, route)
        for method in ("GET", "POST")
    ]
    return rest + pages


def _is_page(path: str, route: URLPattern) -> bool:
    return path.startswith("admin/") and "<" in path


def identifiers(owner: Any) -> list[str]:
    """Every key, code and token that rows visible to `owner` carry: what a stranger could ever guess."""
    found: set[str] = {str(number) for number in range(1, 60)}
    with acting(owner), connection.cursor() as cursor:
        cursor.execute(
            "SELECT code FROM participants_participant UNION SELECT registration_key FROM participants_participant"
        )
        found |= {str(value) for (value,) in cursor.fetchall()}
        for table in (
            "casebook_record",
            "visits_visit",
            "outbox_message",
            "staff_signature",
            "casebook_query",
        ):
            cursor.execute(f"SELECT id FROM {table} LIMIT 40")
            found |= {str(value) for (value,) in cursor.fetchall()}
    return sorted(found)


def fuzz(
    participant: Any, *, owner: Any, stranger: Any, rounds: int = 0, seconds: float = 0, seed: int
) -> tuple[list[tuple[str, str, int]], int]:
    """([(method, address, status) that showed something or failed], number of requests).

    Answers to `stranger` must neither hold the code of `owner`'s participant nor be an error of the server.
    """
    chance, guesses, open_to = random.Random(seed), identifiers(owner), addresses()
    events = ["SCR", "RAND", "SURG", "BL", "W1", "labs", "pain", "recheck"]
    client = Client(raise_request_exception=False)
    client.force_login(stranger)
    findings, asked, ends = [], 0, time.monotonic() + seconds
    while asked < rounds or time.monotonic() < ends:
        method, pattern = chance.choice(open_to)
        target = [participant.code, *guesses, *events]

        def guess(_: Any, target: list[str] = target) -> str:
            return participant.code if chance.random() < 0.4 else chance.choice(target)

        path = _NAMED.sub(guess, pattern)
        path += chance.choice(["", f"?search={participant.code}", "?page_size=500", "?site__code=SHGH"])
        body = json.dumps(chance.choice([{}, {"reason": "x"}, {"participant": participant.code}]))
        answer = client.generic(method, path, body, "application/json")
        content = b"".join(answer) if answer.streaming else answer.content
        # An address that held the code may be told back; anything else may not.
        told = content.decode(errors="replace").replace(path, "")
        shown = answer.status_code < 400 and participant.code in told and participant.code not in path
        read = answer.status_code == 200 and participant.code in pattern_values(pattern, path)
        if answer.status_code >= 500 or shown or (read and method == "GET"):
            findings.append((method, path, answer.status_code))
        asked += 1
    return findings, asked


def pattern_values(pattern: str, path: str) -> list[str]:
    """The values that stand in `path` where `pattern` has parameters."""
    expression = _NAMED.sub("([^/]+)", re.sub(r"([.?+])", r"\\\1", pattern))
    match = re.match(expression, path)
    return list(match.groups()) if match else []


def main(minutes: float) -> int:
    """Guess for `minutes`; returns how many findings there were."""
    from tests.campaign.stage import stage

    with stage() as here:
        seed = random.SystemRandom().randrange(10**9)
        findings, asked = fuzz(
            here.participant, owner=here.owner, stranger=here.stranger, seconds=60 * minutes, seed=seed
        )
    print(f"isolation: {asked} requests with guessed identifiers (seed {seed}), {len(findings)} findings")
    for finding in findings:
        print("  ", *finding)
    return len(findings)
