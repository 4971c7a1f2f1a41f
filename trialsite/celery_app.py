"""The Celery application of worker and beat."""

import logging.config
import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, setup_logging, worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trialsite.settings")
app = Celery("trialsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def log_like_the_web(**_: Any) -> None:
    """Worker and beat write the same lines as the web server."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)


@worker_init.connect
@beat_init.connect
def start_only_when_fit(**_: Any) -> None:
    """Worker and beat refuse to start for the same reasons as the web server."""
    from trialsite import fitness

    try:
        fitness.require()
    except Exception as error:
        # Celery would log it and start nevertheless.
        raise SystemExit(f"trialsite: whether this is fit to serve cannot be told: {error!r}") from error
