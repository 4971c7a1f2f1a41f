"""What every serving process asks before it serves: the web server, the worker and beat alike."""

import sys

from django.core.checks import run_checks
from django.db import connections

from trialsite.audit import posture
from trialsite.protocol import discretion


def require() -> None:
    """End the process with a sentence where it must not serve; leaves no connection open for those it forks.

    It must not where something lacks a capability, over a database that no longer guards the truth, or with a sender of
    messages that would tell what participants' messages must not tell.
    """
    if wrong := [str(found) for found in run_checks() if found.is_serious()]:
        sys.exit("trialsite: " + "\n".join(wrong))
    if (found := posture.ready()) != "ok":
        sys.exit(
            f"trialsite: the database is not fit to be served from: {found}"
            " (expected is trialsite/audit/guards.txt; after a new migration write it anew by `make guards`)"
        )
    if (found := discretion.ready()) != "ok":
        sys.exit(f"trialsite: the senders of messages are not fit for participants: {found}")
    connections.close_all()
