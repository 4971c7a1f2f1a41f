"""The WSGI application that gunicorn serves. It does not start where it is not fit to serve."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trialsite.settings")
application = get_wsgi_application()

from trialsite import fitness  # noqa: E402 -- needs the settings

fitness.require()
