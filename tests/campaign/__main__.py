"""`make campaign`: each module of this package that has `main(minutes)`, or those that are named."""

import argparse
import os
import sys
from importlib import import_module
from typing import Final

import django

os.environ |= {"DJANGO_SETTINGS_MODULE": "trialsite.settings", "BROKER_URL": "memory://localhost"}
os.environ |= {"WITNESS_FILE": "", "CACHE_URL": "redis://127.0.0.1:1/0"}
django.setup()

CAMPAIGNS: Final = ("randomization", "messages", "windows", "exports", "isolation", "mutations", "interface")


def main() -> int:
    """Run the campaigns; the exit code is 1 where one of them found something."""
    asked = argparse.ArgumentParser(prog="make campaign")
    asked.add_argument("names", nargs="*", help=f"of {', '.join(CAMPAIGNS)}; default: all")
    asked.add_argument("--minutes", type=float, default=10)
    asked.add_argument("--seed", type=int, help="of the first run, where a campaign takes one")
    given = asked.parse_args()
    seed = {} if given.seed is None else {"seed": given.seed}
    mains = [import_module(f"tests.campaign.{name}").main for name in given.names or CAMPAIGNS]
    found = [main(given.minutes, **seed) for main in mains]
    return 1 if any(found) else 0


sys.exit(main())
