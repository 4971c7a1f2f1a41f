"""Which servers are ours to run, by the environment: embedded ones unless an address is given."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from trialsite import environment
from trialsite.runtime.places import DATABASE, Places
from trialsite.runtime.postgres import Postgres
from trialsite.runtime.processes import Failed
from trialsite.runtime.supervisor import Lock
from trialsite.runtime.valkey import Valkey

_OWNER = ("DATABASE_OWNER_URL", "DATABASE_OWNER_URL_FILE")


@dataclass(frozen=True)
class Servers:
    """The embedded servers of this deployment (None where a real one is named) and the owner's address."""

    postgres: Postgres | None
    valkey: Valkey | None
    owner_url: str

    @classmethod
    def of(cls, env: Mapping[str, str], places: Places) -> "Servers":
        """Raises Failed when only one of the two database addresses is given."""
        app, owner = (environment.text(name, "", env=env) for name in ("DATABASE_URL", "DATABASE_OWNER_URL"))
        if app and not owner:
            raise Failed(
                "DATABASE_URL is set and DATABASE_OWNER_URL is not. Set it to the address of the role "
                "edc_owner on the same database: migrations, backup and restore need it."
            )
        if owner and not app:
            raise Failed("DATABASE_OWNER_URL is set and DATABASE_URL is not. Set both, or neither.")
        return cls(
            None if app else Postgres(places.pgdata, places.socket_dir, log=places.logs / "postgres.log"),
            None
            if environment.text("BROKER_URL", "", env=env)
            else Valkey(places.valkey, places.valkey_socket, log=places.logs / "valkey.log"),
            owner or places.owner_url,
        )


def for_serving(env: Mapping[str, str]) -> dict[str, str]:
    """The environment of the serving processes: the owner's address is none of their business."""
    return {name: value for name, value in env.items() if name not in _OWNER}


def for_owner(env: Mapping[str, str], owner_url: str) -> dict[str, str]:
    """The environment of a command that works as the owner."""
    return for_serving(env) | {"DATABASE_OWNER_URL": owner_url}


@contextmanager
def reachable(servers: Servers, places: Places, report: Callable[[str], object]) -> Iterator[None]:
    """The database answers inside this context: an embedded server that is down is started for as long."""
    if servers.postgres is None or servers.postgres.running():
        yield
        return
    with Lock(places.root):
        places.make()
        servers.postgres.start(report)
        try:
            servers.postgres.ensure_roles_and_database(DATABASE)
            yield
        finally:
            servers.postgres.stop()
