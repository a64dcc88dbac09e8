"""
RFB's numbers under their names, and the bounds that several modules share.

Values only: no parsing.  What the tracker does not frame has no name here.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

MAX_REASON: Final = 4096
"""The most bytes of a server's refusal that are read: a sentence, with room."""

MAX_NAME: Final = 64 * 1024
"""The longest desktop name taken from a server: none is seen by a client, each is only stepped over."""

KEPT_NAME: Final = 1024
"""How much of a server's name is kept, for a log or a comparison."""

MAX_SIDE: Final = 16384
"""The widest and highest screen: Xvnc's own limit, and with four bytes per pixel 1 GiB of Raw."""


class Version(enum.IntEnum):
    """The three protocols; every greeting comes down to one of them."""

    V3_3 = 3
    V3_7 = 7
    V3_8 = 8


class SecurityType(enum.IntEnum):
    """How a client proves itself to a server (protocols.md §5.1)."""

    NONE = 1
    VNC = 2
    RA2 = 5
    RA2NE = 6
    SSPI = 7
    TIGHT = 16
    ULTRA = 17
    TLS = 18
    VENCRYPT = 19
    SASL = 20
    XVP = 22
    ARD = 30
    MS_LOGON_II = 113
    RA2_256 = 129
    RA2NE_256 = 130


class SubType(enum.IntEnum):
    """What VeNCrypt can consist of: anonymous TLS or TLS with a certificate, and a log-in inside."""

    PLAIN = 256
    TLS_NONE = 257
    TLS_VNC = 258
    TLS_PLAIN = 259
    X509_NONE = 260
    X509_VNC = 261
    X509_PLAIN = 262


SECURITY_NAMES: Final[Mapping[int, str]] = {
    SecurityType.NONE: "None",
    SecurityType.VNC: "VNC",
    SecurityType.RA2: "RA2",
    SecurityType.RA2NE: "RA2ne",
    SecurityType.SSPI: "SSPI",
    SecurityType.TIGHT: "Tight",
    SecurityType.ULTRA: "Ultra",
    SecurityType.TLS: "TLS",
    SecurityType.VENCRYPT: "VeNCrypt",
    SecurityType.SASL: "SASL",
    SecurityType.XVP: "xvp",
    SecurityType.ARD: "ARD",
    SecurityType.MS_LOGON_II: "MSLogonII",
    SecurityType.RA2_256: "RA2_256",
    SecurityType.RA2NE_256: "RA2ne_256",
    SubType.PLAIN: "Plain",
    SubType.TLS_NONE: "TLSNone",
    SubType.TLS_VNC: "TLSVnc",
    SubType.TLS_PLAIN: "TLSPlain",
    SubType.X509_NONE: "X509None",
    SubType.X509_VNC: "X509Vnc",
    SubType.X509_PLAIN: "X509Plain",
    263: "SASL",  # with TLS and with X509; which is which is disputed
    264: "SASL",
}
"""Types and sub-types as the documentation of servers and viewers spells them."""


def named(number: int) -> str:
    """Return what an operator knows a security type or sub-type as."""
    return SECURITY_NAMES.get(number, f"type {number}")


class SecurityResult(enum.IntEnum):
    """The word that ends the security part."""

    OK = 0
    FAILED = 1
    TOO_MANY = 2


class ClientMessage(enum.IntEnum):
    """The types of message that may come from a client; others end the session."""

    SET_PIXEL_FORMAT = 0
    SET_ENCODINGS = 2
    UPDATE_REQUEST = 3
    KEY = 4
    POINTER = 5
    CUT_TEXT = 6
    ENABLE_CONTINUOUS_UPDATES = 150
    FENCE = 248
    XVP = 250
    SET_DESKTOP_SIZE = 251
    QEMU = 255


class ServerMessage(enum.IntEnum):
    """The types of message that may come from a server."""

    UPDATE = 0
    COLOUR_MAP = 1
    BELL = 2
    CUT_TEXT = 3
    VMWARE = 127
    END_OF_CONTINUOUS_UPDATES = 150
    FENCE = 248
    XVP = 250


class Encoding(enum.IntEnum):
    """What a rectangle can be made of (signed, as on the wire)."""

    RAW = 0
    COPY_RECT = 1
    RRE = 2
    CORRE = 4
    HEXTILE = 5
    ZLIB = 6
    TIGHT = 7
    ZRLE = 16
    TIGHT_PNG = -260


class Pseudo(enum.IntEnum):
    """Encodings that are wishes or notices rather than pixels (signed)."""

    DESKTOP_SIZE = -223
    LAST_RECT = -224
    POINTER_POS = -232
    CURSOR = -239
    X_CURSOR = -240
    QEMU_POINTER_MOTION = -257
    QEMU_EXTENDED_KEY = -258
    QEMU_LED_STATE = -261
    DESKTOP_NAME = -307
    EXTENDED_DESKTOP_SIZE = -308
    XVP = -309
    FENCE = -312
    CONTINUOUS_UPDATES = -313
    EXTENDED_MOUSE_BUTTONS = -316
    EXTENDED_CLIPBOARD = 0xC0A1E5CE - (1 << 32)
    VMWARE_CURSOR = 0x574D5664
    VMWARE_CURSOR_STATE = 0x574D5665
    VMWARE_CURSOR_POSITION = 0x574D5666
    VMWARE_KEY_REPEAT = 0x574D5667
    VMWARE_LED_STATE = 0x574D5668
    VMWARE_VM_STATE = 0x574D566A


SETTINGS: Final = (
    range(-32, -22),  # JPEG quality
    range(-256, -246),  # compression level
    range(-512, -411),  # fine JPEG quality
    range(-768, -762),  # JPEG subsampling
)
"""Encodings that only set something: no rectangle ever carries them."""
