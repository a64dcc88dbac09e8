"""What a WebSocket upgrade presents: every place of contract section 4, and their conflicts."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.model.client import Arrival, Way
from gateway.model.errors import HttpRefusal
from gateway.model.events import Event
from gateway.web.origin import OriginRules
from gateway.web.presentation import MAX_FIELDS, Presenting
from gateway.wire.http1 import RequestStream
from tests.support.web import logged

T = "Ticket-_" + "t" * 35
S = "Grant-_S" + "s" * 35
ORIGIN = "https://console.example.com"
ARRIVAL = Arrival("192.0.2.1", listener="outside", public_url=ORIGIN, secure=True)
EVERYWHERE = frozenset({Way.QUERY, Way.COOKIE, Way.HOST})


def head_of(target, *lines, host="console.example.com"):
    """A head as it comes out of the codec."""
    fixed = [f"GET {target} HTTP/1.1", f"Host: {host}", "Connection: Upgrade", "Upgrade: websocket"]
    (head,) = RequestStream().receive("\r\n".join([*fixed, *lines, "", ""]).encode("latin-1"))
    return head


class Reading(SynchronousTestCase):
    def read(self, target, *lines, accept=EVERYWHERE, origin=ORIGIN, **more):
        """The presentation of a request, from an allowed page unless the test says otherwise."""
        origins = [f"Origin: {origin}"] if origin is not None else []
        return Presenting(OriginRules([ORIGIN]), accept).from_upgrade(
            head_of(target, *origins, *lines, **more), ARRIVAL
        )

    def assert_shows(self, way, secret, target, *lines, **more):
        shown = self.read(target, *lines, **more)
        self.assertEqual((shown.way, shown.secret.reveal(), shown.arrival), (way, secret, ARRIVAL))

    def assert_refused(self, status, target, *lines, **more):
        with self.assertRaises(HttpRefusal) as caught:
            self.read(target, *lines, **more)
        self.assertEqual(caught.exception.status, status)
        self.assertNotIn(T, str(caught.exception))


class PlacesTests(Reading):
    def test_grant(self):
        """A grant stands in a sub-protocol, its case kept, on any path."""
        for lines in (
            [f"Sec-WebSocket-Protocol: binary, grant.{S}"],
            [f"Sec-WebSocket-Protocol: grant.{S},binary"],
            ["Sec-WebSocket-Protocol: binary", f"Sec-WebSocket-Protocol: grant.{S}"],
        ):
            self.assert_shows(Way.GRANT, S, "/console/socket", *lines)

    def test_query(self):
        """A ticket stands in the query as ticket or token, percent-encoded or not, among other fields."""
        for target in (
            f"/?ticket={T}",
            f"/websockify?token={T}",
            f"/vnc_auto.html?token={T}",
            f"/x?a=b&name=Gr%FCn&token={T}",
            f"/?token=%54{T[1:]}",
            f"/?ticket={T}&token={T}",
            f"http://console.example.com/?token={T}",
            f"http://console.example.com?token={T}",
        ):
            self.assert_shows(Way.QUERY, T, target)

    def test_ticket_path(self):
        """A ticket stands in the path, as with ESXi, raw."""
        self.assert_shows(Way.TICKET_PATH, T, f"/ticket/{T}")
        self.assert_shows(Way.TICKET_PATH, "a.b%2Fc", "/ticket/a.b%2Fc?x=y")

    def test_vcd_path(self):
        """A ticket stands behind a port and a semicolon, as with vCloud Director, raw."""
        self.assert_shows(Way.VCD_PATH, T, f"/443;{T}")
        self.assert_shows(Way.VCD_PATH, "cst-x%2B;y", "/902;cst-x%2B;y?a=b")

    def test_cookie(self):
        """A ticket stands in the cookie “token”; a broken cookie beside it does not matter."""
        self.assert_shows(Way.COOKIE, T, "/", f"Cookie: a=b; [junk; token={T}; tokens=x")
        self.assert_shows(Way.COOKIE, T, "/", "Cookie: =;;=", f'Cookie: token="{T}"')

    def test_host(self):
        """A ticket is the host's first label, case kept; a shorter label is just a name."""
        self.assert_shows(Way.HOST, T, "/", host=f"{T}.example.com:8443")
        self.assert_shows(Way.QUERY, T, f"/?token={T}", host="console.example.com")

    def test_only_where_configured(self):
        """Query, cookie and host count only where the configuration says so; the others always."""
        nowhere = frozenset()
        self.assert_refused(403, f"/?token={T}", accept=nowhere)
        self.assert_refused(403, "/", f"Cookie: token={T}", accept=frozenset({Way.QUERY}))
        self.assert_refused(403, "/", host=f"{T}.example.com", accept=frozenset({Way.QUERY}))
        self.assert_shows(Way.TICKET_PATH, T, f"/ticket/{T}", accept=nowhere)
        self.assert_shows(Way.GRANT, S, "/", f"Sec-WebSocket-Protocol: grant.{S}", accept=nowhere)


class ConflictTests(Reading):
    def test_two_that_differ(self):
        """Two different secrets are a bad request, wherever they stand."""
        other = "o" * 43
        for target, line in (
            (f"/?ticket={T}&token={other}", "X: y"),
            (f"/?token={T}&token={other}", "X: y"),
            (f"/ticket/{T}?token={other}", "X: y"),
            (f"/443;{T}?ticket={other}", "X: y"),
            (f"/?token={T}", f"Cookie: token={other}"),
            ("/", f"Cookie: token={T}; token={other}"),
            (f"/?token={T}", f"Sec-WebSocket-Protocol: binary, grant.{S}"),
            ("/", f"Sec-WebSocket-Protocol: grant.{other}, grant.{S}"),
        ):
            self.assert_refused(400, target, line)

    def test_the_same_twice(self):
        """The same ticket at two places is one ticket."""
        self.assert_shows(Way.TICKET_PATH, T, f"/ticket/{T}?token={T}", f"Cookie: token={T}")

    def test_nothing(self):
        """Who presents nothing is refused as is who presents something wrong."""
        for target in ("/", "/?token=", "/?x=y", "/443;", "/;x", "/a/443;x", "/tickets/x", "/x/ticket/y"):
            self.assert_refused(403, target)
        self.assert_refused(503, "/ticket/")

    def test_malformed_grant(self):
        """A grant of another form is refused and not taken for something else."""
        for grant in ("grant.", "grant.short", f"grant.{S}x", f"grant.{S[:-1]}!"):
            self.assert_refused(403, f"/?token={T}", f"Sec-WebSocket-Protocol: {grant}")

    def test_bounds(self):
        """A query of countless fields is refused; of countless cookies the first count."""
        self.assert_refused(400, "/?" + "&".join(["a=b"] * MAX_FIELDS + [f"token={T}"]))
        self.assert_refused(403, "/", "Cookie: " + "a=b;" * MAX_FIELDS + f"token={T}")


class OriginTests(Reading):
    def test_grant_needs_an_origin(self):
        """A grant without an Origin is refused; a ticket without one is a stock client's."""
        self.assert_refused(403, "/", f"Sec-WebSocket-Protocol: grant.{S}", origin=None)
        self.assert_shows(Way.QUERY, T, f"/?token={T}", origin=None)

    def test_stranger(self):
        """A page of another site is refused whatever it presents."""
        for target, line, status in (
            ("/", f"Sec-WebSocket-Protocol: grant.{S}", 403),
            (f"/?token={T}", "X: y", 403),
            (f"/ticket/{T}", "X: y", 503),
        ):
            for origin in ("https://evil.example", "null", "http://console.example.com"):
                self.assert_refused(status, target, line, origin=origin)

    def test_told(self):
        """The operator reads the rule, the origin and the setting; nothing of the ticket."""
        with logged() as events:
            self.assert_refused(403, f"/?token={T}", origin="https://evil.example")
        (event,) = events
        self.assertIs(event["event"], Event.ORIGIN_REFUSED)
        self.assertEqual((event["rule"], event["origin"]), ("host", "https://evil.example"))
        self.assertEqual((event["setting"], event["expected"]), ("browser.allowed_origins", ORIGIN))
        self.assertNotIn(T, str(event))
