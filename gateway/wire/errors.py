"""
Whose fault it is: the two ways in which a codec can fail.

Nothing else lives here; a codec raises one of these and never anything else.
"""


class PeerError(Exception):
    """
    The other side broke its protocol; this ends the one connection.

    The text is one plain line for the operator's log: no bytes of the peer,
    no secrets.
    """


class LocalError(Exception):
    """We called a codec out of turn: a bug of ours, logged with a traceback."""
