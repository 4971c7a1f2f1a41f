"""The compose file: lawful by the published schema, the same commands as the supervisor's, no secret in the open."""

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.runtime.conftest import ROOT
from trialsite.runtime import commands, keys

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def test_it_is_lawful_by_the_compose_specification() -> None:
    schemas = resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    schema = json.loads((schemas / "compose-spec.json").read_text())
    jsonschema.Draft7Validator(schema).validate(COMPOSE)


@pytest.mark.parametrize(
    ("service", "command"),
    [
        ("web", commands.web(bind="0.0.0.0", port=8000)),  # noqa: S104 -- inside a container
        ("worker", commands.worker()),
        ("beat", commands.beat(record=Path("/var/lib/trialsite/beat"))),
        ("prepare", commands.manage("prepare_database")),
        ("backup", commands.manage("backup")),
    ],
)
def test_its_commands_are_those_that_the_supervisor_runs(service: str, command: list[str]) -> None:
    assert SERVICES[service]["command"] == command


def test_the_first_lines_name_whatever_it_demands() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    head = text[: text.index("\nname:")]
    asked = set(re.findall(r"\$\{(\w+):\?", text))
    assert asked == {name for name in asked if f"{name}=" in head}


def test_only_one_shots_know_the_owner() -> None:
    knowing = {
        name for name, service in SERVICES.items() if "database_owner_url" in service.get("secrets", [])
    }
    assert knowing == {"prepare", "backup", "restore"}
    assert all(SERVICES[name]["restart"] == "no" for name in knowing)


def test_every_service_that_stays_has_a_health_check_and_comes_back() -> None:
    staying = {name for name, service in SERVICES.items() if service["restart"] != "no"}
    assert staying == {"web", "worker", "beat", "postgres", "valkey"}
    assert all("healthcheck" in SERVICES[name] for name in staying)


def test_our_processes_have_no_privileges() -> None:
    for name in ("web", "worker", "beat", "prepare", "backup", "restore"):
        service = SERVICES[name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert re.search(r"^USER trialsite$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def test_postgres_mounts_the_folder_above_its_data() -> None:
    assert SERVICES["postgres"]["image"] == "postgres:18"
    assert "postgres:/var/lib/postgresql" in SERVICES["postgres"]["volumes"]


def test_the_files_that_it_mounts_exist() -> None:
    mounts = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    paths = [mount.split(":")[0] for mount in mounts if mount.startswith("./")]
    assert paths
    assert all((ROOT / path).is_file() for path in paths)
    assert "/opt/trialsite/roles.sql" in (ROOT / "deploy" / "create-roles.sh").read_text()


def test_every_secret_is_a_file_that_make_keys_writes_but_the_mail_servers(tmp_path: Path) -> None:
    written = {path.name for path in keys.write(tmp_path / "secrets")}
    assert set(COMPOSE["secrets"]) == written | {"email_url"}
    used = {name for service in SERVICES.values() for name in service.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])
    environment = SERVICES["prepare"]["environment"]
    files = [value for value in environment.values() if str(value).startswith("/run/secrets/")]
    assert {f"/run/secrets/{name}" for name in SERVICES["prepare"]["secrets"]} == set(files)


def test_keys_are_made_once_and_fit_together(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    keys.write(folder)
    first = {path.name: path.read_text() for path in folder.iterdir()}
    assert keys.write(folder) == []
    assert {path.name: path.read_text() for path in folder.iterdir()} == first
    assert folder.stat().st_mode & 0o077 == 0
    assert first["app_password"] in first["database_url"]
    assert first["owner_password"] in first["database_owner_url"]
    assert first["broker_password"] in first["broker_url"]


def test_what_a_process_keeps_for_good_is_no_folder_of_its_own() -> None:
    """Web does not see the worker's folders: what one writes and the other gives out stands in the database."""
    kept = {name: SERVICES[name].get("volumes", []) for name in ("web", "worker", "beat")}
    witness = ["witness:/var/lib/trialsite/witness"]
    assert kept == {"web": witness, "worker": witness, "beat": []}
