"""Whether a database was already prepared by exactly this version of the code."""

import hashlib
from pathlib import Path

# What `prepare_database` brings into the database comes from these files.
_SOURCES = (
    "**/migrations/*.py",
    "**/management/commands/*.py",
    "trialsite/staff/capabilities.py",
    "protocols/**/*",
    "uv.lock",
)
_SKIPPED = {".venv", "var", "__pycache__"}


def fingerprint(repository: Path) -> str:
    """SHA-256 in hex over the names and contents of all files that decide what a prepared database holds."""
    digest = hashlib.sha256()
    for path in sorted({found for pattern in _sources(repository) for found in pattern}):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(repository)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _sources(repository: Path) -> list[list[Path]]:
    rooms = [child for child in sorted(repository.iterdir()) if child.is_dir() and child.name not in _SKIPPED]
    return [
        [
            path
            for root in ([repository] if not pattern.startswith("**") else rooms)
            for path in root.glob(pattern)
            if path.is_file() and not _SKIPPED & set(path.relative_to(repository).parts)
        ]
        for pattern in _SOURCES
    ]
