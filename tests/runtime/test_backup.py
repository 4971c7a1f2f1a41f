"""A backup, restored elsewhere, is the same database: rows, triggers, policies and rights."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.runtime.conftest import Manage
from trialsite.runtime.dumps import _environment, backup, restore
from trialsite.runtime.places import Places
from trialsite.runtime.postgres import Postgres, tool
from trialsite.runtime.processes import Failed

if TYPE_CHECKING:
    from tests.conftest import Cluster

NOTE = "CREATE TABLE backup_note (id int PRIMARY KEY, said text)"


def content(url: str) -> str:
    """Everything in the database at `url` as SQL, without the marks that differ from dump to dump."""
    done = subprocess.run(
        [tool("pg_dump")], env=_environment(url), capture_output=True, text=True, check=True
    )
    said = re.sub(r"(?m)^\\(un)?restrict .*$", "", done.stdout)
    # A list of texts in a condition is spelled differently once PostgreSQL has read its own spelling again.
    said = re.sub(r"\(?('[\w/]+')::character varying\)?(::text)?", r"\1", said)
    return re.sub(r"\((ARRAY\[[^]]*\])\)::text\[\]", r"\1", said)


def run(url: str, *statements: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        for sql in statements:
            cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def pair(cluster: "Cluster") -> Iterator[tuple[str, str]]:
    """Owner's addresses of two databases with the whole schema and the protocol loaded."""
    names = (cluster.clone(), cluster.clone())
    yield (cluster.url("edc_owner", names[0]), cluster.url("edc_owner", names[1]))
    for name in names:
        cluster.drop(name)


def test_a_restored_database_equals_the_one_backed_up(pair: tuple[str, str], root: Path) -> None:
    source, target = pair
    run(source, NOTE, "INSERT INTO backup_note VALUES (1, '随访'), (2, 'visit')")
    run(target, "CREATE TABLE newer_than_the_backup (id int)")
    file = root / "full.dump"
    backup(source, file)
    assert file.stat().st_mode & 0o077 == 0
    restore(target, file)
    assert content(target) == content(source)
    assert run(target.replace("edc_owner", "edc_app"), "SELECT said FROM backup_note ORDER BY id") == [
        ("随访",),
        ("visit",),
    ]


def test_tables_made_after_a_restore_are_open_to_the_app_role(pair: tuple[str, str], root: Path) -> None:
    source, target = pair
    backup(source, root / "full.dump")
    restore(target, root / "full.dump")
    run(target, NOTE)
    assert run(target.replace("edc_owner", "edc_app"), "SELECT * FROM backup_note") == []


def test_a_failing_restore_changes_nothing(pair: tuple[str, str], root: Path) -> None:
    source, target = pair
    file = root / "full.dump"
    backup(source, file)
    before = content(target)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) - 2000])
    with pytest.raises(Failed):
        restore(target, file)
    file.write_bytes(b"no backup at all")
    with pytest.raises(Failed):
        restore(target, file)
    assert content(target) == before


def test_a_backup_that_fails_leaves_no_file(root: Path) -> None:
    with pytest.raises(Failed, match="pg_dump failed"):
        backup(f"postgresql://nobody@/nothing?host={root}", root / "full.dump")
    assert list(root.iterdir()) == []


def test_the_commands_start_and_stop_the_embedded_server(manage: Manage, root: Path) -> None:
    places = Places(root)
    server = Postgres(places.pgdata, places.socket_dir)
    server.start(report=lambda text: None)
    server.ensure_roles_and_database()
    run(places.owner_url, NOTE, "INSERT INTO backup_note VALUES (1, 'before')")
    server.stop()

    file = root / "one.dump"
    made = manage("backup", "--to", str(file))
    assert made.returncode == 0, made.stderr
    assert not server.running()
    again = manage("backup", "--to", str(file))
    assert (again.returncode, "never overwrites" in again.stderr) == (1, True)

    server.start(report=lambda text: None)
    run(places.owner_url, "UPDATE backup_note SET said = 'after'")
    assert manage("restore", str(file)).returncode == 1, "without --yes and without an answer"
    assert run(places.owner_url, "SELECT said FROM backup_note") == [("after",)]
    restored = manage("restore", str(file), "--yes")
    assert restored.returncode == 0, restored.stderr
    assert run(places.app_url, "SELECT said FROM backup_note") == [("before",)]
    server.stop()
