"""How many requests a minute the API answers: 429 with Retry-After beyond that, bulk endpoints spared."""

import logging
from typing import Any

from django.conf import settings
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from trialsite.staff import limits

log = logging.getLogger(__name__)


class RequestsPerMinute(BaseThrottle):
    """Counts by token, else by person, else by address. A view with `bulk = True` is not counted.

    Where the counting server does not answer, requests pass: a limit on the API protects from haste, not from guessing.
    """

    seconds_left = 60

    def allow_request(self, request: Request, view: Any) -> bool:
        if getattr(view, "bulk", False):
            return True
        try:
            tries, self.seconds_left = limits.count("api", self._whose(request), window=60)
        except RedisError:
            log.warning("requests are not counted: the cache does not answer")
            return True
        return tries <= settings.API_REQUESTS_PER_MINUTE

    def wait(self) -> float:
        return self.seconds_left

    def _whose(self, request: Request) -> str:
        token = getattr(request.user, "token", None)
        if token is not None:
            return f"token:{token.token_key}"
        if request.user.pk:
            return f"user:{request.user.pk}"
        return f"address:{self.get_ident(request)}"
