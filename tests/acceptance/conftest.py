"""One deployment for all tests of a process that need a browser: web, worker, beat and broker over one database."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Cluster, pointing_at
from tests.processes import Running, deployment


@pytest.fixture(scope="session")
def deployed(
    cluster: Cluster, django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Running]]:
    """The name of the database, and the deployment over it."""
    name, folder = cluster.clone(), tmp_path_factory.mktemp("d")
    url, mail = cluster.url("edc_app", name), f"file://{folder}/mail"
    with deployment(folder / "var", database_url=url, email_url=mail) as running:
        yield name, running
    cluster.drop(name)


@pytest.fixture
def served(deployed: tuple[str, Running], cluster: Cluster, django_db_blocker: Any) -> Iterator[Running]:
    """The deployment, and this process at its database: what a test makes there stays for the others."""
    name, running = deployed
    with django_db_blocker.unblock(), pointing_at(cluster, name):
        yield running
