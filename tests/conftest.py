"""The ground of every test: embedded PostgreSQL, a template made by the owner, clones served as `edc_app`."""

import contextlib
import copy
import gc
import itertools
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.cache import cache
from django.db import connections
from django.utils import translation

from trialsite import environment
from trialsite.runtime import dumps
from trialsite.runtime.postgres import Postgres

# Rolled back tests never commit, and only a commit writes to the witness: its own tests turn it on.
os.environ["WITNESS_FILE"] = settings.WITNESS_FILE = ""
# The modules of the application live as long as the run: looking through them again and again costs a twentieth of it.
gc.freeze()
gc.set_threshold(20_000, 20, 50)
ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "correct horse battery"
# Tests in one process count in its memory; those of a whole deployment use the broker's server like any deployment.
settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


class CheapArgon2(Argon2PasswordHasher):
    """The same algorithm at its least cost: what tests check is the signing, not the price of a guess."""

    time_cost, memory_cost, parallelism = 1, 8, 1


_PASSWORD_HASH = CheapArgon2().encode(PASSWORD, "a-salt-for-people-of-the-tests")


class Cluster:
    """One embedded server for the whole run, with a template that the owner has migrated."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self.folder = folder
        self.server = Postgres(folder / "pg", folder / "s", durable=durable)
        self._numbers = itertools.count(1)

    def start(self, *, like: "Cluster | None" = None) -> None:
        """Start and make the template: by its migrations, or as a copy of that of a cluster which has one."""
        self.server.start(report=lambda *_: None)
        self.server.ensure_roles_and_database("template_trialsite")
        if like is not None:
            dump = self.folder / "template.dump"
            # Of a clone: nobody can copy the template while someone reads it.
            copy = like.clone()
            dumps.backup(like.url("postgres", copy), dump)
            like.drop(copy)
            dumps.restore(self.url("postgres", "template_trialsite"), dump)
            # As `prepare_database` does after a restore into another cluster.
            with psycopg.connect(self.url("postgres", "template_trialsite")) as connection:
                connection.execute(
                    "INSERT INTO audit_epoch (id, cluster) SELECT (SELECT max(id) + 1 FROM audit_epoch),"
                    " system_identifier::text FROM pg_control_system()"
                )
            return
        environ = os.environ | {
            "DATABASE_URL": self.url("edc_app", "template_trialsite"),
            "DATABASE_OWNER_URL": self.url("edc_owner", "template_trialsite"),
        }
        prepare = [str(ROOT / "manage.py"), "prepare_database", "-v", "0"]
        for words in (prepare, ["-m", "tests.approvals"]):
            command = [sys.executable, *words]
            done = subprocess.run(command, env=environ, capture_output=True, text=True, cwd=ROOT, check=False)
            if done.returncode:
                pytest.exit(f"{words[0:2]} failed:\n{done.stdout}{done.stderr}", returncode=3)

    def url(self, role: str, name: str) -> str:
        return f"postgresql://{role}@/{name}?host={self.folder / 's'}"

    def clone(self, of: str = "template_trialsite") -> str:
        name = f"clone_{next(self._numbers)}_{secrets.token_hex(3)}"
        self.admin(f"CREATE DATABASE {name} TEMPLATE {of} OWNER edc_owner STRATEGY file_copy")
        return name

    def drop(self, name: str) -> None:
        self.admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def admin(self, sql: str) -> None:
        with psycopg.connect(self.url("postgres", "postgres"), autocommit=True) as connection:
            connection.execute(sql)

    def point_django_at(self, name: str) -> None:
        connections["default"].close()
        connections.settings["default"].update(
            environment.database(self.url("edc_app", name), **settings.SERVING_OPTIONS) | {"CONN_MAX_AGE": 0}
        )


def _roomy() -> str | None:
    """Memory where there is plenty, for data that live as long as the run; else the usual place."""
    memory = Path("/dev/shm")  # noqa: S108 -- a folder of mode 0700 is made in it
    try:
        return str(memory) if shutil.disk_usage(memory).free > 4 * 2**30 else None
    except OSError:
        return None


@contextlib.contextmanager
def shared_cluster() -> Iterator[dict[str, str]]:
    """A cluster that outlives single runs of the tests; yields the environment by which a run finds it."""
    with tempfile.TemporaryDirectory(prefix="ts", dir=_roomy(), ignore_cleanup_errors=True) as folder:
        made = Cluster(Path(folder))
        made.start()
        try:
            yield {"TESTS_CLUSTER": folder}
        finally:
            made.server.stop()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    if shared := os.environ.get("TESTS_CLUSTER"):
        yield Cluster(Path(shared))
        return
    with tempfile.TemporaryDirectory(prefix="ts", dir=_roomy(), ignore_cleanup_errors=True) as folder:
        made = Cluster(Path(folder))
        made.start()
        try:
            yield made
        finally:
            made.server.stop()


@pytest.fixture(scope="session")
def django_db_setup(cluster: Cluster, django_db_blocker: Any) -> Iterator[None]:
    """Replaces pytest-django's: the serving role may not create databases, the cluster's owner does."""
    name = cluster.clone()
    if "TESTS_CLUSTER" in os.environ:
        _require_same_protocol(cluster, name)
    cluster.point_django_at(name)
    yield
    with django_db_blocker.unblock():
        connections["default"].close()


def _require_same_protocol(cluster: Cluster, name: str) -> None:
    """A cluster that was started before the protocol's folder changed fails everywhere: say why instead."""
    from trialsite.protocol.reader import read, sha256

    content = sha256(read(ROOT / "protocols" / "nct06756087")[0])
    with psycopg.connect(cluster.url("postgres", name)) as connection:
        loaded = {one for (one,) in connection.execute("SELECT sha256 FROM protocol_protocolversion")}
    if content not in loaded:
        pytest.exit("TESTS_CLUSTER holds another protocol than protocols/: start it anew.", returncode=3)


@contextlib.contextmanager
def pointing_at(cluster: Cluster, name: str) -> Iterator[None]:
    """Django's connection goes to database `name` meanwhile."""
    before = connections.settings["default"]["NAME"]
    cluster.point_django_at(name)
    try:
        yield
    finally:
        connections["default"].close()
        cluster.point_django_at(before)


_BUILDERS: dict[tuple[str, str], Callable[[], Any]] = {}


def built_once(build: Callable[[], Any]) -> Any:
    """A fixture: what `build` makes through the services, made once for its module.

    Each test gets a database of its own, a copy of the one in which `build` ran, and a copy of what it returned.
    """
    _BUILDERS[build.__module__, build.__name__] = build

    def fixture(committed: str, _built: "Built", request: pytest.FixtureRequest) -> Any:
        return copy.deepcopy(_built.of(build)[1])

    return pytest.fixture(name=build.__name__)(fixture)


class Built:
    """The databases that the builders of one module have made, as {builder: (name, what it returned)}."""

    def __init__(self, cluster: Cluster, blocker: Any) -> None:
        self.cluster, self.blocker = cluster, blocker
        self.made: dict[Callable[[], Any], tuple[str, Any]] = {}

    def of(self, build: Callable[[], Any]) -> tuple[str, Any]:
        if build not in self.made:
            name = self.cluster.clone()
            with self.blocker.unblock(), pointing_at(self.cluster, name):
                self.made[build] = (name, build())
        return self.made[build]


@pytest.fixture(scope="module")
def _built(cluster: Cluster, django_db_setup: None, django_db_blocker: Any) -> Iterator[Built]:
    built = Built(cluster, django_db_blocker)
    yield built
    for name, _ in built.made.values():
        cluster.drop(name)


@pytest.fixture
def committed(
    request: pytest.FixtureRequest, cluster: Cluster, _built: Built, django_db_blocker: Any
) -> Iterator[str]:
    """A database of its own for a test that really commits; yields its name."""
    module = request.module.__name__
    builders = [_BUILDERS[module, name] for name in request.fixturenames if (module, name) in _BUILDERS]
    name = cluster.clone(_built.of(builders[0])[0]) if builders else cluster.clone()
    with django_db_blocker.unblock(), pointing_at(cluster, name):
        yield name
    cluster.drop(name)


@pytest.fixture
def raw(cluster: Cluster) -> Callable[..., list[tuple[Any, ...]]]:
    """Bare SQL as the serving role in a transaction of its own, with or without an actor bound."""

    def run(sql: str, *params: Any, actor: Any = None) -> list[tuple[Any, ...]]:
        name = connections.settings["default"]["NAME"]
        with psycopg.connect(cluster.url("edc_app", name)) as connection:
            connection.execute("SET LOCAL lock_timeout = '5s'")
            if actor is not None:
                connection.execute("SELECT set_config('edc.actor', %s, true)", [str(actor.pk)])
            cursor = connection.execute(sql, params)
            return cursor.fetchall() if cursor.description else []

    return run


@pytest.fixture(autouse=True)
def _one_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries are counted by windows of the wall clock: a test that crossed into the next one would count anew."""
    from trialsite.staff import limits

    now = time.time()
    monkeypatch.setattr(limits, "time", SimpleNamespace(time=lambda: now))


@pytest.fixture(autouse=True)
def _fresh_cache() -> Iterator[None]:
    yield
    cache.clear()
    # A request in Chinese leaves its language to the thread, and the next test would read it.
    translation.deactivate()


@pytest.fixture(scope="session", autouse=True)
def _demo_environment() -> None:
    assert settings.TRIALSITE_ENV == "demo", "the tests run in the demo environment"


# People and hospitals ------------------------------------------------------------------------------------------


def activate(code: str) -> Any:
    """The hospital `code`, open for participants."""
    from trialsite.sites.models import Site
    from trialsite.sites.services import set_state
    from trialsite.staff.models import system_actor

    site = Site.objects.get(code=code)
    return set_state(
        actor=system_actor("system.loader"), site=site, state="active", reason="approvals complete"
    )


def make_person(role: str, site: Any = None, username: str | None = None, **fields: Any) -> Any:
    """A person with one role at one hospital, or at all; the password is PASSWORD."""
    from trialsite.audit.context import acting
    from trialsite.staff.models import User, system_actor
    from trialsite.staff.services import grant

    loader = system_actor("system.loader")
    name = username or f"{role}.{site.code.lower() if site else 'all'}.{secrets.token_hex(2)}"
    with acting(loader):
        user = User.objects.create(
            **{"username": name, "full_name": name.title(), "email": f"{name}@hospital.example"}
            | {"password": _PASSWORD_HASH, "language": "en"}
            | fields
        )
        grant(actor=loader, user=user, role=role, site=site, reason="joins the trial")
    return user


@pytest.fixture
def data(request: pytest.FixtureRequest) -> None:
    """A database for this test: one that it commits to where it asks for that, else the rolled back one."""
    committing = [name for name in ("committed", "served") if name in request.fixturenames]
    request.getfixturevalue(committing[0] if committing else "db")


@pytest.fixture
def person(data: None) -> Callable[..., Any]:
    return make_person


@pytest.fixture
def site_a(data: None) -> Any:
    return activate("SHGH")


@pytest.fixture
def site_b(data: None) -> Any:
    return activate("SMU3")


@pytest.fixture
def loader(data: None) -> Any:
    from trialsite.staff.models import system_actor

    return system_actor("system.loader")


@pytest.fixture
def coordinator(site_a: Any) -> Any:
    return make_person("coordinator", site_a)


@pytest.fixture
def investigator(site_a: Any) -> Any:
    return make_person("investigator", site_a)


@pytest.fixture
def coordinator_b(site_b: Any) -> Any:
    return make_person("coordinator", site_b)


@pytest.fixture
def assessor(site_a: Any) -> Any:
    return make_person("assessor", site_a)


@pytest.fixture
def statistician(data: None) -> Any:
    return make_person("statistician")


@pytest.fixture
def trial_manager(data: None) -> Any:
    return make_person("trial_manager")


@pytest.fixture
def definition(data: None) -> Any:
    from trialsite.protocol.models import ProtocolVersion

    version = ProtocolVersion.objects.current()
    assert version is not None
    return version.definition


# A participant on the way --------------------------------------------------------------------------------------


def install_demo_list() -> Any:
    """The demo's sealed list, installed under the newest protocol; the list as it was handed over."""
    from django.conf import settings

    from randomization import generation, vault
    from trialsite.enrollment.trial import install_list
    from trialsite.protocol.models import ProtocolVersion
    from trialsite.staff.models import system_actor

    version = ProtocolVersion.objects.current()
    assert version is not None
    trial = version.definition
    document = generation.demo_list(
        trial=trial.id,
        environment="demo",
        strata=[f"site={site.code}" for site in trial.sites],
        arms=(trial.arms[0].code, trial.arms[1].code),
        length=trial.total_cap,
        key=vault.key_from(settings.SEQUENCE_KEY),
    )
    install_list(actor=system_actor("system.loader"), document=document, version=version)
    return document


@pytest.fixture
def sealed(data: None) -> Any:
    """The demo's sealed list, installed."""
    return install_demo_list()


def walked_once(module: str, status: str, name: str, *, with_list: bool = False) -> tuple[Any, ...]:
    """The fixtures (ward, site_a, coordinator, investigator, `name`): someone walked to `status`, once for `module`.

    Each test has a copy of the database in which that was done, as by `built_once`; with the demo's list if asked for.
    """
    from tests.path import walk

    def ward() -> dict[str, Any]:
        if with_list:
            install_demo_list()
        site = activate("SHGH")
        staff = {role: make_person(role, site) for role in ("coordinator", "investigator")}
        return {"site_a": site, **staff, name: walk(status, site=site, **staff)}

    def part(of: str) -> Any:
        def take(ward: dict[str, Any]) -> Any:
            return ward[of]

        return pytest.fixture(name=of)(take)

    ward.__module__ = module
    return (built_once(ward), *map(part, ("site_a", "coordinator", "investigator", name)))


@pytest.fixture
def participant_in(data: None) -> Callable[..., Any]:
    """A participant walked through the services to a status, surgery three days ago."""
    from tests.path import walk

    return walk
