"""The embedded PostgreSQL: it starts anywhere, survives kill -9, and refuses what it cannot read."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.runtime.conftest import eventually
from trialsite.runtime.places import Places
from trialsite.runtime.postgres import MAJOR, Postgres
from trialsite.runtime.processes import Failed


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A server whose data folder lies far too deep for a socket."""
    places = Places(tmp_path_factory.mktemp("deep") / ("long" * 30))
    made = Postgres(places.pgdata, places.socket_dir)
    made.start(report=lambda text: None)
    made.ensure_roles_and_database()
    yield made
    made.stop()
    assert not made.running()
    for left in places.socket_dir.iterdir():
        left.unlink()
    places.socket_dir.rmdir()


def pid_of(server: Postgres) -> int:
    return int((server.folder / "postmaster.pid").read_text().split()[0])


def ask(server: Postgres, role: str, sql: str, database: str = "trialsite") -> list[tuple[object, ...]]:
    with psycopg.connect(server.url(role, database)) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


def test_sockets_of_a_deep_folder_lie_in_a_short_private_one(server: Postgres) -> None:
    assert len(str(server.socket_dir / ".s.PGSQL.5432")) < 104
    assert server.socket_dir.stat().st_mode & 0o777 == 0o700


def test_it_listens_on_no_network_port(server: Postgres) -> None:
    assert ask(server, "postgres", "SHOW listen_addresses") == [("",)]
    with socket.socket() as line:
        assert line.connect_ex(("127.0.0.1", 5432)) != 0


def test_the_locale_never_changes_with_the_system(server: Postgres) -> None:
    sql = "SELECT datlocprovider, datlocale, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'trialsite'"
    assert ask(server, "postgres", sql) == [("b", "C.UTF-8", "UTF8")]


def test_what_a_refused_row_held_is_not_in_the_log(server: Postgres) -> None:
    """The detail of an error quotes the row: names and telephone numbers stood in the log in clear."""
    with pytest.raises(psycopg.errors.CheckViolation, match="Wang Jing"):
        ask(
            server,
            "edc_owner",
            "CREATE TEMPORARY TABLE t (name text CHECK (false));"
            "DO $$ BEGIN EXECUTE format('INSERT INTO t VALUES (%L)', 'Wang' || ' Jing'); END $$",
        )
    log = server.log.read_text()
    assert "violates check constraint" in log
    assert "Wang Jing" not in log


def test_the_app_role_uses_tables_and_makes_none(server: Postgres) -> None:
    ask(server, "edc_owner", "CREATE TABLE visit (id bigint GENERATED ALWAYS AS IDENTITY, day date)")
    ask(server, "edc_app", "INSERT INTO visit (day) VALUES ('2026-11-01')")
    assert ask(server, "edc_app", "SELECT count(*) FROM visit") == [(1,)]
    for forbidden in (
        "CREATE TABLE own (id int)",
        "TRUNCATE visit",
        "DROP TABLE visit",
        "CREATE TEMP TABLE t (i int)",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(server, "edc_app", forbidden)
    attributes = (
        "SELECT rolsuper, rolbypassrls, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = 'edc_app'"
    )
    assert ask(server, "postgres", attributes) == [(False,) * 4]


def test_roles_and_database_may_be_made_again(server: Postgres) -> None:
    server.ensure_roles_and_database()
    server.ensure_roles_and_database()


def test_a_killed_server_comes_back_with_what_was_committed(server: Postgres) -> None:
    ask(server, "edc_owner", "CREATE TABLE kept (id int)")
    ask(server, "edc_owner", "INSERT INTO kept VALUES (7)")
    with psycopg.connect(server.url("edc_owner", "trialsite")):  # a backend that lives on for a moment
        os.kill(pid_of(server), signal.SIGKILL)
        server.start(report=lambda text: None)
    assert ask(server, "edc_app", "SELECT id FROM kept") == [(7,)]


def test_a_lock_file_that_names_a_stranger_is_stale(root: Path) -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    folder = root / "data"
    folder.mkdir(mode=0o700)
    (folder / "PG_VERSION").write_text(f"{MAJOR}\n")
    (folder / "postmaster.pid").write_text(f"{stranger.pid}\n{folder}\n")
    try:
        Postgres(folder, root / "s").prepare(report=lambda text: None)
        assert not (folder / "postmaster.pid").exists()
        assert stranger.poll() is None, "the stranger lives on"
    finally:
        stranger.kill()
        stranger.wait()


def test_a_data_folder_of_another_major_version_is_refused(root: Path) -> None:
    folder = root / "data"
    folder.mkdir()
    (folder / "PG_VERSION").write_text("16\n")
    with pytest.raises(Failed, match=r"belongs to PostgreSQL 16, and this is PostgreSQL 18"):
        Postgres(folder, root / "s").start(report=lambda text: None)
    assert sorted(path.name for path in folder.iterdir()) == ["PG_VERSION"]


def test_an_interrupted_initialisation_is_no_data_folder(root: Path) -> None:
    half = root / "data.new"
    half.mkdir()
    (half / "junk").touch()
    server = Postgres(root / "data", root / "s", durable=False)
    server.start(report=lambda text: None)
    try:
        assert not half.exists()
        eventually(server.running)
    finally:
        server.stop()
