"""
Floor 3: where tickets and sessions are remembered.

Implementations of the ``TicketStore`` and ``Directory`` seams, and what they
share.  They know the model and nothing else of ours; which of them is used is
decided in :mod:`gateway.stores.opening`.
"""
