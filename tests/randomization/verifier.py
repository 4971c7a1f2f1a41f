"""The stand-alone verifier, loaded from its file as the statistician would run it."""

import importlib.util
from pathlib import Path
from typing import Any

PATH = Path(__file__).resolve().parents[2] / "docs" / "tools" / "verify_trial.py"


def load() -> Any:
    """The module of docs/tools/verify_trial.py."""
    found = importlib.util.spec_from_file_location("verify_trial", PATH)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module
