"""Asks a route as somebody, and undoes whatever that did."""

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from django.db import transaction
from django.test import Client
from django.urls import Resolver404, resolve

from tests.routes import found
from tests.world import World
from trialsite.casebook import reviewing

PARAMETER: Final = re.compile(r"<(?:\w+:)?(\w+)>|\{(\w+)\}")
# What an address asks for: papers that would be long in part, since who may have them is the question.
ASKED: Final = {
    "/protocol/blank-forms.pdf": "?form=pain",
    "admin/blank-forms.pdf": "?form=pain",
    "admin/trail.pdf": "?table=staff_signature",
    "admin/exports/table.csv": "?table=labs",
    "admin/participant/<str:code>/attach/": "?event=SCR&form=labs",
}
# What a form holds, where an empty one would not be known from one of a row that is not there.
FORMS: Final = {
    "imports": "act=resume",
    "review": "act=verify:",
}
# What stands while one page alone is asked, since everything else would be refused while it does.
STANDING: Final[dict[str, Callable[[World], Any]]] = {
    "/admin/database-lock/lift/": lambda world: reviewing.place_lock(
        actor=world.here["data_manager"], kind="freeze", level="database", reason="cleaning"
    ),
}


def address(world: World, path: str, role: str) -> str:
    """The path with rows of hospital A, and with what belongs to the person of `role` there."""

    def value(match: re.Match[str]) -> str:
        before = path[: match.start()].rstrip("/").rpartition("/")[2]
        after = path[match.end() :].lstrip("/").partition("/")[0]
        return world.value(match[1] or match[2], before, role, after)

    filled = PARAMETER.sub(value, path).removeprefix("/")
    return f"/{found.API if path.startswith('/') else ''}{filled}{ASKED.get(path, '')}"


class Asker:
    """One client for each person; programs come with their token."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.clients: dict[Any, Client] = {}

    def client(self, person: Any) -> Client:
        if person not in self.clients:
            client = Client(raise_request_exception=False)
            client.force_login(person)
            self.clients[person] = client
        return self.clients[person]

    def ask(self, person: Any, method: str, path: str, body: Any = None) -> Any:
        client = self.client(person)
        with undone(path):
            STANDING.get(path, lambda _world: None)(self.world)
            if path.startswith(f"/{found.API}"):
                content = json.dumps(body or {}) if method != "GET" else ""
                return client.generic(method, path, content, "application/json")
            form = next(
                (form for word, form in FORMS.items() if f"/{word}/" in path and method == "POST"), ""
            )
            return client.generic(method, path, form, "application/x-www-form-urlencoded")


@contextlib.contextmanager
def undone(path: str) -> Iterator[None]:
    """Nothing of it stays, unless the view commits by itself."""
    try:
        if found.own_transaction(resolve(path.partition("?")[0]).func):
            yield
            return
    except Resolver404:
        pass
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
