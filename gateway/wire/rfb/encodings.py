"""
What of a client's encodings a server may be told.

Only what the tracker can frame and the rights cover, so that no server sends
anything else.  One function; framing itself is in ``rects.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.wire.rfb.agreed import Agreed
from gateway.wire.rfb.constants import SETTINGS, Encoding, Pseudo
from gateway.wire.rfb.rects import FIXED, PIXELS, SHAPES

FRAMED: Final = frozenset(
    {
        *PIXELS,
        *SHAPES,
        *FIXED,
        *(number for span in SETTINGS for number in span),
        # Rectangles that the walk of the server's messages reads itself, and wishes for other messages.
        Pseudo.DESKTOP_SIZE,
        Pseudo.EXTENDED_DESKTOP_SIZE,
        Pseudo.LAST_RECT,
        Pseudo.DESKTOP_NAME,
        Pseudo.QEMU_EXTENDED_KEY,
        Pseudo.EXTENDED_MOUSE_BUTTONS,
        Pseudo.FENCE,
        Pseudo.CONTINUOUS_UPDATES,
        Pseudo.XVP,
        Pseudo.EXTENDED_CLIPBOARD,
    }
)
"""
All that may be offered.

Not there, since nobody frames it by lengths alone or it is not covered by a
right: TRLE, JPEG, H.264, ZlibHex, cursors with alpha, QEMU audio, gii, Tight
without zlib, VMware's capabilities.
"""


def permitted(wanted: Sequence[int], agreed: Agreed) -> tuple[int, ...]:
    """Cut a client's list, in its order; the first call that sees Zlib or ZRLE settles which of them is used."""
    if agreed.family is None:
        agreed.family = next((each for each in (Encoding.ZRLE, Encoding.ZLIB) if each in wanted), None)
    barred: set[int] = {each for each in (Encoding.ZRLE, Encoding.ZLIB) if each is not agreed.family}
    if not agreed.rights.clipboard:
        barred.add(Pseudo.EXTENDED_CLIPBOARD)
    if not agreed.rights.power:
        barred.add(Pseudo.XVP)
    return tuple(number for number in wanted if number in FRAMED and number not in barred)
