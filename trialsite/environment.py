"""Reads the process environment strictly: a wrong value is refused, never guessed.

Every variable NAME may instead be given as NAME_FILE, the path of a file that holds the value,
so that secrets need not stand in a process list or a compose file.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit


class BadEnvironment(Exception):
    """The environment holds a value that the program must not run with."""


def text(name: str, default: str | None = None, *, env: Mapping[str, str] = os.environ) -> str:
    """The value of NAME or the content of NAME_FILE; `default` where neither is set.

    Raises BadEnvironment when both are set, the file cannot be read, or there is no value and no default.
    """
    path = env.get(f"{name}_FILE")
    if path is not None:
        if name in env:
            raise BadEnvironment(f"Set {name} or {name}_FILE, not both.")
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise BadEnvironment(
                f"{name}_FILE names {path}, which cannot be read: {error.strerror}."
            ) from error
    value = env.get(name, default)
    if value is None or (value == "" and default is None):
        raise BadEnvironment(
            f"{name} is not set. Set {name}, or {name}_FILE to the path of a file that holds it."
        )
    return value


def choice(name: str, options: Sequence[str], default: str, *, env: Mapping[str, str] = os.environ) -> str:
    """One of `options`, to the letter."""
    value = text(name, default, env=env)
    if value not in options:
        raise BadEnvironment(f"{name} is {value!r}; it must be one of: {', '.join(options)}.")
    return value


def flag(name: str, default: bool, *, env: Mapping[str, str] = os.environ) -> bool:
    """Exactly True or False; anything else (yes, 1, true) is refused."""
    return choice(name, ("True", "False"), str(default), env=env) == "True"


def number(name: str, default: int | None, *, env: Mapping[str, str] = os.environ) -> int:
    """A whole number ≥ 0; with a default of None it must be given."""
    value = text(name, None if default is None else str(default), env=env)
    if not value.isdecimal():
        raise BadEnvironment(f"{name} is {value!r}; it must be a whole number.")
    return int(value)


def listing(name: str, default: str = "", *, env: Mapping[str, str] = os.environ) -> list[str]:
    """Parts between commas, blanks removed."""
    return [part.strip() for part in text(name, default, env=env).split(",") if part.strip()]


def database(url: str, **options: object) -> dict[str, object]:
    """Django's settings for a `postgresql://user:password@host:port/name?host=…&sslmode=…` address, with `options`."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres"):
        raise BadEnvironment("A database address must start with postgresql:// (no other database will do).")
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", parts.hostname or ""),
        "PORT": query.pop("port", str(parts.port or "")),
        "OPTIONS": query | options,
    }


def web_address(name: str, *, env: Mapping[str, str] = os.environ) -> str:
    """An https address, or http to this machine, without user, query or fragment; empty where NAME is not set."""
    value = text(name, "", env=env)
    if not value:
        return ""
    parts = urlsplit(value)
    here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and here)):
        raise BadEnvironment(f"{name} must start with https:// (http:// only to this machine).")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise BadEnvironment(
            f"{name} must hold neither a user nor a query; give the key in a variable of its own."
        )
    return value


def cache(url: str) -> str:
    """The address of the shared cache beside a broker's: the same server, its database with the next number."""
    parts = urlsplit(url)
    if parts.scheme == "redis+socket":
        return f"unix://{parts.path}?db=1"
    if parts.scheme not in ("redis", "rediss"):
        raise BadEnvironment("BROKER_URL (or CACHE_URL) must be redis://, rediss:// or redis+socket://.")
    number = parts.path.strip("/") or "0"
    if not number.isdecimal():
        raise BadEnvironment("The path of BROKER_URL (or CACHE_URL) must be the number of a database.")
    return parts._replace(path=f"/{int(number) + 1}").geturl()


def email(url: str) -> dict[str, object]:
    """Mail settings for `smtp://user:password@host:port`, `smtp+tls://…`, `smtps://…` or `file:///folder`."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return {
            "EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend",
            "EMAIL_FILE_PATH": parts.path,
        }
    if parts.scheme not in ("smtp", "smtp+tls", "smtps") or not parts.hostname:
        raise BadEnvironment(
            "EMAIL_URL must be smtp://, smtp+tls://, smtps:// with a host, or file:///folder."
        )
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or {"smtp": 25, "smtp+tls": 587, "smtps": 465}[parts.scheme],
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": parts.scheme == "smtp+tls",
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_TIMEOUT": 20,
    }
