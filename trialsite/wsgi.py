"""The WSGI application that gunicorn serves. It does not start where it is not fit to serve."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trialsite.settings")
application = get_wsgi_application()

from trialsite import fitness  # noqa: E402 -- needs the settings

fitness.require()

# What is loaded by now lives as long as the process, and the processes that are forked from it share it: to look for
# garbage in it would write to it, and hold a single answer up by a tenth of a second.
gc.collect()
gc.freeze()
