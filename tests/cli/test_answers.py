"""What commands do with an answer."""

from __future__ import annotations

import contextlib
import io

from twisted.trial.unittest import SynchronousTestCase

from gateway.cli.answers import print_json, rows, segment
from gateway.cli.exits import Failed


class AnswerTests(SynchronousTestCase):
    def test_rows(self) -> None:
        """A list of objects is taken out of the answer; anything else is not understood."""
        self.assertEqual(rows({"sessions": [{"id": 1}]}, "sessions"), [{"id": 1}])
        for answer in (None, [], {}, {"sessions": {}}, {"sessions": [1]}):
            self.assertRaises(Failed, rows, answer, "sessions")

    def test_segments(self) -> None:
        """A name stays one segment of a path."""
        self.assertEqual(segment("vc1/vm 42?"), "vc1%2Fvm%2042%3F")

    def test_json_is_ascii(self) -> None:
        """JSON on a terminal shows control characters as escapes."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            print_json({"a": "\x9b\u202e"})
        self.assertEqual(out.getvalue(), '{\n  "a": "\\u009b\\u202e"\n}\n')
