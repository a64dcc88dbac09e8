"""
Floor 4, the product: sessions, and the tickets and limits that lead to them.

It speaks only seams (``gateway.model.seams``) and pipes, so that a session
can be tested with a fake store, a fake driver and in-process pipes.
"""
