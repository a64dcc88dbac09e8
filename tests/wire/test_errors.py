"""Whose fault it is."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.errors import LocalError, PeerError


class BlameTests(SynchronousTestCase):
    """The two kinds of error are told apart wherever they are caught."""

    def test_neither_is_the_other(self) -> None:
        """Code that ends a connection for the peer's fault never swallows a mistake of ours, nor the reverse."""
        self.assertFalse(issubclass(LocalError, PeerError))
        self.assertFalse(issubclass(PeerError, LocalError))

    def test_neither_looks_like_another_failure(self) -> None:
        """Code that waits for a lost network or a wrong value catches neither."""
        for kind in (PeerError, LocalError):
            self.assertFalse(issubclass(kind, (OSError, ValueError, LookupError, ArithmeticError, EOFError)))

    def test_text(self) -> None:
        """The text is what was given, for the log."""
        self.assertEqual(str(PeerError("a record of 0 bytes")), "a record of 0 bytes")
