"""Certificates that say what becomes of them."""

from __future__ import annotations

from pathlib import Path

from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.events import Event
from gateway.net.self_signed import make_self_signed
from gateway.service.certificates import Certificates


class CertificatesTests(SynchronousTestCase):
    """Loading and loading again."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        make_self_signed(["localhost"], [], self.directory / "default.pem")
        self.certificates = Certificates(self.directory, "1.2")
        self.told: list[Event] = []
        observer = lambda event: self.told.append(event.get("event"))  # noqa: E731
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def test_fresh_file(self) -> None:
        """A good file is loaded, and told."""
        make_self_signed(["localhost"], [], self.directory / "default.pem")
        self.certificates.reload()
        self.assertEqual([Event.CERTIFICATE_LOADED], self.told)

    def test_broken_file(self) -> None:
        """A broken file is told as kept, and nothing is raised."""
        (self.directory / "default.pem").write_text("nonsense")
        self.certificates.reload()
        self.assertEqual([Event.CERTIFICATE_KEPT], self.told)
