"""The channel `sms`: a provider that takes JSON over HTTPS and keeps the key of each message.

What is asked of the provider (most have it under these or like names):

    POST SMS_URL           Idempotency-Key: KEY   {"to": "+86…", "text": "…", "sender": "…"}
    GET  SMS_URL/KEY       → 200 {"status": "accepted" | "delivered" | "rejected", "detail": "…"}, or 404: never taken

The same key sends one text, however often it is posted. So a broken line leaves nothing open: the provider is asked.
"""

import hashlib
import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Final

from django.conf import settings
from django.utils.translation import gettext_noop

from trialsite.core import outgoing
from trialsite.outbox.resolvers import Again, Failed, Report, Send, Sent, Uncertain

_ACCEPTED: Final = gettext_noop("accepted by the SMS provider")
_NOT_READY: Final = gettext_noop("no SMS provider is configured")
_NOT_A_NUMBER: Final = gettext_noop("the telephone number cannot be used")
_REFUSED: Final = gettext_noop("refused by the SMS provider")
_NOT_TAKEN: Final = gettext_noop("the SMS provider never had it")
# Answers after which the same key may be posted again: the provider is busy or broken.
_BUSY: Final = frozenset({408, 425, 429})
_MOST_BYTES: Final = 64 * 1024
_NUMBER: Final = re.compile(r"\+?[0-9]{3,15}")
_DIGITS: Final = re.compile(r"\+?\d[\d\s-]{4,}\d")


class NoAnswer(Exception):
    """The provider did not answer, or nothing that can be read. `reached`: it may have had the question."""

    def __init__(self, words: str, *, reached: bool) -> None:
        super().__init__(words)
        self.reached = reached


@dataclass(frozen=True)
class JsonProvider:
    """A provider at `url`, which settings have checked: https, or http to this machine. Proxies are not used."""

    url: str
    token: str
    sender: str
    timeout: float

    def post(self, key: str, to: str, text: str) -> tuple[int, Mapping[str, Any]]:
        """Hand a text over; (status, body) of the answer. Raises NoAnswer."""
        return self._ask(self.url, key, {"to": to, "text": text, "sender": self.sender})

    def get(self, key: str) -> tuple[int, Mapping[str, Any]]:
        """What became of `key`. Raises NoAnswer."""
        return self._ask(f"{self.url.rstrip('/')}/{key}", key, None)

    def _ask(self, url: str, key: str, body: Mapping[str, str] | None) -> tuple[int, Mapping[str, Any]]:
        request = urllib.request.Request(  # noqa: S310 -- the scheme is checked in the settings
            url,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                "Idempotency-Key": key,
            },
        )
        try:
            with outgoing.opener().open(request, timeout=self.timeout) as answer:
                return answer.status, _read(answer.read(_MOST_BYTES + 1))
        except outgoing.NotCalled as error:
            raise NoAnswer(str(error), reached=False) from error
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _read(error.read(_MOST_BYTES + 1))
        except urllib.error.URLError as error:
            # Raised while connecting and asking; only a refused connection says surely that nothing was handed over.
            reached = not isinstance(error.reason, ConnectionRefusedError)
            raise NoAnswer(f"{type(error.reason).__name__}", reached=reached) from error
        except (OSError, HTTPException) as error:
            raise NoAnswer(type(error).__name__, reached=True) from error


def _read(content: bytes) -> Mapping[str, Any]:
    """The JSON object of an answer; empty where it is none (the status speaks for itself)."""
    try:
        found = json.loads(content[:_MOST_BYTES])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def ready() -> bool:
    """Whether a provider is configured."""
    return bool(settings.SMS_URL)


def provider() -> JsonProvider:
    """The provider that the settings name."""
    return JsonProvider(settings.SMS_URL, settings.SMS_TOKEN, settings.SMS_SENDER, settings.SMS_TIMEOUT)


def provider_key(key: str) -> str:
    """What stands for a message at the provider: a digest, so that no number of a visit or person leaves."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def send(key: str, content: Send) -> Report:
    """Hand one text over and say what became of it. Raises nothing that a provider can cause."""
    to = re.sub(r"[\s()-]", "", content.to)
    if not ready():
        return Failed(_NOT_READY)
    if not _NUMBER.fullmatch(to):
        return Failed(_NOT_A_NUMBER)
    try:
        return _judge(*provider().post(provider_key(key), to, content.body), to)
    except NoAnswer as error:
        return fate(key) or Uncertain(str(error)) if error.reached else Again(str(error))


def fate(key: str) -> Report | None:
    """What the provider says of `key`: Again where it never had it, None where it does not say."""
    if not ready():
        return None
    try:
        status, body = provider().get(provider_key(key))
    except NoAnswer:
        return None
    if status == 404:
        return Again(_NOT_TAKEN)
    return _judge(status, body, "") if status == 200 else None


def _judge(status: int, body: Mapping[str, Any], to: str) -> Report:
    if status in (200, 201, 202):
        said = str(body.get("status", "accepted"))
        if said in ("accepted", "queued", "sent", "delivered"):
            return Sent(_ACCEPTED)
        return Failed(_words(status, body, to) if body.get("detail") else _REFUSED)
    if status in _BUSY or status >= 500:
        return Again(_words(status, body, to))
    return Failed(_words(status, body, to))


def _words(status: int, body: Mapping[str, Any], to: str) -> str:
    """A provider's answer that can be kept: no telephone number, no control characters, at most 300 characters."""
    said = " ".join(str(body.get("detail") or body.get("title") or "").split())
    printable = "".join(sign for sign in said if sign.isprintable())
    hidden = _DIGITS.sub("…", printable.replace(to, "…") if to else printable)
    return f"{status} {hidden}".strip()[:300]
