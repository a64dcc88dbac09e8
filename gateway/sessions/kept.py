"""
An upstream that waits for its client to come back.

For kinds whose bytes can simply go on with another client; how long it waits
is the session's business.
"""

from __future__ import annotations

from gateway.model.seams import Upstream
from gateway.model.session import Closing, Ending


class Kept:
    """At most one upstream, paused; its loss is noted when it is read on."""

    def __init__(self) -> None:
        self._upstream: Upstream | None = None

    def put(self, upstream: Upstream) -> None:
        """Keep this one; another that was kept is closed."""
        self.drop()
        self._upstream = upstream
        upstream.pipe.start(self)
        upstream.pipe.pause()

    def take(self) -> Upstream | None:
        """Give it up to whoever goes on with it."""
        upstream, self._upstream = self._upstream, None
        return upstream

    def drop(self) -> None:
        """Close it; what it was sent still gets there."""
        if (upstream := self.take()) is not None:
            upstream.pipe.close(Closing.of(Ending.FINISHED))

    # The receiver's side: there is nobody to hand anything to.

    def pipe_data(self, data: bytes) -> None:
        """Nothing is delivered while the pipe is paused."""

    def pipe_ended(self) -> None:
        """The machine hung up."""
        self.drop()

    def pipe_lost(self, goodbye: bool) -> None:
        """It is gone."""
        self._upstream = None

    def pipe_full(self) -> None:
        """Nothing is sent to it."""

    def pipe_drained(self) -> None:
        """Nothing was held back from it."""
