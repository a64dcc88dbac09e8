"""
How a command ends: its exit statuses and the one exception that carries them.
"""

from __future__ import annotations

import enum


class Exit(enum.IntEnum):
    """The exit statuses, as ``consolegw --help`` tells them."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3


MEANINGS = {
    Exit.OK: "done",
    Exit.FAILED: "refused or failed; the reason is on the standard error",
    Exit.USAGE: "called wrongly, or a file it was called with cannot be used",
    Exit.UNREACHABLE: "the gateway cannot be reached, or its certificate is not trusted",
}


class Failed(Exception):
    """A command cannot do what it was asked; the text is for the user and names no secret."""

    def __init__(self, message: str, status: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.status = status
