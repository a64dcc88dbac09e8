"""Log lines: what is shown, how, and what never is."""

from __future__ import annotations

import io
import json
from typing import Any

from twisted.logger import ILogObserver, Logger, LogLevel
from twisted.python.components import Componentized
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.events import Event, tell
from gateway.model.secret import Secret
from gateway.model.session import Ending
from gateway.observe.logs import TRACEBACK_LIMIT, VALUE_LIMIT, LogLines, start_logging
from gateway.observe.redaction import MASK

TICKET = "q7Zt0Yk-3nX_aB9cD1eF2gH4iJ5kL6mN7oP8qR0sTuV"
NOON = 1_700_000_000.0


class LinesCase(SynchronousTestCase):
    json = False

    def setUp(self) -> None:
        self.now = NOON
        self.out = io.StringIO()
        self.lines = LogLines(self.out, json=self.json)

    def log(self, namespace: str = "gateway.net.mux") -> Logger:
        return Logger(namespace=namespace, observer=self.observe)

    def observe(self, event: dict[str, Any]) -> None:
        self.lines(event | {"log_time": self.now})

    def written(self) -> str:
        text = self.out.getvalue()
        self.out.seek(0)
        self.out.truncate()
        return text


class TextTests(LinesCase):
    def test_event(self) -> None:
        """A line is time, level, system, event and its fields."""
        tell(
            self.log(), Event.SESSION_ENDED, session="s1", ending=Ending.CLIENT_LOST, seconds=1.23456, ok=True, way=None
        )
        self.assertEqual(
            self.written(),
            "2023-11-14T22:13:20.000Z info net.mux session_ended"
            " session=s1 ending=client-lost seconds=1.235 ok=true way=-\n",
        )

    def test_forged_fields(self) -> None:
        """A value cannot forge a field or a line, and shows no control characters."""
        tell(
            self.log(),
            Event.TICKET_MINTED,
            user='eve"\n2023 info x session_ended ending=ok',
            title="\x1b[2J\u202e",
            a="",
        )
        self.assertEqual(
            self.written().partition("ticket_minted ")[2],
            'user="eve\\"\\n2023 info x session_ended ending=ok" title="\\u001b[2J\\u202e" a=""\n',
        )

    def test_values_are_bounded(self) -> None:
        """A long value is cut."""
        tell(self.log(), Event.TICKET_MINTED, user="x " * VALUE_LIMIT)
        self.assertLess(len(self.written()), VALUE_LIMIT + 100)

    def test_message_of_others(self) -> None:
        """A warning of a library is shown with its text, on one margin, without control characters."""
        self.log("twisted.web").warn("odd: {what}", what="a\nb\x07")
        self.assertEqual(self.written(), "2023-11-14T22:13:20.000Z warn twisted.web odd: a\n\tb\\x07\n")

    def test_traceback(self) -> None:
        """A fault brings its traceback, indented and redacted."""
        try:
            raise ValueError(f"cannot open {TICKET}")
        except ValueError:
            tell(self.log(), Event.FAULT, session="s1", log_failure=Failure())
        first, *rest = self.written().splitlines()
        self.assertTrue(first.endswith("critical net.mux fault session=s1"))
        self.assertEqual(rest[-1], f"\tbuiltins.ValueError: cannot open {MASK}")
        self.assertTrue(all(line.startswith("\t") for line in rest))

    def test_long_traceback(self) -> None:
        """Of a long traceback the end is kept."""

        def deeper(n: int) -> None:
            if n == 0:
                raise ValueError("the reason")
            deeper(n - 1)

        try:
            deeper(300)
        except ValueError:
            tell(self.log(), Event.FAULT, log_failure=Failure())
        text = self.written()
        self.assertIn("the reason", text)
        self.assertLess(len(text), 2 * TRACEBACK_LIMIT)

    def test_stranger_stream(self) -> None:
        """A stream that is not UTF-8 gets the line escaped."""
        raw = io.BytesIO()
        self.lines = LogLines(io.TextIOWrapper(raw, encoding="ascii"))
        tell(self.log(), Event.TICKET_MINTED, user="müller")
        self.assertTrue(raw.getvalue().endswith(b"user=m\\xfcller\n"))

    def test_broken_stream(self) -> None:
        """A full disk under the log hurts nobody."""
        unbuffered = open("/dev/full", "wb", buffering=0)  # noqa: SIM115  # closed below, behind its wrapper
        self.addCleanup(unbuffered.close)
        self.lines = LogLines(io.TextIOWrapper(unbuffered, write_through=True))
        tell(self.log(), Event.LISTENING)
        tell(self.log(), Event.LISTENING)


class ShownTests(LinesCase):
    def test_noise(self) -> None:
        """What Twisted says about factories, requests and slow clients is not shown."""
        noise = self.log("twisted.web.http.HTTPChannel")
        noise.info("Timing out client: {peer}", peer="192.0.2.1")
        noise.info("Starting factory {factory!r}", factory=self)
        self.log("twisted.internet.protocol.Factory").debug("x")
        self.log("gateway.net.mux").debug("x")
        self.assertEqual(self.written(), "")

    def test_warnings_and_prints(self) -> None:
        """Warnings of others, our own words and what was printed are shown."""
        self.log("autobahn").warn("w")
        self.log("gateway.web.site").info("i")
        self.log("stdout").info("p")
        Logger(namespace="x", observer=self.observe).emit(LogLevel.critical, "c")
        systems = [line.split()[2] for line in self.written().splitlines()]
        self.assertEqual(systems, ["autobahn", "web.site", "stdout", "x"])

    def test_floods(self) -> None:
        """What strangers can cause is written so often a second; the next line says how many were held back."""
        for _ in range(100):
            tell(self.log(), Event.JUNK_REFUSED, peer="192.0.2.1")
            tell(self.log(), Event.SESSION_LOST)
        words = [line.split()[3] for line in self.written().splitlines()]
        self.assertEqual((words.count("junk_refused"), words.count("session_lost")), (1, 100))
        self.now += 1
        tell(self.log(), Event.JUNK_REFUSED, peer="192.0.2.2")
        self.assertIn("peer=192.0.2.2 held_back=99\n", self.written())
        self.now += 5
        tell(self.log(), Event.JUNK_REFUSED, peer="192.0.2.3")
        self.assertTrue(self.written().endswith("peer=192.0.2.3\n"))


class JsonTests(LinesCase):
    json = True

    def test_event(self) -> None:
        """A line is one JSON object; numbers are numbers."""
        tell(self.log(), Event.SESSION_ENDED, session="a\nb", ending=Ending.IDLE, bytes_in=5, seconds=0.5, way=None)
        text = self.written()
        self.assertEqual(text.count("\n"), 1)
        self.assertEqual(
            json.loads(text),
            {"time": "2023-11-14T22:13:20.000Z", "level": "info", "system": "net.mux", "event": "session_ended"}
            | {"session": "a\nb", "ending": "idle", "bytes_in": 5, "seconds": 0.5, "way": None},
        )

    def test_message_and_traceback(self) -> None:
        """Another's failure is a message and a traceback."""
        try:
            raise ValueError("no")
        except ValueError:
            self.log("twisted.web").failure("oops")
        line = json.loads(self.written())
        self.assertEqual((line["message"], line["traceback"].splitlines()[-1]), ("oops", "builtins.ValueError: no"))

    def test_field_names_do_not_clash(self) -> None:
        """A field called like a part of the line steps aside."""
        tell(self.log(), Event.LISTENING, time=1, system="x")
        line = json.loads(self.written())
        self.assertEqual((line["system"], line["system_"], line["time_"]), ("net.mux", "x", 1))


class SecretTests(LinesCase):
    def test_no_form_of_a_ticket(self) -> None:
        """However a ticket gets into an event, it does not get out."""
        for as_json in (False, True):
            self.lines = LogLines(self.out, json=as_json)
            tell(self.log(), Event.TICKET_REFUSED, token="short", ticket=12, password=["a", "b"])
            tell(self.log(), Event.TICKET_REFUSED, url=f"/x?ticket={TICKET}", both=[TICKET, f"grant.{TICKET}"])
            tell(self.log(), Event.TICKET_REFUSED, secret_of=Secret(TICKET), error=ValueError(TICKET))
            tell(self.log(), Event.TICKET_REFUSED, headers={b"Authorization": f"Bearer {TICKET}".encode()})
            self.log().warn("got {t} {u}", t=TICKET, u="Bearer abcdef")
            text = self.written()
            self.assertEqual(len(text.splitlines()), 5)
            for secret in (TICKET[:20], TICKET[-20:], "short", "abcdef", "12", "'a'"):
                self.assertNotIn(secret, text.replace("2023-11-14T22:13:20.000Z", ""))


class StartTests(LinesCase):
    def test_under_twistd(self) -> None:
        """Given twistd's application, logging is what twistd begins with."""
        application = Componentized()
        lines = start_logging(self.out, json=False, application=application)
        self.assertIs(application.getComponent(ILogObserver), lines)
