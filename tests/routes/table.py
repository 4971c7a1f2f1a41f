"""Reads the table: rest.txt, pages.txt and windows.txt beside this file, one route a line.

Each line says who may, in the order CIPAMDSTUXK with a dot for who may not: C coordinator, I investigator, P principal
investigator, A assessor, M monitor, D data manager, S statistician, T trial manager, U auditor, X administrator,
K machine. Then the status that those get of a row of their own hospital, and that of someone of the same role who works
at another hospital alone. Who may not gets 403 at either, a stranger is led to sign in (REST: 401).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.world import PEOPLE

LETTERS: Final = "CIPAMDSTUXK"
ROLE: Final = dict(zip(LETTERS, PEOPLE, strict=True))


@dataclass(frozen=True)
class Row:
    """One line. Statuses are by role, 403 for those who may not."""

    name: str
    may: tuple[str, ...]
    own: dict[str, int]
    other: dict[str, int]


def read(name: str) -> dict[str, Row]:
    """{route: its row} of one of the files."""
    rows: dict[str, Row] = {}
    for line in (Path(__file__).parent / f"{name}.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            row = _row(line)
            if row.name in rows:
                raise ValueError(f"{row.name} stands twice in {name}.txt")
            rows[row.name] = row
    return rows


def _row(line: str) -> Row:
    *route, may, own, other = line.split()
    if len(may) != len(LETTERS) or any(
        mark not in ("." + letter) for mark, letter in zip(may, LETTERS, strict=True)
    ):
        raise ValueError(f"who may is not of the form {LETTERS}: {line}")
    roles = tuple(ROLE[letter] for letter in may if letter != ".")
    return Row(" ".join(route), roles, _statuses(roles, own), _statuses(roles, other))


def _statuses(roles: tuple[str, ...], written: str) -> dict[str, int]:
    """Of `200` one for all who may; of `200,TS=404` another one for some of them."""
    usual, *exceptions = written.split(",")
    found = dict.fromkeys(PEOPLE, 403) | dict.fromkeys(roles, int(usual))
    for exception in exceptions:
        letters, _, status = exception.partition("=")
        found |= dict.fromkeys((ROLE[letter] for letter in letters), int(status))
    return found
