"""The Celery application of worker and beat."""

import logging.config
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trialsite.settings")
app = Celery("trialsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def log_like_the_web(**_: Any) -> None:
    """Worker and beat write the same lines as the web server."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)
