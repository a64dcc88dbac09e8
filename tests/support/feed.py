"""
Feeding a codec three ways: whole, byte by byte, and at every two-way split.

A codec that is right gives the same outcome for each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def ways(data: bytes) -> Iterator[Sequence[bytes]]:
    """Every way of cutting ``data`` that a test feeds."""
    yield [data]
    yield [data[i : i + 1] for i in range(len(data))]
    for i in range(1, len(data)):
        yield [data[:i], data[i:]]


def fed_three_ways(data: bytes, run: Callable[[Sequence[bytes]], T]) -> T:
    """
    Run ``run(pieces)`` for every way; the outcomes must be equal; return it.

    :param run: makes a fresh codec, feeds it the pieces and returns what came out.
    """
    outcomes = [(pieces, run(pieces)) for pieces in ways(data)]
    first = outcomes[0][1]
    for pieces, outcome in outcomes[1:]:
        if outcome != first:
            cut = [len(piece) for piece in pieces[:3]]
            raise AssertionError(f"fed as {cut}…: {outcome!r}, but fed whole: {first!r}")
    return first
