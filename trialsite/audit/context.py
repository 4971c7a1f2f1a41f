"""Who acts, why and from where: bound to the transaction, read by the audit trigger and the row policies.

The binding is local to the transaction (`set_config(…, true)`), so a pooled connection never carries it on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Protocol

from django.db import connection, transaction
from django.utils.translation import gettext as _

from trialsite.core.errors import Invalid

# How the trail and the row policies name the token that a request came with: this and the beginning of its secret.
TOKEN_MARK: Final = "token:"  # noqa: S105 -- no secret


class Actor(Protocol):
    """Whoever acts: a person, a machine account or a named system user."""

    pk: int


@dataclass(frozen=True)
class Origin:
    """Where an action came from: `application` (web, api, worker, command), request id, address, session."""

    application: str = "command"
    request: str = ""
    address: str = ""
    session: str = ""


@dataclass(frozen=True)
class Binding:
    """What the transaction is bound to."""

    actor: str = ""
    reason: str = ""


_origin: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039 -- frozen
_binding: ContextVar[Binding] = ContextVar("binding", default=Binding())  # noqa: B039 -- frozen
# What the innermost block told the database, for as long as its transaction or savepoint lasts; and whether blocks
# inside stand or fall with it.
_told: ContextVar[tuple[Binding, Origin] | None] = ContextVar("told", default=None)
_whole: ContextVar[bool] = ContextVar("whole", default=False)


@contextmanager
def coming_from(origin: Origin) -> Iterator[None]:
    """Everything inside is recorded as coming from `origin`; bindings made inside end with the block."""
    origin_token, binding_token, told_token = _origin.set(origin), _binding.set(Binding()), _told.set(None)
    try:
        yield
    finally:
        _told.reset(told_token)
        _binding.reset(binding_token)
        _origin.reset(origin_token)


def present_origin() -> Origin:
    """Where what is being done now comes from."""
    return _origin.get()


def token_session() -> str:
    """The token that whoever acts came with, as the row policies read it, for work that goes on later; else empty."""
    session = present_origin().session
    return session if session.startswith(TOKEN_MARK) else ""


def present_settings(actor: Actor) -> dict[str, str]:
    """What a connection of its own must be given (transaction-local) to read as `actor`, from the present origin."""
    return _settings(Binding(str(actor.pk), _binding.get().reason))


def _settings(binding: Binding) -> dict[str, str]:
    origin = _origin.get()
    return {
        "edc.actor": binding.actor,
        "edc.reason": binding.reason,
        "edc.application": origin.application,
        "edc.request": origin.request,
        "edc.address": origin.address,
        "edc.session": origin.session,
    }


def _bind(binding: Binding) -> None:
    given = _settings(binding)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT " + ", ".join(f"set_config('{name}', %s, true)" for name in given), [*given.values()]
        )


@contextmanager
def acting(actor: Actor, *, reason: str = "", durable: bool = False) -> Iterator[None]:
    """A transaction (or savepoint) in which `actor` acts, for `reason`.

    With `durable` the transaction must be the outermost one: what it wrote is committed when the block ends. It stands
    or falls as a whole: blocks inside make no savepoints, and after an error in one of them nothing more is done.
    An enclosing binding is restored at the end, so a system actor's step inside a person's request stays apart.
    Raises Invalid for a reason that no column can hold.
    """
    if "\x00" in reason:
        raise Invalid(fields={"reason": [_("A reason consists of readable characters.")]})
    before = _binding.get()
    binding = Binding(str(actor.pk), reason or before.reason)
    told = (binding, _origin.get())
    # Not to be told again what it knows: nested services mostly act for the same person and reason.
    known = connection.in_atomic_block and _told.get() == told
    with transaction.atomic(durable=durable, savepoint=not _whole.get()):
        binding_token, told_token = _binding.set(binding), _told.set(told)
        whole_token = _whole.set(durable or _whole.get())
        try:
            if not known:
                _bind(binding)
            yield
        finally:
            _whole.reset(whole_token)
            _told.reset(told_token)
            _binding.reset(binding_token)
    if before.actor and before != binding and connection.in_atomic_block:
        _bind(before)


@contextmanager
def telling_once() -> Iterator[None]:
    """What `bind_request` tells inside is not told again by blocks within; to be left before the transaction ends."""
    token = _told.set(None)
    try:
        yield
    finally:
        _told.reset(token)


def bind_request(actor: Actor) -> None:
    """Bind an actor who was recognised in the midst of a request's transaction (token sign-in)."""
    binding = Binding(str(actor.pk), _binding.get().reason)
    _binding.set(binding)
    if connection.in_atomic_block:
        _bind(binding)
        _told.set((binding, _origin.get()))
