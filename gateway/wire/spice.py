"""
How a SPICE connection begins, in both roles, up to the result of its link (spice-protocol; docs/wire/spice.md).

Dialogues for ``gateway.wire.reader.Dialogue``.  What channels say afterwards
is opaque, and no cryptography lives here: whoever holds the keys passes
functions in.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from struct import Struct
from typing import Final

import attrs

from gateway.wire.errors import LocalError, PeerError
from gateway.wire.reader import Need, Reader, Steps

MAX_MESSAGE: Final = 4096
"""Largest link message or reply in bytes: they have about 26 and 186, and servers refuse longer messages, too."""

MAX_WORDS: Final = 32
"""Most words of capabilities of one sort: one is in use."""

MAX_PASSWORD: Final = 60
"""Longest password in bytes: clients do not send a longer one, but ask for it again."""

PUBLIC_KEY_LENGTH: Final = 162
"""Of an RSA key of 1024 bits with the exponent 65537, as SubjectPublicKeyInfo in DER."""

TICKET_LENGTH: Final = 128
"""Of the password, encrypted under that key with OAEP and SHA-1."""

_HEADER: Final = Struct("<4sIII")  # magic, major, minor, size of what follows; all of SPICE is little-endian
_MESSAGE: Final = Struct("<IBBIII")  # connection id, channel type and id, words of either sort, their offset
_REPLY: Final = Struct(f"<I{PUBLIC_KEY_LENGTH}sIII")  # error, key, words of either sort, their offset
_U32: Final = Struct("<I")
_MAGIC: Final = b"REDQ"
_MAJOR, _MINOR = 2, 2
_MECHANISM: Final = 1  # a password under RSA; 2 is SASL


class Channel(enum.IntEnum):
    """What a connection is for."""

    MAIN = 1
    DISPLAY = 2
    INPUTS = 3
    CURSOR = 4
    PLAYBACK = 5
    RECORD = 6
    TUNNEL = 7
    SMARTCARD = 8
    USBREDIR = 9
    PORT = 10
    WEBDAV = 11


class LinkError(enum.IntEnum):
    """How a link comes out, in a reply or as its result."""

    OK = 0
    ERROR = 1
    INVALID_MAGIC = 2
    INVALID_DATA = 3
    VERSION_MISMATCH = 4
    NEED_SECURED = 5
    NEED_UNSECURED = 6
    PERMISSION_DENIED = 7
    BAD_CONNECTION_ID = 8
    CHANNEL_NOT_AVAILABLE = 9


class Common(enum.IntFlag):
    """The capabilities that every channel has."""

    AUTH_SELECTION = 1
    AUTH_SPICE = 2
    AUTH_SASL = 4
    MINI_HEADER = 8


# A number: a flag, inverted, would lose the bits that have no name.
_AUTH: Final = int(Common.AUTH_SELECTION | Common.AUTH_SPICE | Common.AUTH_SASL)


@attrs.frozen
class Caps:
    """What one side can do: the words of either sort as one number."""

    common: int = 0
    channel: int = 0

    def logging_in_by_password(self) -> Caps:
        """The same with the one way to log in that is spoken here."""
        return attrs.evolve(self, common=self.common & ~_AUTH | Common.AUTH_SELECTION | Common.AUTH_SPICE)

    def holds_for(self, said: Caps) -> bool:
        """
        Whether a client that was told this can go on with a server that says ``said``.

        It must have been promised nothing more, and the form of every later
        message hangs on ``MINI_HEADER``.  How to log in is not compared.
        """
        missing = self.common & ~said.common & ~_AUTH | self.channel & ~said.channel
        return not missing and not (self.common ^ said.common) & Common.MINI_HEADER


@attrs.frozen
class Link:
    """What a client asks for."""

    connection_id: int
    """0 for a new session, else the number that the server gave its main channel."""
    channel_type: int
    channel_id: int
    caps: Caps
    minor: int = _MINOR

    def pack(self) -> bytes:
        """Return the link message."""
        counts, words = _pack_caps(self.caps)
        fields = _MESSAGE.pack(self.connection_id, self.channel_type, self.channel_id, *counts, _MESSAGE.size)
        return _framed(fields + words, self.minor)


@attrs.frozen
class SpiceClient:
    """A client that waits for its link's result: :data:`ACCEPTED` or :func:`refusal`."""

    link: Link
    told: Caps
    """What it believes the server can do."""
    ticket: str | None = attrs.field(repr=False)
    """``None`` if what it sent can be none: then it is refused like one whose ticket is unknown."""


class SpiceRefused(PeerError):
    """The server said no."""

    def __init__(self, step: str, number: int) -> None:
        known = number in tuple(LinkError)
        self.error = LinkError(number) if known else LinkError.ERROR
        name = self.error.name.lower().replace("_", " ") if known else f"error {number}"
        super().__init__(f"the server refused {step}: {name}")


_CHANNEL_CAPS: Final[Mapping[int, int]] = {
    Channel.MAIN: 0b1111,  # migration of both kinds, name and UUID, agent tokens
    Channel.DISPLAY: 1 << 1 | 1 << 4 | 1 << 6 | 1 << 12,  # monitors, stream reports, preferred compression and codec
    Channel.INPUTS: 1,  # scan codes
    Channel.PLAYBACK: 1 << 1 | 1 << 3,  # volume, Opus
    Channel.RECORD: 1 << 1 | 1 << 2,  # volume, Opus
    Channel.USBREDIR: 1,  # LZ4
    Channel.PORT: 1,
    Channel.WEBDAV: 1,
}


def usual_caps(link: Link) -> Caps:
    """Tell what QEMU 7.2 with libspice-server 0.15.1 says it can do on a channel."""
    common = Common.AUTH_SELECTION | Common.AUTH_SPICE | Common.MINI_HEADER
    return Caps(common, _CHANNEL_CAPS.get(link.channel_type, 0))


ACCEPTED: Final = _U32.pack(LinkError.OK)
"""The result that lets a client in; its channel's messages follow."""


def refusal(error: LinkError = LinkError.PERMISSION_DENIED) -> bytes:
    """Return the result that turns a client away; on the default one viewers ask for a password again."""
    return _U32.pack(error)


def answer(
    reader: Reader,
    public_key: bytes,
    decrypt: Callable[[bytes], bytes | None],
    caps_for: Callable[[Link], Caps] = usual_caps,
) -> Steps[SpiceClient]:
    """
    Be the server of a client up to its ticket; the link's result is left to the caller.

    The ticket, which alone says what console is meant, comes only after our
    reply: what that console can do must be told before it is known.

    :param public_key: in DER; ``decrypt`` has the other half, and returns
        ``None`` for what was not encrypted under it.
    :param caps_for: what to tell.
    """
    if len(public_key) != PUBLIC_KEY_LENGTH:
        raise LocalError("a SPICE key has 1024 bits")
    link = yield from _link(reader)
    told = caps_for(link).logging_in_by_password()
    counts, words = _pack_caps(told)
    yield _framed(_REPLY.pack(LinkError.OK, public_key, *counts, _REPLY.size) + words)
    if link.caps.common & Common.AUTH_SELECTION:  # old clients know one way only, and do not name it
        (mechanism,) = _U32.unpack((yield from reader.exact(_U32.size)))
        if mechanism != _MECHANISM:
            raise PeerError(f"the client wants to log in by mechanism {mechanism}, which was not offered")
    return SpiceClient(link, told, _ticket(decrypt((yield from reader.exact(TICKET_LENGTH)))))


def connect(reader: Reader, link: Link, password: bytes, encrypt: Callable[[bytes, bytes], bytes]) -> Steps[Caps]:
    """
    Be a server's client, on behalf of one whose ``link`` this is; return what the server says it can do.

    Its channel's messages follow, and are left unread.  Compare with what the
    client was told (:meth:`Caps.holds_for`).

    :param password: empty for a server that asks for none.
    :param encrypt: given the server's key in DER and a text, encrypts it; or
        raises ``PeerError`` for what is no key.
    :raises SpiceRefused: the server said no.
    """
    if len(password) > MAX_PASSWORD or b"\0" in password:
        raise LocalError("a SPICE password has at most 60 bytes")
    yield attrs.evolve(link, caps=link.caps.logging_in_by_password()).pack()
    key, said = yield from _reply(reader)
    if said.common & Common.AUTH_SELECTION:
        if not said.common & Common.AUTH_SPICE:
            raise PeerError("the server takes no SPICE password")
        yield _U32.pack(_MECHANISM)
    ticket = encrypt(key, password + b"\0")
    if len(ticket) != TICKET_LENGTH:
        raise PeerError("the server's key is not of 1024 bits")
    yield ticket
    (result,) = _U32.unpack((yield from reader.exact(_U32.size)))
    if result != LinkError.OK:
        raise SpiceRefused("the password or the channel", result)
    return said


def _header(reader: Reader) -> Need[tuple[int, int]]:
    """Read what both messages begin with; return the minor version and the size of the rest."""
    magic, major, minor, size = _HEADER.unpack((yield from reader.exact(_HEADER.size)))
    if magic != _MAGIC:
        raise PeerError("this is not SPICE")
    if major != _MAJOR:
        raise PeerError(f"SPICE {major}.{minor} is not supported")
    return minor, size


def _link(reader: Reader) -> Need[Link]:
    minor, size = yield from _header(reader)
    _check_size(size, _MESSAGE.size)
    body = yield from reader.exact(size)
    connection_id, channel_type, channel_id, common, channel, offset = _MESSAGE.unpack_from(body)
    caps = _parse_caps(body, _MESSAGE.size, common, channel, offset)
    return Link(connection_id, channel_type, channel_id, caps, minor)


def _reply(reader: Reader) -> Need[tuple[bytes, Caps]]:
    _, size = yield from _header(reader)
    _check_size(size, _U32.size)
    (error,) = _U32.unpack((yield from reader.peek(_U32.size)))
    if error != LinkError.OK:
        raise SpiceRefused("the link", error)
    _check_size(size, _REPLY.size)
    body = yield from reader.exact(size)
    _, key, common, channel, offset = _REPLY.unpack_from(body)
    return key, _parse_caps(body, _REPLY.size, common, channel, offset)


def _check_size(size: int, least: int) -> None:
    if not least <= size <= MAX_MESSAGE:
        raise PeerError(f"a SPICE link of {size} bytes")


def _parse_caps(body: bytes, fixed: int, common: int, channel: int, offset: int) -> Caps:
    if common > MAX_WORDS or channel > MAX_WORDS:
        raise PeerError(f"a SPICE link with {common} and {channel} words of capabilities")
    middle, end = offset + common * _U32.size, offset + (common + channel) * _U32.size
    if offset < fixed and common + channel or end > len(body):
        raise PeerError("a SPICE link's capabilities lie outside of it")
    return Caps(int.from_bytes(body[offset:middle], "little"), int.from_bytes(body[middle:end], "little"))


def _pack_caps(caps: Caps) -> tuple[tuple[int, int], bytes]:
    """How many words of either sort, and the words."""
    common, channel = (-(-number.bit_length() // 32) for number in (caps.common, caps.channel))
    words = caps.common.to_bytes(common * 4, "little") + caps.channel.to_bytes(channel * 4, "little")
    return (common, channel), words


def _framed(body: bytes, minor: int = _MINOR) -> bytes:
    return _HEADER.pack(_MAGIC, _MAJOR, minor, len(body)) + body


def _ticket(plain: bytes | None) -> str | None:
    """Take the text before the final zero; ``None`` if it can be no ticket."""
    text = (plain or b"").partition(b"\0")[0]
    if not 0 < len(text) <= MAX_PASSWORD or not text.isascii():
        return None
    return text.decode("ascii")
