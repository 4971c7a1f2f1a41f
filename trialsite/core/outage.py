"""The answer while the database is not there, or a lock is not free: 503 with Retry-After, as a page or as a problem.

Only what waiting can mend is told so; every other failure stays a defect, answered 500 and logged as such. Whether a
COMMIT that was under way has gone through is not known here: the sentence says so, and a repetition finds it out.
Class and codes: PostgreSQL documentation, appendix A.
"""

import logging
import sys
from typing import Final

import psycopg
from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext_lazy as _
from django.views.defaults import server_error

from trialsite.core.errors import Unavailable

# Connection lost (08), out of disk, memory or connections (53), disk failing (58); shutting down or starting (57P0x).
_CLASSES: Final = ("08", "53", "58")
_DOWN: Final = ("57P01", "57P02", "57P03")
_BUSY: Final = ("40001", "40P01", "55P03")
log = logging.getLogger(__name__)


class DatabaseUnreachable(Unavailable):
    """The database does not answer, or the connection to it was lost."""

    code = "database_unreachable"
    message = _(
        "The database does not answer at this moment. Whether your last action was stored is not certain: look"
        " again before you repeat it. A program repeats the same request with the same key."
    )
    retry_after = 5


class DatabaseBusy(Unavailable):
    """A lock was not free in time, or two requests stood in each other's way. Nothing was stored."""

    code = "database_busy"
    message = _("Others are changing the same at this moment. Nothing was stored; try again.")
    retry_after = 2


def told(error: BaseException | None) -> Unavailable | None:
    """What waiting can mend, as the refusal to answer; None for a defect.

    After a lost connection Django fails once more while it tidies up; the cause stands further down the chain.
    """
    while isinstance(error, Error | psycopg.Error):
        if isinstance(error, psycopg.OperationalError):
            state = error.sqlstate or ""
            if state in _BUSY:
                return DatabaseBusy()
            if not state or state.startswith(_CLASSES) or state in _DOWN:
                return DatabaseUnreachable()
            return None
        error = error.__cause__ or error.__context__
    return None


def handler500(request: HttpRequest) -> HttpResponse:
    """Django's last resort, called within the failure: also for those of middleware, where no view was reached."""
    refusal = told(sys.exc_info()[1])
    if refusal is None:
        return server_error(request)
    log.warning("no answer from the database", extra={"code": refusal.code})
    response: HttpResponse
    if request.path.startswith("/api/"):
        response = JsonResponse(refusal.problem(), content_type="application/problem+json")
    else:
        response = HttpResponse(render_to_string("503.html", {"refusal": refusal}))
    response.status_code = refusal.status
    response["Retry-After"] = str(refusal.retry_after)
    response["Cache-Control"] = "no-store"
    return response
