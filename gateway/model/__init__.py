"""
Floor 1: the domain's values, its seams and its errors.

Only the standard library and attrs; nothing here does I/O.  Whoever wants to
know what the gateway talks about reads this package.
"""
