"""
Stands between a client and a server, and knows where both directions are.

The tracker walks the boundaries of messages and rectangles and lets the bytes
go on as they came, but for what must change: the server's name, the client's
encodings, and what the rights do not cover.  It decodes no picture.
"""

from __future__ import annotations

from gateway.wire.rfb import rules, server_messages
from gateway.wire.rfb.agreed import Agreed, Held, Rights
from gateway.wire.rfb.formats import Formats
from gateway.wire.rfb.passage import Passage
from gateway.wire.rfb.pixels import PixelFormat, ServerInit

__all__ = ["Rights", "Tracker"]


class Tracker:
    """
    One session after its handshake: give it each side's bytes, send on what it returns.

    :param init: what the server sent; send the client ``init.pack(name)``.
    :param name: how the client sees the desktop named.
    :param rights: what the client may do.
    """

    def __init__(self, init: ServerInit, name: str, rights: Rights) -> None:
        self._agreed = agreed = Agreed(init.width, init.height, Formats(init.format), rights, name.encode())
        self._up = Passage(lambda passage: rules.walk(passage, agreed))
        self._down = Passage(lambda passage: server_messages.walk(passage, agreed))

    def from_client(self, data: bytes) -> bytes:
        """
        Take what the client sent; return what goes to the server.

        :raise PeerError: the client broke the protocol, or went beyond the allow-list.
        """
        return self._up.pump(data)

    def from_server(self, data: bytes) -> bytes:
        """
        Take what the server sent; return what goes to the client: ``data`` itself where nothing changes.

        :raise PeerError: the server broke the protocol, or sent what nobody can frame.
        """
        return self._down.pump(data)

    @property
    def at_boundary(self) -> bool:
        """Whether the client has no part of a server's message without the rest."""
        return not self._down.under_way

    @property
    def rectangles_owed(self) -> int:
        """Rectangles of the update under way whose headers the client does not have."""
        return self._agreed.rectangles_owed

    @property
    def format(self) -> PixelFormat:
        """The format of the server's next rectangle."""
        return self._agreed.formats.current

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the screen."""
        return self._agreed.width, self._agreed.height

    @property
    def encodings(self) -> tuple[int, ...]:
        """What the server was told that the client takes."""
        return self._agreed.encodings

    @property
    def held(self) -> Held:
        """Keys and buttons that are down at the server."""
        return self._agreed.held
