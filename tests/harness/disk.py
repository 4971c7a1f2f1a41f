"""A small disk of the harness's own, which can be filled; where it cannot be had, that is said loudly."""

import contextlib
import os
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path

SIZE = 700 * 1024 * 1024


class NoSmallDisk(UserWarning):
    """Mounting a small file system is not permitted here: the fault `disk full` is left out."""


class Disk:
    """A folder on a file system of SIZE bytes. `folder` is where a cluster may live."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Take every byte that is left."""
        handle = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            # In ever smaller pieces, since the server writes meanwhile.
            for piece in (1 << 24, 1 << 20, 1 << 12):
                with contextlib.suppress(OSError):
                    while os.write(handle, bytes(piece)):
                        pass
        finally:
            os.close(handle)

    def is_full(self) -> bool:
        """Whether no block is left."""
        return os.statvfs(self.folder).f_bavail == 0

    def free(self) -> None:
        """Give it back."""
        self._ballast.unlink(missing_ok=True)


@contextlib.contextmanager
def small(folder: Path) -> Iterator[Disk | None]:
    """A tmpfs on `folder`/disk, or None where nobody may mount one."""
    place = folder / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(place)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        why = done.stderr.strip() if done.returncode else ""
    except OSError as error:
        why = str(error)
    if why:
        warnings.warn(f"disk full is LEFT OUT: {why}", NoSmallDisk, stacklevel=2)
        print(f"disk full is LEFT OUT: no small file system can be mounted here ({why})", flush=True)
        yield None
        return
    try:
        yield Disk(place)
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)
