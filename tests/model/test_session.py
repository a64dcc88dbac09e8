"""Endings and closings: what clients and operators read."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.model.session import COME_BACK, REPLACED, CloseCode, Closing, Ending

REASON_MAX = 123
"""Bytes of a close frame's reason (RFC 6455 §5.5)."""


class EndingTests(SynchronousTestCase):
    def test_words_are_one_word_each(self) -> None:
        """The word is an audit field and a metric's label, and tells the endings apart."""
        words = [ending.word for ending in Ending]
        self.assertEqual(len(set(words)), len(words))
        for word in words:
            self.assertRegex(word, r"^[a-z]+(-[a-z]+)*$")

    def test_every_sentence_fits_a_close_frame(self) -> None:
        """What a user is to read is not cut, and is a sentence."""
        closings = [*(Closing.of(ending) for ending in Ending), COME_BACK, REPLACED]
        for closing in closings:
            self.assertLessEqual(len(closing.reason.encode()), REASON_MAX, closing)
            self.assertRegex(closing.reason, r"^[A-Z].*\.$")

    def test_who_may_come_back_is_told_so(self) -> None:
        """1012 is for sessions that go on elsewhere or later, and for them alone."""
        come_back = {ending for ending in Ending if ending.code is CloseCode.COME_BACK}
        self.assertEqual(come_back, {Ending.DRAINED, Ending.CLIENT_LOST})
        self.assertEqual(COME_BACK.code, CloseCode.COME_BACK)
        self.assertEqual(REPLACED.code, CloseCode.FINISHED)
