"""The environment is read strictly, and production refuses what belongs to the demo."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trialsite import environment
from trialsite.environment import BadEnvironment

ROOT = Path(__file__).resolve().parent.parent
OWN_KEYS = {
    "SECRET_KEY": "k" * 60,
    "DATA_KEYS": "b3duLWtleS1mb3ItY29udGFjdC1kYXRhLTAwMDAwMDA=",
    "INDEX_KEYS": "b3duLWtleS1mb3ItYmxpbmQtaW5kZXhlcy0wMDAwMDA=",
    "WITNESS_FILE": "/another/volume/ledger.jsonl",
    "SEQUENCE_KEY": "b3duLWtleS1mb3ItdGhlLXNlYWxlZC1saXN0LTAwMDA=",
    "ALLOWED_HOSTS": "trial.example",
    "MAIL_FROM": "appointments@hospital.example",
    "TRUSTED_PROXIES": "1",
}


def start(**env):
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    return subprocess.run(
        [sys.executable, "manage.py", "diffsettings"],
        env=kept | env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("value", ["yes", "1", "true", "TRUE", ""])
def test_a_flag_is_true_or_false_to_the_letter(value):
    with pytest.raises(BadEnvironment, match="must be one of: True, False"):
        environment.flag("DEBUG", False, env={"DEBUG": value})


def test_a_secret_may_come_from_a_file_but_not_from_both(tmp_path):
    secret = tmp_path / "key"
    secret.write_text("from the file\n")
    assert environment.text("KEY", env={"KEY_FILE": str(secret)}) == "from the file"
    with pytest.raises(BadEnvironment, match="not both"):
        environment.text("KEY", env={"KEY_FILE": str(secret), "KEY": "x"})
    with pytest.raises(BadEnvironment, match="cannot be read"):
        environment.text("KEY", env={"KEY_FILE": str(tmp_path / "none")})


def test_only_postgresql_will_do():
    with pytest.raises(BadEnvironment, match="postgresql://"):
        environment.database("sqlite:///trial.db")


def test_a_database_address_is_taken_apart():
    parts = environment.database("postgresql://edc_app:p%40ss@db:5433/trialsite?sslmode=require")
    assert (parts["USER"], parts["PASSWORD"], parts["HOST"], parts["PORT"]) == (
        "edc_app",
        "p@ss",
        "db",
        "5433",
    )
    assert parts["OPTIONS"] == {"sslmode": "require"}


def test_production_starts_with_keys_of_its_own():
    done = start(TRIALSITE_ENV="prod", **OWN_KEYS)
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    for cookie in ("SESSION", "CSRF", "LANGUAGE"):
        assert any(one.startswith(f"{cookie}_COOKIE_SECURE = True") for one in told), cookie


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY is not set"),
        ({"MAIL_FROM": ""}, "MAIL_FROM is not set"),
        ({"TRUSTED_PROXIES": ""}, "TRUSTED_PROXIES is not set"),
        ({"WITNESS_FILE": ""}, "WITNESS_FILE is not set"),
        ({"DATA_KEYS": ""}, "DATA_KEYS is not set"),
        ({"DATA_KEYS": "short"}, "DATA_KEYS must hold keys of 32 bytes"),
        ({"INDEX_KEYS": "ZGVtby1rZXktZm9yLWJsaW5kLWluZGV4ZXMtMDAwMDA="}, "INDEX_KEYS is the demo's key"),
        ({"DEBUG": "True"}, "DEBUG must be False"),
        ({"SEQUENCE_KEY": "ZGVtby1rZXktZm9yLXRoZS1zZWFsZWQtbGlzdC0wMDA="}, "SEQUENCE_KEY is the demo's key"),
        ({"TRIALSITE_ENV": "production"}, "must be one of: demo, training, prod"),
        ({"PLAN_EVERY_SECONDS": "soon"}, "must be a whole number"),
    ],
)
def test_production_refuses_with_one_clear_sentence(change, sentence):
    done = start(**({"TRIALSITE_ENV": "prod"} | OWN_KEYS | change))
    assert done.returncode != 0
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
