"""The WSGI application that gunicorn serves. It does not start where something lacks a capability, or over a database
that no longer guards the truth.
"""

import os
import sys

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trialsite.settings")
application = get_wsgi_application()

from django.core.checks import run_checks  # noqa: E402 -- needs the settings

from trialsite.audit import posture  # noqa: E402 -- needs the settings

if wrong := [str(found) for found in run_checks() if found.is_serious()]:
    sys.exit("trialsite: " + "\n".join(wrong))
if (found := posture.ready()) != "ok":
    sys.exit(f"trialsite: the database is not fit to be served from: {found}")
