"""
Signals about sessions within one process.

Shared by the directories that have no way to reach another node: between
processes only a directory with a server of its own (Redis) carries them.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

from gateway.model.session import Ending, Word

_log = Logger()

Watcher = Callable[[str, Word, Ending | None], None]


class LocalSignals:
    """
    The half of a directory that tells: whoever watches in this process is called.

    Watchers are called within :meth:`signal`, in the order in which they came;
    one that fails is logged and keeps nobody else from hearing.
    """

    def __init__(self) -> None:
        self._watchers: list[Watcher] = []

    def watch(self, callback: Watcher) -> None:
        """Be told the signals."""
        self._watchers.append(callback)

    async def signal(self, session: str, word: Word, ending: Ending | None = None) -> None:
        """Tell the node that has the session, if it is this one."""
        for watcher in tuple(self._watchers):
            try:
                watcher(session, word, ending)
            except Exception:
                _log.failure("A watcher of signals failed at session {session}", session=session)
