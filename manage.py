#!/usr/bin/env python3
"""Run a management command of TrialSite."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trialsite.settings")
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    from trialsite.audit.context import Origin, coming_from
    from trialsite.environment import BadEnvironment

    try:
        # What a command writes is trailed as coming from it.
        with coming_from(Origin(application=f"command {' '.join(sys.argv[1:2])}".strip())):
            execute_from_command_line(sys.argv)
    except BadEnvironment as error:
        sys.exit(f"trialsite: {error}")
    except OperationalError as error:
        sys.exit(f"trialsite: The database does not answer ({str(error).strip()}). Is `make up` running?")
