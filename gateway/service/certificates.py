"""
The certificate files of this gateway: loaded, told to the log, loaded again.

How a pile of PEM becomes a TLS context is in ``gateway.net.certificates``.
"""

from __future__ import annotations

from pathlib import Path

from twisted.logger import Logger

from gateway.model.events import Event, tell
from gateway.net.certificates import BadCertificates, CertificateStore, Notice

_log = Logger()


class Certificates:
    """
    A certificate store that says what it does.

    :raises BadCertificates: at the start every file must be good.
    """

    def __init__(self, directory: Path, minimum: str) -> None:
        self.store = CertificateStore(directory, minimum, _told)
        self._directory = directory
        self.changed = self.store.changed

    def reload(self) -> None:
        """Read the files again; broken ones leave what was there, and are told."""
        try:
            self.store.reload()
        except BadCertificates:
            return  # each was told by itself
        tell(_log, Event.CERTIFICATE_LOADED, directory=str(self._directory))


def _told(notice: Notice) -> None:
    event = Event.CERTIFICATE_KEPT if notice.broken else Event.CERTIFICATE_WARNING
    tell(_log, event, file=notice.file, detail=notice.text)
