"""One error root. What a person or a program may do wrong is a DomainError; anything else is a defect.

`message` is written for the person at the screen and is translated; `code` is for programs and never changes;
`status` is the HTTP answer. `fields` names the inputs at fault, each with its own sentences.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _


@runtime_checkable
class Worded(Protocol):
    """A text that knows its sentence in each language."""

    def to(self, language: str) -> str:
        """The sentence in `language`."""


class DomainError(Exception):
    """An action that the rules refuse."""

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 400
    message: ClassVar[str | Promise] = _("This is not possible.")
    # Seconds after which the same request may succeed; 0 where waiting does not help.
    retry_after: ClassVar[int] = 0

    def __init__(self, *, fields: Mapping[str, Sequence[str | Promise]] | None = None, **params: Any) -> None:
        super().__init__(params)
        self.params = params
        self._fields = fields or {}

    @property
    def fields(self) -> dict[str, list[str]]:
        """Each input at fault with its sentences, in the reader's language where they are not worded yet."""
        return {name: [str(text) for text in texts] for name, texts in self._fields.items()}

    def __str__(self) -> str:
        # The name of a form, and whatever else is worded in each language, in the reader's.
        language = get_language() or "en"
        told = {
            name: value.to(language) if isinstance(value, Worded) else value
            for name, value in self.params.items()
        }
        return str(self.message).format(**told)

    def problem(self) -> dict[str, Any]:
        """The refusal as a problem of RFC 9457."""
        return problem(self.code, self.status, str(self), self.fields)


def problem(code: str, status: int, title: str, fields: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The body of problem+json (RFC 9457)."""
    body: dict[str, Any] = {
        "type": f"urn:trialsite:error:{code}",
        "title": title,
        "status": status,
        "code": code,
    }
    return body | ({"fields": fields} if fields else {})


class Invalid(DomainError):
    """An input has the wrong type, unit, range or is missing; `fields` says which."""

    code = "invalid"
    status = 422
    message = _("Some of what was entered cannot be accepted.")


class NotFound(DomainError):
    """The object does not exist, or the actor may not know that it does: the same answer."""

    code = "not_found"
    status = 404
    message = _("Not found.")


class Forbidden(DomainError):
    """The actor's roles do not include the capability that this action needs."""

    code = "forbidden"
    status = 403
    message = _("Your role does not permit this.")


class Conflict(DomainError):
    """Someone else was faster, or the same request came with other content."""

    code = "conflict"
    status = 409
    message = _("This contradicts what is already recorded.")


class OutOfOrder(DomainError):
    """A step whose predecessor is missing, or that is already past."""

    code = "out_of_order"
    status = 409
    message = _("This step is not possible at this point.")


class Unavailable(DomainError):
    """A part that the action needs is paused or not configured."""

    code = "unavailable"
    status = 503
    message = _("This is not available at the moment.")
