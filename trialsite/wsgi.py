"""The WSGI application that gunicorn serves. It does not start where something lacks a capability, over a database that
no longer guards the truth, or with a sender of messages that would tell what participants' messages must not tell.
"""

import os
import sys

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trialsite.settings")
application = get_wsgi_application()

from django.core.checks import run_checks  # noqa: E402 -- needs the settings

from trialsite.audit import posture  # noqa: E402 -- needs the settings
from trialsite.protocol import discretion  # noqa: E402 -- needs the settings

if wrong := [str(found) for found in run_checks() if found.is_serious()]:
    sys.exit("trialsite: " + "\n".join(wrong))
if (found := posture.ready()) != "ok":
    sys.exit(f"trialsite: the database is not fit to be served from: {found}")
if (found := discretion.ready()) != "ok":
    sys.exit(f"trialsite: the senders of messages are not fit for participants: {found}")
