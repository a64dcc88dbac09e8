"""
The RFB protocol (RFC 6143 and the community's rfbproto), sans-IO.

Handshakes, message and rectangle boundaries, and the slate; nothing here
decodes pixels or owns a connection.
"""
