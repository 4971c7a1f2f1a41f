"""Guesses identifiers over every route as people of another hospital: nothing of the first is shown or changed."""

import io
import json
import logging
import random
import re
import time
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
from django.apps import apps
from django.conf import settings
from django.test import Client
from pypdf import PdfReader

from tests.routes import found
from tests.routes.asking import PARAMETER
from tests.world import MARK, World

# Rows that say what B's own people did: each refusal of theirs is noted where they knocked.
_OF_THE_ASKER: Final = {"audit_event", "staff_membership"}
_SEVERAL: Final = 40


def sited() -> list[str]:
    """Tables of the models whose rows belong to a hospital."""
    names = {
        model._meta.db_table
        for model in apps.get_models()
        if "site_id" in {column.column for column in model._meta.concrete_fields}
    }
    return sorted(names - set(settings.SITE_EXEMPT) - _OF_THE_ASKER)


@dataclass
class Hidden:
    """What a stranger may not be told of hospital A, and how A's rows stood."""

    url: str
    """Of the superuser, whom no policy binds."""
    site: int
    codes: set[str] = field(default_factory=set)
    keys: dict[str, list[str]] = field(default_factory=dict)
    """{table: keys of some of A's rows}."""

    def __post_init__(self) -> None:
        with psycopg.connect(self.url) as connection:
            # Whoever came from B is known there by the code; what happened there stays in B's trail.
            self.codes = {
                code
                for (code,) in connection.execute(
                    "SELECT code FROM participants_participant p WHERE site_id = %s"
                    " AND NOT EXISTS (SELECT 1 FROM participants_transfer t WHERE t.participant_id = p.id)",
                    [self.site],
                )
            }
            for table in sited():
                rows = connection.execute(
                    f"SELECT id FROM {table} WHERE site_id = %s LIMIT {_SEVERAL}", [self.site]
                )
                self.keys[table] = [str(key) for (key,) in rows]

    @property
    def telling(self) -> set[str]:
        """Words that stand nowhere but in A's rows: codes, and keys that were drawn at random."""
        return self.codes | {key for keys in self.keys.values() for key in keys if len(key) > 9}

    def digest(self) -> list[tuple[str, str]]:
        """Of every row of A, in every table."""
        parts = [
            f"SELECT '{table}', md5(string_agg(x::text, '|' ORDER BY x::text)) FROM {table} x"
            f" WHERE site_id = {self.site}"
            for table in sited()
        ]
        with psycopg.connect(self.url) as connection:
            return connection.execute(" UNION ALL ".join(parts)).fetchall()


def text_of(name: str, content: bytes) -> str:
    """Everything that a person could read in an answer: of papers and archives what is in them."""
    if content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return "\n".join(text_of(inner, archive.read(inner)) for inner in archive.namelist())
    if content.startswith(b"%PDF"):
        paper = PdfReader(io.BytesIO(content))
        return "\n".join([*(page.extract_text() for page in paper.pages), str(paper.metadata)])
    told = content.decode(errors="replace")
    # A calendar breaks its lines after 75 bytes.
    return re.sub(r"\r\n[ \t]", "", told) if told.startswith("BEGIN:VCALENDAR") else told


def _signed_out(answer: Any) -> bool:
    """Whether it leads whoever asks to the door."""
    return str(answer.headers.get("Location", "")).startswith(("/admin/login/", "/sign-in/"))


@dataclass
class Fuzz:
    """Asks as each person of hospital B in turn."""

    world: World
    hidden: Hidden
    chance: random.Random
    routes: list[str] = field(default_factory=list)
    """"METHOD path" of those that are asked; all by default."""
    bodies: dict[str, Any] = field(default_factory=dict)
    findings: list[tuple[str, ...]] = field(default_factory=list)
    asked: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    """{status: how many}; a run in which nothing was reached has tried nothing."""

    def __post_init__(self) -> None:
        described = found.described()
        self.bodies = {name: found.example(operation) for name, operation in described.items()}
        of_windows = [
            f"{method} {address}{rest}"
            for address in found.windows().values()
            for rest in found.OF_A_WINDOW
            for method in ("GET", "POST")
        ]
        # Whoever leaves asks nothing more; whether the server is ready depends on its worker, which is not there.
        leaving = ("logout", "sign-out", "password_change", "healthz/ready")
        self.routes = self.routes or [
            name
            for name in [*described, *sorted(found.pages()), *of_windows]
            if not any(word in name for word in leaving)
        ]
        self.clients = []
        for person in self.world.there.values():
            client = Client(raise_request_exception=False)
            client.force_login(person)
            self.clients.append((person, client))
        self.guesses = [key for keys in self.hidden.keys.values() for key in keys]
        self.guesses += [*self.hidden.codes, *(str(number) for number in range(1, 60))]

    def run(self, *, rounds: int = 0, seconds: float = 0) -> "Fuzz":
        """So many requests, or as many as that time allows; A's rows are compared at the end."""
        before, ends = self.hidden.digest(), time.monotonic() + seconds
        while self.asked < rounds or time.monotonic() < ends:
            self._ask(
                self.routes[self.asked % len(self.routes)] if rounds else self.chance.choice(self.routes)
            )
        changed = [
            table for old, (table, now) in zip(before, self.hidden.digest(), strict=True) if old[1] != now
        ]
        self.findings += [("changed", table) for table in changed]
        return self

    def _ask(self, route: str) -> None:
        method, _, pattern = route.partition(" ")
        path = self._address(pattern)
        body = self._body(route, method)
        kind = "application/json" if pattern.startswith("/") else "application/x-www-form-urlencoded"
        person, client = self.chance.choice(self.clients)
        answer = client.generic(method, path, body, kind)
        self.asked += 1
        self.answers[answer.status_code] += 1
        # A page repeats what the last one could not find; the next must not be blamed for it.
        client.cookies.pop("messages", None)
        if _signed_out(answer):
            # Whoever ends the own sessions knocks again as the same person.
            client.force_login(person)
        for fault in self._faults(answer, path, body, route):
            self.findings.append((fault, str(answer.status_code), method, path))

    def _address(self, pattern: str) -> str:
        """Mostly of one and the same row of A as the route would have it; else whatever could be guessed."""
        right = self.chance.random() < 0.7

        def value(match: re.Match[str]) -> str:
            before = pattern[: match.start()].rstrip("/").rpartition("/")[2]
            name = match[1] or match[2]
            if name == "object_id":
                table = "_".join(pattern.split("/")[1:3])
                keys = self.hidden.keys.get(table) or self.guesses
                return self.chance.choice(keys)
            if right or self.chance.random() < 0.3:
                return self.world.value(name, before, "coordinator")
            return self.chance.choice(self.guesses)

        path = PARAMETER.sub(value, pattern)
        path = f"/api/v1{path}" if path.startswith("/") else f"/{path}"
        code, site = self.world.participant.code, self.world.a
        ends = ("", f"?search={code}", f"?site__code={site.code}", f"?participant={code}&site={site.code}")
        return path + self.chance.choice((*ends, f"?q={code}", f"?site={site.pk}&page_size=500"))

    def _body(self, route: str, method: str) -> str:
        if method == "GET":
            return ""
        code, site = self.world.participant.code, self.world.a
        words = {"participant": code, "code": code, "reason": "x", "site": site.code, "password": "x"}
        if " /" in route:
            shown = self.bodies.get(route)
            return json.dumps(shown if shown and self.chance.random() < 0.7 else words)
        return "&".join(f"{name}={value}" for name, value in (words | {"site": str(site.pk)}).items())

    def _faults(self, answer: Any, path: str, body: str, route: str) -> list[str]:
        if answer.status_code >= 500:
            return ["failed"]
        content = b"".join(answer) if answer.streaming else answer.content
        told = text_of(path, content) + str(answer.headers)
        # An example of a code in an empty field is no participant's.
        told = re.sub(r'placeholder="[^"]*"', "", told)
        sent = path + body
        words = [word for word in {MARK} | self.hidden.telling if word in told and word not in sent]
        faults = [f"told {told[max(0, (at := told.index(word)) - 60) : at + 60]!r}" for word in sorted(words)]
        # Nothing at an address that could be of A's rows alone.
        named = [
            value for value in re.split(r"[/?=&]", path.partition("?")[0]) if value in self.hidden.telling
        ]
        # The admin site leads to a row's page before it looks, and back to the start where there is none; `keep` leads
        # to the page of an account, which looks.
        leads = answer.headers.get("Location", "")
        opened = answer.status_code == 200 or (
            300 <= answer.status_code < 400
            and leads != "/admin/"
            and not _signed_out(answer)
            and not leads.endswith("/change/")
            and "/keep/" not in path
        )
        return [*faults, f"opened {route}"] if named and opened else faults


def main(minutes: float, seed: int | None = None) -> int:
    """Guess for `minutes`; returns how many findings there were."""
    from tests.campaign.stage import ground
    from tests.world import build

    seed = seed if seed is not None else random.SystemRandom().randrange(10**9)
    # Every refusal would be a line.
    logging.disable(logging.CRITICAL)
    with ground() as (cluster, database):
        world = build()
        hidden = Hidden(cluster.url("postgres", database), world.a.pk)
        done = Fuzz(world, hidden, random.Random(seed)).run(seconds=60 * minutes)
    told = ", ".join(f"{count} of {status}" for status, count in sorted(done.answers.items()))
    print(
        f"isolation: {done.asked} requests over {len(done.routes)} routes as {len(done.clients)} people of another"
        f" hospital (seed {seed}): {told}; {len(done.findings)} findings"
    )
    for finding in done.findings[:50]:
        print("  ", *finding)
    return len(done.findings)
