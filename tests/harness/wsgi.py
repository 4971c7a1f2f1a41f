"""The application of a harness's server: the real one, whose clock a file may step. Never imported elsewhere."""

import datetime as dt
import os
from pathlib import Path

from trialsite.core import clock
from trialsite.wsgi import application as application

_STEP = Path(os.environ["HARNESS_STEP"])


def _stepped() -> dt.datetime:
    try:
        seconds = float(_STEP.read_text())
    except (OSError, ValueError):
        seconds = 0.0
    return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)


clock.now = _stepped
