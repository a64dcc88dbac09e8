"""VeNCrypt 0.2, piece by piece."""

from __future__ import annotations

from functools import partial

from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.reader import Reader, StartTLS, Steps
from gateway.wire.rfb.constants import SecurityType, SubType
from gateway.wire.rfb.vencrypt import (
    MAX_PASSWORD,
    MAX_USER,
    Method,
    ask,
    choose,
    layers_of,
    offer,
    plain,
    read_plain,
    start_tls,
)
from tests.support.feed import fed_three_ways
from tests.wire.rfb.talking import ANONYMOUS, X509, Talk, talk


class LayersTests(SynchronousTestCase):
    """What each way to log in consists of."""

    def test_every_sub_type(self) -> None:
        """A sub-type's name says its TLS and its log-in."""
        for sub_type in SubType:
            tls, log_in = layers_of(sub_type)
            wanted = {"TLS": StartTLS(anonymous=True), "X509": StartTLS()}.get(sub_type.name.split("_")[0])
            self.assertEqual((tls, log_in.name), (wanted, sub_type.name.split("_")[-1]))

    def test_security_types(self) -> None:
        """An ordinary security type has no TLS and is its own log-in."""
        for security_type in (SecurityType.NONE, SecurityType.VNC):
            self.assertEqual(layers_of(security_type), (None, security_type))


class ServerTests(SynchronousTestCase):
    """The server's pieces: ``offer``, ``start_tls``, ``read_plain``."""

    def test_offer(self) -> None:
        """One sub-type is offered in 0.2, and what the client chose is returned, whatever it is."""
        for choice, number in [(b"\0\0\1\6", 262), (b"\0\0\1\0", 256), (b"\xff\xff\xff\xff", 2**32 - 1)]:
            # version 0.2, then the choice
            heard = fed_three_ways(b"\0\2" + choice + b"+", partial(talk, partial(offer, only=SubType.X509_PLAIN)))
            # version 0.2; it is spoken; one sub-type: 262
            self.assertEqual(heard, Talk(b"\0\2" + b"\0" + b"\1\0\0\1\6", number, b"+"))

    def test_another_version(self) -> None:
        """A client of another version, or that gives up, is told no and is offered nothing."""
        for version in (b"\0\0", b"\0\1", b"\1\2"):
            heard = fed_three_ways(version, partial(talk, partial(offer, only=SubType.PLAIN)))
            self.assertEqual(heard, Talk(b"\0\2" + b"\xff", error="the client does not speak VeNCrypt 0.2"))

    def test_start_tls(self) -> None:
        """TLS begins behind a byte that lets it; without TLS there is no such byte."""
        for sub_type, steps in [
            (SubType.X509_PLAIN, [b"\1", StartTLS()]),
            (SubType.TLS_NONE, [b"\1", StartTLS(anonymous=True)]),
            (SubType.PLAIN, []),
        ]:
            self.assertEqual(list(start_tls(sub_type)), steps)

    def test_plain(self) -> None:
        """Both lengths come before both texts; both may be empty, and both may be as long as the bounds."""
        for data, user, password in [
            (b"\0\0\0\2\0\0\0\3mesec", b"me", b"sec"),
            (b"\0\0\0\0\0\0\0\0", b"", b""),
        ]:
            heard = fed_three_ways(data + b"+", partial(talk, read_plain))
            self.assertEqual(heard, Talk(b"", (user, password), b"+"))
            self.assertEqual(plain(user, password), data)
        longest = b"u" * MAX_USER, b"p" * MAX_PASSWORD
        self.assertEqual(talk(read_plain, [plain(*longest)]).result, longest)

    def test_plain_beyond_its_bounds(self) -> None:
        """A length beyond its bound is refused before anything of it has come."""
        for data, error in [
            (b"\0\0\4\1\0\0\0\1", "a user name of 1025 bytes is too long"),
            (b"\0\0\0\0\0\0\x10\1", "a password of 4097 bytes is too long"),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", "a user name of 4294967295 bytes is too long"),
        ]:
            self.assertEqual(fed_three_ways(data, partial(talk, read_plain)), Talk(b"", error=error))


class ClientTests(SynchronousTestCase):
    """The client's pieces: ``ask``, ``choose``, ``plain``."""

    def test_ask(self) -> None:
        """0.2 is agreed on, also with a later server; the list may be empty and hold what nobody knows."""
        for version, listed, numbers in [
            (b"\0\2", b"\2\0\0\1\6\0\0\0\2", (262, 2)),
            (b"\0\3", b"\1\xff\xff\xff\xff", (2**32 - 1,)),
            (b"\1\0", b"\0", ()),
        ]:
            heard = fed_three_ways(version + b"\0" + listed + b"+", partial(talk, ask))
            self.assertEqual(heard, Talk(b"\0\2", numbers, b"+"))

    def test_older_server(self) -> None:
        """0.1 lays its list out otherwise: it is given up, by name."""
        heard = fed_three_ways(b"\0\1", partial(talk, ask))
        self.assertEqual(heard, Talk(b"\0\0", error="the server speaks VeNCrypt 0.1; 0.2 is needed"))

    def test_version_refused(self) -> None:
        """A server may refuse the version that it offered."""
        heard = fed_three_ways(b"\0\2\xff", partial(talk, ask))
        self.assertEqual(heard, Talk(b"\0\2", error="the server refused VeNCrypt 0.2"))

    def chosen(self, method: Method, data: bytes) -> Talk:
        """Choose a method, with what the server says to it."""

        def steps(reader: Reader) -> Steps[None]:
            yield from reader.exact(1)
            yield from choose(reader, method)
            yield b"!"

        return fed_three_ways(b"." + data, partial(talk, steps))

    def test_choose(self) -> None:
        """TLS begins once the server lets it, and at once goes on what has none."""
        for method, data, sent in [
            (SubType.X509_VNC, b"\1", b"\0\0\1\5" + X509 + b"!"),
            (SubType.TLS_PLAIN, b"\1", b"\0\0\1\3" + ANONYMOUS + b"!"),
            (SubType.PLAIN, b"", b"\0\0\1\0!"),
            (SecurityType.VNC, b"", b"\0\0\0\2!"),
        ]:
            self.assertEqual(self.chosen(method, data), Talk(sent))

    def test_choice_refused(self) -> None:
        """Anything but a 1 keeps TLS from beginning."""
        for word in (b"\0", b"\2"):
            heard = self.chosen(SubType.X509_NONE, word)
            self.assertEqual(heard, Talk(b"\0\0\1\4", error="the server refused to begin with TLS"))
