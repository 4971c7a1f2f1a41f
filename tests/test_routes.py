"""Every route × every role × own or other hospital, as tests/routes says. A route without a row there fails."""

import logging

import pytest
from django.test import Client

from tests.campaign.isolation import text_of
from tests.conftest import built_once
from tests.routes import found, table
from tests.routes.asking import Asker, address
from tests.world import MARK, PEOPLE, build

REST, PAGES, WINDOWS = (table.read(name) for name in ("rest", "pages", "windows"))
# Opened by the secret in the address alone: without it, 404 (tests/visits/test_feeds.py).
SECRET = {"calendar/<str:secret>.ics"}
INVITATION = "invitation/<str:number>/<str:secret>/"
OPEN = {
    *("", "healthz/live", "healthz/ready", "i18n/setlang/", "sign-in/", "sign-in/code/", "sign-out/"),
    *("admin/login/", "admin/logout/", INVITATION),
}
DESCRIPTION = {"api/v1/schema/", "api/v1/docs/"}


def test_every_route_stands_in_the_table():
    assert set(found.described()) == set(REST)
    assert {name for name in found.pages() if name.partition(" ")[2] not in OPEN | SECRET} == set(PAGES)
    assert set(found.windows()) == set(WINDOWS)
    # Beside the description there is no second way into the API.
    beside = {path for path, _ in found.patterns() if path.startswith(found.API)} - DESCRIPTION
    assert {found.shape(path.removeprefix(found.API)) for path in beside} == {
        found.shape(name.split()[1].removeprefix("/")) for name in REST
    }


def test_every_operation_that_takes_a_body_shows_an_example():
    described = found.described()
    assert [
        name for name, one in described.items() if one.get("requestBody") and not found.example(one)
    ] == []


@built_once
def world():
    return build()


@pytest.fixture
def asker(world, settings):
    # However long the run takes, nobody is asked for the passphrase again.
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 24 * 3600
    logging.disable(logging.CRITICAL)
    yield Asker(world)
    logging.disable(logging.NOTSET)


def compare(world, asker, rows, bodies, role):
    """[(route, where, the status that came, the one of the table)] of those that differ.

    Who may not is asked at the own hospital: whether a role has the right is asked before whose row it is.
    """
    wrong = []
    for name, row in rows.items():
        method, path = name.split(" ", 1)
        place = address(world, path, role)
        status = asker.ask(world.here[role], method, place, bodies.get(name)).status_code
        if status != row.own[role]:
            wrong.append((name, "own", status, row.own[role]))
        if row.other[role] == 403 and role not in row.may:
            continue
        answer = asker.ask(world.there[role], method, place, bodies.get(name))
        if answer.status_code != row.other[role]:
            wrong.append((name, "other", answer.status_code, row.other[role]))
        content = b"".join(answer) if answer.streaming else answer.content
        if MARK in text_of(path, content):
            wrong.append((name, "other", "shows a text of this hospital", row.other[role]))
    return wrong


@pytest.mark.parametrize("role", PEOPLE)
def test_rest_answers_each_role_as_the_table_says(world, asker, role):
    bodies = {name: found.example(operation) for name, operation in found.described().items()}
    wrong = compare(world, asker, REST, bodies, role)
    assert not wrong, "\n".join(map(str, wrong))


def test_a_name_that_a_body_does_not_know_is_refused_by_that_name(world, asker):
    """A misspelt `reason` was lost without a word; everything else said is judged, and told, too."""
    wrong = []
    for name, operation in found.described().items():
        if not operation.get("requestBody"):
            continue
        method, path = name.split(" ", 1)
        body = (found.example(operation) or {}) | {"reasn": "x"}
        role = next(role for role in REST[name].may if REST[name].own[role] != 404)
        answer = asker.ask(world.here[role], method, address(world, path, role), body)
        said = answer.json().get("fields", {}) if answer.status_code == 422 else {}
        if said.get("reasn") != ["There is no such field here."]:
            wrong.append((name, role, answer.status_code, answer.content[:200]))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("role", [role for role in PEOPLE if role != "machine"])
def test_pages_and_windows_answer_each_role_as_the_table_says(world, asker, role):
    wrong = compare(world, asker, PAGES, {}, role)
    here, there = world.here[role], world.there[role]
    for name, start in found.windows().items():
        row, key, may = WINDOWS[name], world.windows[name], role in WINDOWS[name].may

        def status(person, rest, start=start):
            return asker.ask(person, "GET", f"/{start}{rest}").status_code

        wanted = {"": 200 if may else 403, f"{key}/change/": row.own[role]}
        wanted |= {f"{key}/history/": 200} if may else {}
        wrong += [(name, "own", rest) for rest, code in wanted.items() if status(here, rest) != code]
        if may and status(there, f"{key}/change/") != row.other[role]:
            wrong.append((name, "elsewhere"))
        if may and row.other[role] == 302 and status(there, f"{key}/history/") != 302:
            wrong.append((name, "history elsewhere"))
    assert not wrong, "\n".join(map(str, wrong))


def test_nobody_adds_changes_or_deletes_in_a_window(world, asker):
    """As a reader of it; who may not even read is refused the window itself."""
    wrong = []
    for name, start in found.windows().items():
        role = WINDOWS[name].may[0]
        # Some windows lead on to a page of their own.
        refused = {403, WINDOWS[name].own[role]} - {200}
        for method, rest in (("GET", "add/"), ("POST", "add/"), ("GET", "delete/"), ("POST", "change/")):
            place = rest if rest == "add/" else f"{world.windows[name]}/{rest}"
            if asker.ask(world.here[role], method, f"/{start}{place}").status_code not in refused:
                wrong.append((name, method, rest))
    assert wrong == []


def test_a_stranger_reaches_only_what_is_open(world, asker):
    wrong = []
    for name in REST | PAGES:
        method, path = name.split(" ", 1)
        answer = Client().generic(method, address(world, path, "pi"))
        led = answer.headers.get("Location", "")[:13]
        if (answer.status_code, led) not in ((401, ""), (302, "/admin/login/")) or (name in REST) == bool(
            led
        ):
            wrong.append((name, answer.status_code, led))
    assert wrong == []
    for path in (OPEN | DESCRIPTION) - {"healthz/ready", "i18n/setlang/", INVITATION}:
        assert Client().get(f"/{path}").status_code in (200, 302), path
