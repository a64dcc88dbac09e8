"""
Floor 0: bytes become events here, and only here.

No socket, clock, log, randomness or Twisted import; no other package of
ours.  Every read has a maximum, and what a codec did not consume it gives back.
"""
