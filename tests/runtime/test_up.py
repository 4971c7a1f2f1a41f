"""What `manage.py up` refuses: one sentence, exit code 1, and nothing left running or half made."""

import socket
from pathlib import Path

import pytest
from pytest_django import fixtures

from tests.conftest import make_person
from tests.runtime.conftest import ROOT, Manage
from trialsite.runtime import commands, stamp
from trialsite.runtime.deployment import require_free
from trialsite.runtime.management.commands import up
from trialsite.runtime.places import Places
from trialsite.runtime.processes import Failed
from trialsite.runtime.servers import Servers, for_owner, for_serving


def refusal(answer: object) -> str:
    """The one sentence on the error stream."""
    assert answer.returncode == 1, answer.stdout + answer.stderr  # type: ignore[attr-defined]
    said = str(answer.stderr).strip()  # type: ignore[attr-defined]
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1, said
    return said


def test_production_says_where_people_come_in_and_how_the_first_gets_an_account(
    committed: None,
    settings: fixtures.Settings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings.PROD, settings.PUBLIC_URL = True, "https://trial.example"
    up.Command()._show_first_steps()
    told = capsys.readouterr().out
    assert "https://trial.example/" in told
    assert "invite_first" in told
    make_person("administrator")
    up.Command()._show_first_steps()
    assert "invite_first" not in capsys.readouterr().out


def free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])


def test_a_busy_port_is_named_before_anything_starts(manage: Manage, root: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        said = refusal(manage("up", PORT=str(port)))
    assert f"Port {port} of 127.0.0.1 is not free" in said
    assert "PORT=" in said
    assert not (root / "postgres").exists()


def test_data_of_another_major_version_are_refused_and_untouched(manage: Manage, root: Path) -> None:
    data = root / "postgres"
    data.mkdir()
    (data / "PG_VERSION").write_text("17\n")
    assert "belongs to PostgreSQL 17" in refusal(manage("up", PORT=str(free_port())))
    assert [path.name for path in data.iterdir()] == ["PG_VERSION"]


def test_production_without_a_secret_names_it(manage: Manage, root: Path) -> None:
    said = refusal(manage("up", TRIALSITE_ENV="prod", ALLOWED_HOSTS="trial.example"))
    assert "SECRET_KEY" in said
    assert not (root / "postgres").exists()


def test_one_database_address_without_the_other_is_refused(manage: Manage) -> None:
    said = refusal(manage("up", DATABASE_URL="postgresql://edc_app@db/trialsite"))
    assert "DATABASE_OWNER_URL is not" in said


@pytest.mark.parametrize("port", [0, 70000])
def test_a_port_that_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(Failed, match=f"Port {port} "):
        require_free("127.0.0.1", port)


def test_reset_wants_the_word(manage: Manage, root: Path) -> None:
    (root / "mail").mkdir()
    assert "Nothing was deleted" in refusal(manage("reset"))
    assert (root / "mail").exists()


def test_reset_keeps_backups(manage: Manage, root: Path) -> None:
    for name in ("mail", "backups"):
        (root / name).mkdir()
        (root / name / "file").touch()
    assert manage("reset", "--yes").returncode == 0
    assert (root / "backups" / "file").exists()
    assert not (root / "mail").exists()


def test_real_servers_leave_nothing_embedded(root: Path) -> None:
    env = {
        "DATABASE_URL": "postgresql://a",
        "DATABASE_OWNER_URL": "postgresql://b",
        "BROKER_URL": "redis://c",
    }
    servers = Servers.of(env, Places(root))
    assert (servers.postgres, servers.valkey, servers.owner_url) == (None, None, "postgresql://b")


def test_an_owner_address_alone_is_refused(root: Path) -> None:
    with pytest.raises(Failed, match="Set both, or neither"):
        Servers.of({"DATABASE_OWNER_URL": "postgresql://b"}, Places(root))


def test_serving_processes_never_get_the_owners_address() -> None:
    env = {"DATABASE_OWNER_URL": "x", "DATABASE_OWNER_URL_FILE": "y", "DATABASE_URL": "z"}
    assert for_serving(env) == {"DATABASE_URL": "z"}
    assert for_owner(env, "w") == {"DATABASE_URL": "z", "DATABASE_OWNER_URL": "w"}


def test_the_fingerprint_follows_what_a_prepared_database_holds(tmp_path: Path) -> None:
    migrations = tmp_path / "trialsite" / "sites" / "migrations"
    migrations.mkdir(parents=True)
    (migrations / "0001_initial.py").write_text("first")
    before = stamp.fingerprint(tmp_path)
    assert stamp.fingerprint(tmp_path) == before
    (tmp_path / "trialsite" / "sites" / "views.py").write_text("no matter")
    assert stamp.fingerprint(tmp_path) == before
    (tmp_path / "protocols").mkdir()
    (tmp_path / "protocols" / "trial.yaml").write_text("arms: []")
    loaded = stamp.fingerprint(tmp_path)
    (migrations / "0001_initial.py").write_text("second")
    assert len({before, loaded, stamp.fingerprint(tmp_path)}) == 3


def test_the_fingerprint_sees_the_real_migrations() -> None:
    assert list(ROOT.glob("trialsite/*/migrations/0*.py"))
    assert commands.here(commands.manage("up"))[0] != "python"
