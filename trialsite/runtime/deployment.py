"""One deployment from one terminal: servers, schema, web, worker, beat, in this order."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trialsite import environment
from trialsite.runtime import commands, probe, stamp
from trialsite.runtime.places import DATABASE, Places
from trialsite.runtime.postgres import Postgres
from trialsite.runtime.processes import Failed
from trialsite.runtime.servers import Servers, for_owner, for_serving
from trialsite.runtime.supervisor import BROKER, Child, Supervisor
from trialsite.runtime.supervisor import DATABASE as LAST


@dataclass
class Deployment:
    """What `manage.py up` runs. `hosts` are the allowed hosts; `welcome` is called once the web answers."""

    repository: Path
    places: Places
    env: Mapping[str, str]
    hosts: list[str]
    demo: bool
    say: Callable[[str], object] = print
    welcome: Callable[[], object] = lambda: None
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.bind = environment.text("BIND", "127.0.0.1", env=self.env)
        self.port = environment.number("PORT", 8000, env=self.env)
        self.servers = Servers.of(self.env, self.places)
        self.env = dict(self.env) | {"TRIALSITE_VAR": str(self.places.root)}
        self.serving_env = for_serving(self.env)

    def run(self) -> None:
        """Start everything and stay until asked to stop. Raises Failed; then nothing is left running."""
        os.chdir(self.repository)
        with Supervisor(self.places.root, report=self.say) as supervisor:
            require_free(self.bind, self.port)
            self.places.make()
            if self.servers.postgres:
                self._start_postgres(supervisor, self.servers.postgres)
            if self.servers.valkey:
                valkey = self.servers.valkey
                valkey.prepare()
                child = Child("Valkey", valkey.command(), valkey.log, rank=BROKER)
                supervisor.wait_for(valkey.running, supervisor.start(child))
            self._prepare_database(supervisor)
            self._start_serving(supervisor)
            self.say(f"TrialSite answers at {self.address} after {time.monotonic() - self.began:.1f} s.")
            self.welcome()
            self._fill_demo(supervisor)
            self.say("Ctrl-C stops everything.")
            supervisor.watch()
            self.say("Stopping …")

    @property
    def address(self) -> str:
        host = "localhost" if self.bind in ("127.0.0.1", "0.0.0.0", "::", "::1") else self.bind  # noqa: S104
        return f"http://{host}:{self.port}/"

    def _start_postgres(self, supervisor: Supervisor, postgres: Postgres) -> None:
        postgres.stop()
        postgres.prepare(self.say)
        child = Child("PostgreSQL", postgres.command(), postgres.log, rank=LAST, stop_signal=signal.SIGINT)
        supervisor.wait_for(postgres.running, supervisor.start(child))
        postgres.ensure_roles_and_database(DATABASE)

    def _prepare_database(self, supervisor: Supervisor) -> None:
        """Migrate and load as the owner, unless this data folder has seen exactly this code before."""
        postgres = self.servers.postgres
        mark = [postgres.identifier(), stamp.fingerprint(self.repository)] if postgres else None
        if mark and _read(self.places.prepared) == mark:
            return
        self.say("Preparing the database …")
        self._once(supervisor, "prepare_database", env=for_owner(self.env, self.servers.owner_url))
        if mark:
            self.places.prepared.write_text(json.dumps(mark))

    def _start_serving(self, supervisor: Supervisor) -> None:
        self.say("Starting the web server, the worker and beat …")
        web = self._serve(supervisor, "web", commands.web(bind=self.bind, port=self.port))
        self._serve(supervisor, "worker", commands.worker())
        self._serve(supervisor, "beat", commands.beat(record=self.places.beat))
        supervisor.wait_for(self._live, web)

    def _serve(self, supervisor: Supervisor, name: str, argv: Sequence[str]) -> Child:
        log = self.places.logs / f"{name}.log"
        return supervisor.start(Child(name, commands.here(argv), log, env=self.serving_env))

    def _live(self) -> bool:
        return probe.healthy(bind=self.bind, port=self.port, hosts=self.hosts)

    def _fill_demo(self, supervisor: Supervisor) -> None:
        """Once per database: the demo's participants, while the pages are already served."""
        if not self.demo or _read(self.places.demo_loaded) == demo_mark(self.servers):
            return
        self.say("Filling in the demo's participants …")
        self._once(supervisor, "load_demo", env=self.serving_env)
        mark_demo(self.places, self.servers)

    def _once(self, supervisor: Supervisor, command: str, *, env: Mapping[str, str]) -> None:
        code = supervisor.run(commands.here(commands.manage(command)), env=env)
        if code:
            raise Failed(
                f"`manage.py {command}` failed (exit code {code}); see above. Everything is stopped."
            )


def demo_mark(servers: Servers) -> list[str]:
    """Names the database that holds the demo's participants."""
    return [servers.postgres.identifier() if servers.postgres else "real server"]


def mark_demo(places: Places, servers: Servers) -> None:
    """This database needs no filling any more: the demo, or a restored backup, is in it."""
    places.demo_loaded.write_text(json.dumps(demo_mark(servers)))


def require_free(bind: str, port: int) -> None:
    """Raises Failed when nothing can listen there."""
    if port == 0:
        raise Failed("Port 0 would be a different port at each start. Choose one, for example PORT=8001.")
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            line.bind((bind, port))
        except (OSError, OverflowError) as error:
            raise Failed(
                f"Port {port} of {bind} is not free ({error}). Stop what uses it, or choose another: PORT=8001."
            ) from error


def _read(path: Path) -> object:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
