"""
Floor 3: what an operator sees of a running gateway: metrics, audit lines, log lines.

Nothing here decides anything; the seams are in ``gateway.model``.
"""
