"""Makes mutants and tries them; run by its path within the copy of the sources that `tests.mutation` makes.

mutmut changes the sources and finds which tests reach which function. The tests are then collected once, and a process
is forked for each mutant, in which the tests that reach it run up to the first failure: those first that noticed others
of the same function, then the quickest.
"""

import json
import os
import random
import resource
import sys
from pathlib import Path
from typing import Any

import pytest
from mutmut.__main__ import collect_or_load_stats, create_mutants
from mutmut.configuration import config
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.file_utils import change_cwd, copy_also_copy_files, copy_src_dir, setup_source_paths
from mutmut.utils.format_utils import mangled_name_from_mutant_name
from mutmut.workers.isolation import get_mutant_runner

FOLDER = Path.cwd()


class Trial:
    """A plugin of pytest that runs the collected tests on every mutant in turn; `found` is (mutant) → exit code.

    With `sample` on so many of them, drawn at random; always the same ones.
    """

    def __init__(self, children: int, sample: int | None) -> None:
        self.children, self.sample = children, sample
        self.found: dict[str, int] = {}
        # By function: the tests that noticed a mutant of it.
        self.noticed: dict[str, list[str]] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Nothing runs in this process."""
        items = {item.nodeid: item for item in session.items}
        if self._run(session, items, "", list(items)) != 0:
            raise pytest.UsageError("the tests fail without a mutant")
        running: dict[int, str] = {}
        mutants = _mutants()
        if self.sample is not None:
            mutants = random.Random(0).sample(mutants, min(self.sample, len(mutants)))
        for number, mutant in enumerate(mutants, start=1):
            reached = state().tests_by_mangled_function_name.get(mangled_name_from_mutant_name(mutant), set())
            if not reached & set(items):
                self.found[mutant] = 33
                continue
            while len(running) >= self.children:
                self._reap(running)
            running[self._forked(session, items, mutant, sorted(reached & set(items)))] = mutant
            if number % 20 == 0:
                print(f"{number} of {len(mutants)}", flush=True)
        while running:
            self._reap(running)
        return True

    def _reap(self, running: dict[int, str]) -> None:
        pid, status = os.wait()
        mutant = running.pop(pid)
        self.found[mutant] = os.waitstatus_to_exitcode(status)
        if (said := _said(pid)).exists():
            self.noticed.setdefault(mangled_name_from_mutant_name(mutant), []).append(said.read_text())
            said.unlink()
        (FOLDER / "outcomes.json").write_text(json.dumps(self.found, indent=1), encoding="utf-8")

    def _run(self, session: pytest.Session, items: dict[str, Any], mutant: str, names: list[str]) -> int:
        _, status = os.waitpid(self._forked(session, items, mutant, names), 0)
        return os.waitstatus_to_exitcode(status)

    def _forked(self, session: pytest.Session, items: dict[str, Any], mutant: str, names: list[str]) -> int:
        pid = os.fork()
        if pid:
            return pid
        set_mutant_under_test(mutant)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        took = {name: state().duration_by_test.get(name, 1.0) for name in names}
        used = resource.getrusage(resource.RUSAGE_SELF)
        # A mutant that never ends is stopped by the kernel.
        limit = int(used.ru_utime + used.ru_stime + 10 + 4 * sum(took.values()))
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
        before = self.noticed.get(mangled_name_from_mutant_name(mutant), []) if mutant else []
        chosen = [items[name] for name in sorted(names, key=lambda name: (-before.count(name), took[name]))]
        for item, following in zip(chosen, [*chosen[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed:
                _said(os.getpid()).write_text(item.nodeid)
                os._exit(1)
        os._exit(0)


def _said(pid: int) -> Path:
    """Where the process tells which test noticed its mutant."""
    return FOLDER / f"noticed-{pid}"


def _mutants() -> list[str]:
    return [
        name
        for file in sorted((FOLDER / "mutants").rglob("*.meta"))
        for name in json.loads(file.read_text(encoding="utf-8"))["exit_code_by_key"]
    ]


def main(children: int, sample: int | None) -> int:
    """Make the mutants, learn which tests reach them, try each, or `sample` of them."""
    set_mutant_under_test("mutant_generation")
    (FOLDER / "mutants").mkdir()
    copy_src_dir()
    copy_also_copy_files()
    setup_source_paths()
    create_mutants(children)
    collect_or_load_stats(get_mutant_runner(children), mutants_caught_by_type_checker={})
    set_mutant_under_test("")
    given = config()
    with change_cwd("mutants"):
        return pytest.main(
            ["-q", *given.pytest_add_cli_args, *given.pytest_add_cli_args_test_selection],
            plugins=[Trial(children, sample)],
        )


if __name__ == "__main__":
    # What is imported as `tests` is the copy among the mutants, never this file's neighbours.
    sys.path.pop(0)
    sys.path.insert(0, "")
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None))
