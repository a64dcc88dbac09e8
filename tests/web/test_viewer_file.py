"""The file of a SPICE viewer."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.secret import Secret
from gateway.model.target import ConsoleKind
from gateway.model.ticket import Minted
from gateway.sessions.desk import Made
from gateway.web.viewer_file import MAX_PASSWORD, spice_file

T = "t" * 43
MADE = Made(Minted("t-1", Secret(T), 0.0), "lab", ConsoleKind.SPICE, "")


class SpiceFileTests(SynchronousTestCase):
    def test_direct(self) -> None:
        """To the port by TLS, with the ticket as the password; the viewer deletes it."""
        for public_url, host, port in (
            ("https://c.example", "c.example", 443),
            ("https://[2001:db8::1]:8443/", "2001:db8::1", 8443),
        ):
            where = f"title=lab\nhost={host}\ntls-port={port}\npassword={T}"
            text = f"[virt-viewer]\ntype=spice\n{where}\ndelete-this-file=1\n"
            self.assertEqual(text, spice_file(MADE, public_url))

    def test_by_proxy(self) -> None:
        """A ticket that is too long for a password, or a gateway behind somebody's TLS: through CONNECT."""
        long = attrs.evolve(MADE, minted=Minted("t-1", Secret("l" * (MAX_PASSWORD + 1)), 0.0))
        for made, public_url, proxy in (
            (long, "https://c.example", f"https://console:{'l' * (MAX_PASSWORD + 1)}@c.example:443"),
            (MADE, "http://c.example:8080", f"http://console:{T}@c.example:8080"),
        ):
            lines = spice_file(made, public_url).splitlines()
            self.assertEqual(["host=console", "port=1", f"proxy={proxy}"], lines[3:6])

    def test_no_line_of_a_strangers(self) -> None:
        """A machine's name adds no key."""
        lines = spice_file(attrs.evolve(MADE, console="vc/x\nproxy=evil"), "https://c.example").splitlines()
        self.assertIn("title=vc/xproxy=evil", lines)
