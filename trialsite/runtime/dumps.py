"""Backup and restore of the whole database, by the owner's address.

The owner is not subject to the row policies, and pg_dump refuses to write a partial table, so a backup
is complete or fails. The keys (DATA_KEYS, SEQUENCE_KEY) are not in it and must be kept apart from it.
"""

import os
import subprocess
from datetime import datetime
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from trialsite.runtime.postgres import tool
from trialsite.runtime.processes import Failed

# The schema is replaced as a whole, so that tables newer than the backup do not stay behind.
_EMPTY = """
SET lock_timeout = '15s';
DROP SCHEMA IF EXISTS public CASCADE;
CREATE SCHEMA public AUTHORIZATION pg_database_owner;
COMMENT ON SCHEMA public IS 'standard public schema';
GRANT USAGE ON SCHEMA public TO PUBLIC;
RESET lock_timeout;
"""
# libpq's variables keep the password out of the list of processes.
_VARIABLES = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "connect_timeout": "PGCONNECT_TIMEOUT",
}


def backup(url: str, file: Path) -> None:
    """Write the database at `url` to `file` in PostgreSQL's custom format, readable by its owner alone.

    The file appears under its name only when it is complete and its table of contents can be read.
    Raises Failed.
    """
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = file.with_name(f"{file.name}.part")
    try:
        part.touch(mode=0o600)
        _run([tool("pg_dump"), "--format=custom", f"--file={part}"], url)
        _run([tool("pg_restore"), "--list", str(part)], url)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def restore(url: str, file: Path) -> None:
    """Replace everything in the database at `url` by the backup `file`: all of it, or nothing on failure.

    One transaction drops the schema and writes the backup. Raises Failed; the database is then unchanged.
    """
    if not file.is_file():
        raise Failed(f"There is no backup at {file}.")
    _run([tool("pg_restore"), "--list", str(file)], url)
    reader = subprocess.Popen(
        [tool("pg_restore"), "--file=-", str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    writer = subprocess.Popen(
        [tool("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "--single-transaction", "-f", "-"],
        env=_environment(url),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    said = _pour(reader, writer)
    if reader.returncode or writer.returncode:
        raise Failed(
            f"The restore failed and changed nothing: {said.splitlines()[0] if said else 'no reason given'}"
        )


def _pour(reader: "subprocess.Popen[bytes]", writer: "subprocess.Popen[bytes]") -> str:
    """Feed the script into psql. Where the reader fails, psql is killed before it can commit a part."""
    assert reader.stdout and reader.stderr and writer.stdin and writer.stderr  # noqa: S101 -- all are pipes
    try:
        writer.stdin.write(_EMPTY.encode())
        while chunk := reader.stdout.read(1 << 16):
            writer.stdin.write(chunk)
        if reader.wait() != 0:
            writer.kill()
        writer.stdin.close()
    except BrokenPipeError:
        reader.kill()
    said = (writer.stderr.read() + reader.stderr.read()).decode(errors="replace").strip()
    reader.wait()
    writer.wait()
    for pipe in (reader.stdout, reader.stderr, writer.stderr):
        pipe.close()
    return said


def name(at: datetime) -> str:
    """File name of a backup made at `at` (UTC)."""
    return f"trialsite-{at:%Y%m%dT%H%M%SZ}.dump"


def _environment(url: str) -> dict[str, str]:
    given = {_VARIABLES[key]: str(value) for key, value in conninfo_to_dict(url).items() if key in _VARIABLES}
    return {key: value for key, value in os.environ.items() if not key.startswith("PG")} | given


def _run(argv: list[str], url: str) -> None:
    answer = subprocess.run(argv, env=_environment(url), capture_output=True, text=True, check=False)
    if answer.returncode:
        raise Failed(f"{Path(argv[0]).name} failed: {answer.stderr.strip()}")
