"""
Files that nobody else may read, made whole or not at all, and locks on them.

Used for the database and for the sealing keys; nothing else touches files.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def create_privately(path: Path, fill: Callable[[Path], None]) -> bool:
    """
    Make a file of mode 0600 unless there is one; whether this call made it.

    It is filled under another name and then linked to its own: whoever looks
    sees the whole file or none, and of two processes that start together one
    makes it and the other uses it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    draft = Path(name)
    try:
        fill(draft)
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


class FileLock:
    """
    The right to be the only process that uses something: held until released, or until the process ends.

    It goes along when a daemon forks itself away.

    :raises ValueError: another process has it.
    :raises OSError: the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise ValueError(f"{path.parent}: used by another running gateway (it has locked {path.name})") from error

    def release(self) -> None:
        """Let others have it; once is enough."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
