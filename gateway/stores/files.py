"""
Files that nobody else may read, made whole or not at all.

Used for the database and for the sealing keys; nothing else touches files.
"""

from __future__ import annotations

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
