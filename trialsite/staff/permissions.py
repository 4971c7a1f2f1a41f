"""How the HTTP faces ask the permission file."""

from typing import Any, cast

from django.utils.translation import gettext
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from trialsite.audit.context import bind_request
from trialsite.staff.access import has
from trialsite.staff.capabilities import PUBLIC
from trialsite.staff.models import Token, User
from trialsite.staff.tokens import note_beyond, note_dead, opened_by, record_use


def actor_of(request: Request) -> User:
    """Whoever sends this request; views that a capability guards are reached by accounts only."""
    return cast(User, request.user)


class HasCapability(BasePermission):
    """Asks for the capability that the view declares; a view that declares none is closed.

    Whether the actor holds it *at this hospital* is asked again by the service, and by the row policy.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        declared = getattr(view, "needed", None)
        if declared is None:
            return False
        capability = declared(getattr(view, "action", None), request.method or "")
        if request.method == "OPTIONS" and not capability:
            return bool(request.user and request.user.is_authenticated)
        if capability == PUBLIC:
            return True
        if bool(capability) and has(request.user, capability):
            return True
        if capability and request.user.pk:
            note_beyond(request.user, capability)
        return False


class Tokens(TokenAuthentication):  # type: ignore[misc]
    """A program's token in `Authorization: Token …`; binds its user to the request's transaction."""

    def authenticate_credentials(self, token: bytes) -> tuple[User, Token]:
        """Dead tokens are refused but kept: who held one stays known."""
        key = opened_by(token)
        if key is None:
            note_dead(token)
            raise AuthenticationFailed(gettext("Invalid token."))
        user = key.user
        user.token = key
        bind_request(user)
        record_use(key)
        return user, key


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI description names `Tokens`."""

    target_class = Tokens
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Token`, a space, and the secret that was shown when the token was made.",
        }
