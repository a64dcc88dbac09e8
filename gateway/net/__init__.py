"""
Floor 3: Twisted I/O without policy.

Connections, TLS, fronts, pipes, relays and dialling; who may do what is
decided above.
"""
