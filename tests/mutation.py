"""`make mutation`: how many small errors in rules and in the allocation service the tests find (mutmut).

Each part works on a copy of the sources in var/mutation/PART, where `python -m mutmut show NAME` shows a survivor.
Hypothesis runs without deadlines and with the same examples each time, so that a slow machine finds nothing by being
slow. Exit code 1 below LEAST.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
LEAST: Final = 0.9
ROOMS: Final = ("trialsite", "eligibility", "randomization", "visits")
COPIED: Final = (*ROOMS, "tests", "protocols", "locale", "docs", "manage.py", "pyproject.toml")
# Exit codes: a test failed; the kernel stopped it over its time of processor.
KILLED: Final = 1
TIMEOUT: Final = frozenset({-signal.SIGXCPU, -signal.SIGKILL})


@dataclass(frozen=True)
class Part:
    """The files that are changed, the tests that ought to notice, and whether these need a database."""

    mutated: tuple[str, ...]
    tests: tuple[str, ...]
    database: bool = False


SETS: Final = {
    "eligibility": {
        "eligibility-rules": Part(
            ("eligibility/rules.py", "trialsite/protocol/expression/*.py"),
            tuple(
                f"tests/eligibility/test_{name}.py"
                for name in ("explaining", "expression", "properties", "readings", "second_protocol")
            ),
        ),
    },
    "randomization": {
        "randomization-rules": Part(
            ("randomization/rules/*.py",),
            tuple(
                f"tests/randomization/test_{name}.py"
                for name in (
                    "specification",
                    "reading",
                    "format_document",
                    "sealing",
                    "minimisation",
                    "exact",
                    "generator",
                )
            ),
        ),
        "allocation-service": Part(
            ("randomization/services.py", "randomization/opening.py"),
            tuple(
                f"tests/randomization/test_{name}.py"
                for name in (
                    "allocation",
                    "continuity",
                    "envelopes",
                    "envelope_refusals",
                    "installing",
                    "life_of_the_list",
                    "minimised_trial",
                )
            ),
            database=True,
        ),
    },
}


def prepared(name: str, part: Part) -> Path:
    """A fresh copy of the sources, with mutmut's configuration."""
    folder = ROOT / "var" / "mutation" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for entry in COPIED:
        if (ROOT / entry).is_dir():
            shutil.copytree(ROOT / entry, folder / entry, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / entry, folder / entry)
    said: dict[str, tuple[str, ...]] = {
        "source_paths": ROOMS,
        "only_mutate": part.mutated,
        "also_copy": tuple(entry for entry in COPIED if entry not in ROOMS),
        "pytest_add_cli_args_test_selection": part.tests,
        "pytest_add_cli_args": ("-p no:cacheprovider", "--hypothesis-profile=ci"),
    }
    lines = [
        "[mutmut]",
        "use_git_change_detection = false",
        "use_setproctitle = false",
        "timeout_multiplier = 4.0",
    ]
    for key, values in said.items():
        lines += [f"{key} =", *(f"    {word}" for value in values for word in value.split(" "))]
    (folder / "setup.cfg").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def measured(name: str, part: Part, children: int, sample: int | None) -> float:
    """The share of mutants that the tests notice, of all or of a `sample`; prints it with the survivors."""
    folder = prepared(name, part)
    with contextlib.ExitStack() as stack:
        environ = dict(os.environ)
        if part.database:
            from tests.conftest import shared_cluster

            environ |= stack.enter_context(shared_cluster())
        told = stack.enter_context((folder / "log").open("w", encoding="utf-8"))
        command = [sys.executable, "tests/mutants.py", str(children)]
        if sample is not None:
            command.append(str(sample))
        print(f"{name}: {told.name} tells how far it is", flush=True)
        if subprocess.run(command, cwd=folder, env=environ, stdout=told, stderr=told, check=False).returncode:
            raise SystemExit(f"{name}: not tried to the end; see {told.name}")
    found: dict[str, int] = json.loads((folder / "outcomes.json").read_text(encoding="utf-8"))
    kinds = Counter(
        "killed" if code == KILLED else "timed out" if code in TIMEOUT else "survived"
        for code in found.values()
    )
    score = 1 - kinds["survived"] / len(found)
    print(
        f"{name}: {score:.1%} of {len(found)} mutants found ({', '.join(f'{n} {k}' for k, n in kinds.items())})"
    )
    for mutant, code in sorted(found.items()):
        if code != KILLED and code not in TIMEOUT:
            print(f"  survived: {mutant}")
    return score


def main() -> int:
    """The exit code is 1 where a part stays below LEAST."""
    asked = argparse.ArgumentParser(prog="make mutation")
    asked.add_argument("names", nargs="*", choices=[*SETS, []], help="default: all")
    asked.add_argument("--part", help="one part of a set alone")
    asked.add_argument("--children", type=int, default=2)
    asked.add_argument("--sample", type=int, help="so many mutants of each part, drawn at random")
    given = asked.parse_args()
    parts = {name: part for chosen in given.names or SETS for name, part in SETS[chosen].items()}
    if given.part:
        parts = {given.part: parts[given.part]}
    scores = [measured(name, part, given.children, given.sample) for name, part in parts.items()]
    return 1 if min(scores) < LEAST else 0


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trialsite.settings")
    sys.exit(main())
