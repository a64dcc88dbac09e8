"""
What several tests of one class share because it takes long to start: made once, ended when the next class begins.

(Trial knows no class fixtures.)
"""

from __future__ import annotations

import atexit
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_kept: list[tuple[type, Any, Callable[[], object]]] = []


def shared(owner: object, make: Callable[[], T], end: Callable[[T], object]) -> T:
    """The thing of the owner's class; those of other classes are ended first."""
    for cls, thing, _ in _kept:
        if cls is type(owner):
            return thing
    end_all()
    thing = make()
    _kept.append((type(owner), thing, lambda: end(thing)))
    return thing


@atexit.register
def end_all() -> None:
    """End what is kept."""
    while _kept:
        _kept.pop()[2]()
