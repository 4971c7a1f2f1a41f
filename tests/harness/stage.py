"""The stage of a run: a database of its own, two hospitals, as many operated participants as asked for, the list."""

import datetime as dt
import itertools
from dataclasses import dataclass
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections

from randomization import generation, vault
from randomization.installing import install_list
from randomization.rules.specification import Specification
from randomization.verification import verify
from tests.conftest import Cluster, activate, make_person
from tests.harness.history import Call, History, Rest, Row
from tests.path import walk
from trialsite.protocol.models import ProtocolVersion
from trialsite.staff.models import system_actor
from trialsite.staff.tokens import issue_token

SECRET = b"the harness's secret of 32 bytes"
SITES = ("SHGH", "SMU3")
_STEP = 100_000
# Columns that point at rows which are copied too.
_MOVED = ("id", "participant_id", "record_id", "signature_id")
_TABLES = """
    SELECT table_name, array_agg(column_name::text) FROM information_schema.columns
     WHERE table_schema = 'public' AND table_name NOT LIKE 'randomization%%' AND table_name NOT LIKE 'audit%%'
       AND table_name NOT LIKE 'outbox%%' GROUP BY table_name
    HAVING 'participant_id' = ANY (array_agg(column_name::text))"""


@dataclass
class Stage:
    """What clients and checker need to know."""

    cluster: Cluster
    name: str
    participants: list[tuple[str, str]]
    tokens: dict[str, str]
    recipients: dict[str, frozenset[str]]
    lists: dict[str, list[str]]
    caps: dict[str, int]

    def superuser(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run with all rights and without triggers; the rows of the last statement."""
        with psycopg.connect(self.cluster.url("postgres", self.name)) as connection:
            connection.execute("SET session_replication_role = replica")
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def bind_cap(self, cap: int) -> None:
        """Let no more than `cap` be allocated at the first hospital."""
        self.superuser(f"UPDATE sites_site SET \"limit\" = {cap} WHERE code = '{SITES[0]}'")
        self.caps[f"site={SITES[0]}"] = cap

    def history(self, calls: list[Call], rests: list[Rest]) -> History:
        """What was seen and what is stored."""
        rows = self.superuser(
            "SELECT p.code, s.key, a.index, a.arm, a.position, a.hash FROM randomization_allocation a"
            " JOIN participants_participant p ON p.id = a.participant_id"
            " JOIN randomization_stratum s ON s.id = a.stratum_id"
        )
        told = self.superuser(
            "SELECT (payload ->> 'position')::int, recipient FROM outbox_message WHERE kind = 'allocation'"
        )
        return History(
            calls=calls,
            rows=[Row(*row) for row in rows],
            told=[(position, recipient) for position, recipient in told],
            recipients=self.recipients,
            lists=self.lists,
            caps=self.caps,
            rests=rests,
            ledger=verify(actor=system_actor("system.loader")),
        )


def prepare(cluster: Cluster, name: str, *, participants: int) -> Stage:
    """A stage on the database `name`, at which Django points already."""
    version = ProtocolVersion.objects.current()
    assert version is not None
    trial = version.definition
    length = max(trial.total_cap, participants)
    specification = Specification(
        trial=trial.id,
        environment="demo",
        method="permuted_blocks",
        block_sizes=(4, 6),
        bound=0,
        arms=(trial.arms[0].code, trial.arms[1].code),
        strata=tuple(f"site={site.code}" for site in trial.sites),
        length=length,
    )
    loader = system_actor("system.loader")
    document = generation.sealed_list(specification, [SECRET], vault.key_from(settings.SEQUENCE_KEY))
    install_list(actor=loader, document=document)
    stage = Stage(cluster, name, [], {}, {}, {}, {})
    seed = generation.combined(specification, [SECRET])
    for code in SITES:
        site = activate(code)
        team: Any = {role: make_person(role, site) for role in ("coordinator", "investigator")}
        stratum = f"site={code}"
        stage.recipients[stratum] = frozenset(f"user:{person.pk}" for person in team.values())
        stage.lists[stratum] = specification.arms_of(seed, stratum)
        first = walk("operated", site=site, **team)
        share = participants // 2
        _copy(stage, first.pk, share - 1)
        codes = [
            found
            for (found,) in stage.superuser(
                f"SELECT code FROM participants_participant WHERE site_id = {site.pk} ORDER BY id"
            )
        ]
        stage.participants += [(found, code) for found in codes]
        stage.tokens[code] = issue_token(
            actor=team["coordinator"],
            user=team["coordinator"],
            name="harness",
            valid_for=dt.timedelta(days=1),
        )
    # More people than the protocol plans.
    stage.superuser(
        "UPDATE sites_site SET cap = NULL", f"UPDATE randomization_scheme SET total_cap = {length}"
    )
    # Both hospitals in turn, so that their requests meet.
    half = len(stage.participants) // 2
    pairs = zip(stage.participants[:half], stage.participants[half:], strict=True)
    stage.participants = list(itertools.chain.from_iterable(pairs))
    connections.close_all()
    return stage


def _copy(stage: Stage, pk: int, times: int) -> None:
    """Copy a participant with all that hangs on it. Walking each one through the services would take minutes."""
    moved = stage.superuser(_TABLES.replace("%%", "%"))
    statements = [
        _copies(
            "participants_participant",
            ["id"],
            f"x.id = {pk}",
            times,
            own="'code', left(x.code, 3) ||"
            " lpad((5000 + k)::text, 4, '0'), 'registration_key', x.registration_key || '-' || k",
        ),
        _copies(
            "staff_signature",
            ["id"],
            f"x.id IN (SELECT signature_id FROM eligibility_signedverdict WHERE participant_id = {pk})",
            times,
        ),
        _copies(
            "staff_signedversion",
            ["id", "signature_id", "record_id"],
            f"x.signature_id IN (SELECT signature_id FROM eligibility_signedverdict WHERE participant_id = {pk})",
            times,
        ),
    ]
    statements += [_copies(table, columns, f"x.participant_id = {pk}", times) for table, columns in moved]
    stage.superuser(*statements)


def _copies(table: str, columns: list[str], where: str, times: int, own: str = "") -> str:
    changed = [f"'{column}', x.{column} + k * {_STEP}" for column in _MOVED if column in columns] + (
        [own] if own else []
    )
    return (
        f"INSERT INTO {table} SELECT (jsonb_populate_record(NULL::{table}, to_jsonb(x) || jsonb_build_object("
        f"{', '.join(changed)}))).* FROM {table} x, generate_series(1, {times}) k WHERE {where}"
    )
