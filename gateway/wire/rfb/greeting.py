"""
RFB's version: the first 12 bytes of either side, and what they come down to.

Both roles stand on this.  What follows the version is theirs.
"""

from __future__ import annotations

from typing import Final

from gateway.wire.errors import PeerError
from gateway.wire.rfb.constants import Version

VERSION_LENGTH: Final = 12

GREETINGS: Final = {
    Version.V3_3: b"RFB 003.003\n",
    Version.V3_7: b"RFB 003.007\n",
    Version.V3_8: b"RFB 003.008\n",
}


def version_of(greeting: bytes) -> Version:
    """Tell which protocol a greeting of 12 bytes comes down to."""
    numbers = greeting[4:7] + greeting[8:11]
    if not (greeting.startswith(b"RFB ") and greeting[7:8] == b"." and greeting.endswith(b"\n") and numbers.isdigit()):
        raise PeerError("this is not RFB")
    major, minor = int(greeting[4:7]), int(greeting[8:11])
    if (major, minor) == (0, 0):
        raise PeerError("this is a VNC repeater, not a server")
    if major < 3:
        raise PeerError(f"RFB {major}.{minor} is not supported")
    # 3.889 is Apple's; 4.0, 4.1 and 5.0 are RealVNC's: all of them speak 3.8.
    if major > 3 or minor >= 8:
        return Version.V3_8
    return Version.V3_7 if minor == 7 else Version.V3_3
