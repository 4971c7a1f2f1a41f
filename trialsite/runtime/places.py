"""Where the embedded servers keep their files, and the addresses that follow from it."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

DATABASE = "trialsite"
# A Unix socket's path may have 107 bytes on Linux and 103 on macOS, the name below included.
_LONGEST_SOCKET = 103
_POSTGRES_SOCKET = ".s.PGSQL.5432"


@dataclass(frozen=True)
class Places:
    """Paths below `root` (the folder TRIALSITE_VAR). Nothing is created here; see `make`."""

    root: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", self.root.absolute())

    @property
    def pgdata(self) -> Path:
        return self.root / "postgres"

    @property
    def valkey(self) -> Path:
        return self.root / "valkey"

    @property
    def mail(self) -> Path:
        return self.root / "mail"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def backups(self) -> Path:
        return self.root / "backups"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def beat(self) -> Path:
        """Celery beat's record of when each job last ran."""
        return self.root / "beat"

    @property
    def witness(self) -> Path:
        """The witness of the ledger's heads; in production it belongs on another volume (WITNESS_FILE)."""
        return self.root / "witness" / "ledger.jsonl"

    @property
    def prepared(self) -> Path:
        """Which data folder was prepared by which code; see `stamp`."""
        return self.root / "prepared.json"

    @property
    def demo_loaded(self) -> Path:
        """Which data folder holds the demo's participants."""
        return self.root / "demo.json"

    @property
    def socket_dir(self) -> Path:
        """The folder of both sockets; outside of `root`, yet always the same, where `root` lies too deep."""
        near = self.root / "run"
        if len(bytes(near / _POSTGRES_SOCKET)) <= _LONGEST_SOCKET:
            return near
        mark = hashlib.sha256(bytes(self.root)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"trialsite-{mark}"

    @property
    def valkey_socket(self) -> Path:
        return self.socket_dir / "valkey.sock"

    @property
    def app_url(self) -> str:
        """The serving role's address of the embedded database."""
        return database_url("edc_app", DATABASE, self.socket_dir)

    @property
    def owner_url(self) -> str:
        """The migrating role's address of the embedded database."""
        return database_url("edc_owner", DATABASE, self.socket_dir)

    @property
    def admin_url(self) -> str:
        """The superuser's address; only the runtime uses it."""
        return database_url("postgres", "postgres", self.socket_dir)

    @property
    def broker_url(self) -> str:
        return f"redis+socket://{quote(str(self.valkey_socket))}"

    def make(self) -> None:
        """Create the folders, readable by their owner alone.

        Raises OSError where a folder cannot be made, or where someone else owns the sockets' folder.
        """
        for folder in (self.root, self.mail, self.logs, self.backups):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        private(self.socket_dir)


def database_url(role: str, name: str, socket_dir: Path) -> str:
    """Address of a database behind a Unix socket, as libpq, psycopg and our settings read it."""
    return f"postgresql://{role}@/{name}?host={quote(str(socket_dir), safe='')}"


def private(folder: Path) -> None:
    """Create `folder` with mode 0700; refuse a link or a folder that someone else put there."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to someone else; remove it or choose another TRIALSITE_VAR.")
    folder.chmod(0o700)
