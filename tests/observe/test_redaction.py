"""What looks like a secret is masked wherever it stands."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.model.secret import Secret
from gateway.observe.redaction import MASK, redact

TICKET = "q7Zt0Yk-3nX_aB9cD1eF2gH4iJ5kL6mN7oP8qR0sTuV"
SHORT = "hunter2-secret"
SEALED = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..Zk3hVQ.x-y_z0.tAg"

# The text, and what must be left of it: nothing of the secret, all of the rest.
FORMS = [
    (f"GET /ws?ticket={SHORT} HTTP/1.1", f"GET /ws?ticket={MASK} HTTP/1.1"),
    (f"GET /ws?a=b&token={SHORT}&c=d", f"GET /ws?a=b&token={MASK}&c=d"),
    (f"path=%2F%3Ftoken%3D{SHORT}", f"path=%2F%3Ftoken%3D{MASK}"),
    (f"GET /ticket/{SHORT} HTTP/1.1", f"GET /ticket/{MASK} HTTP/1.1"),
    (f"https://h:8443/console/#{SHORT} opened", f"https://h:8443/console/#{MASK} opened"),
    (f"GET /443;{TICKET}", f"GET /443;{MASK}"),
    (f"Sec-WebSocket-Protocol: binary, grant.{TICKET}", f"Sec-WebSocket-Protocol: binary, grant.{MASK}"),
    (f"Authorization: Bearer {SHORT}\r\nHost: h", f"Authorization: {MASK}\r\nHost: h"),
    (f"proxy-authorization: Basic {SHORT}", f"proxy-authorization: {MASK}"),
    (f"{{b'Authorization': [b'Grant {SHORT}']}}", f"{{b'Authorization': {MASK}"),
    (f"Cookie: token={SHORT}", f"Cookie: {MASK}"),
    (f"sent Bearer {SHORT} to it", f"sent Bearer {MASK} to it"),
    (f"password={SHORT} rest", f"password={MASK} rest"),
    (f"it is {TICKET}.", f"it is {MASK}."),
    (f"ticket-{TICKET}", MASK),
    (f"sealed {SEALED} here", f"sealed {MASK} here"),
    (
        "-----BEGIN PRIVATE KEY-----\nMIGHAgEA\nMBMG+/=\n-----END PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----{MASK}-----END PRIVATE KEY-----",
    ),
]

# What an operator needs to read.
PLAIN = [
    "session 0f3a9c5b7d1e2f40 of ticket Ab3dEf6hIj9kLm2n opened",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    'File "/opt/consolegw/gateway/net/connection.py", line 12, in test_a_rather_long_name_of_a_function_in_python',
    "return record.grant.console",
    "10.0.0.7:5901 refused the connection",
    "password_file keys/lab.pw cannot be read",
    "ticket_id=Ab3dEf6hIj9kLm2n",
    "a sealed ticket is a bearer token until it expires, and so are all bearer tokens",
]


class RedactTests(SynchronousTestCase):
    def test_forms(self) -> None:
        """Every form in which a secret of ours is written is masked, and nothing else of the text."""
        for text, left in FORMS:
            self.assertEqual(redact(text), left)

    def test_random_secrets(self) -> None:
        """Fresh tickets are masked without any hint around them."""
        for _ in range(2000):
            self.assertEqual(redact(Secret.random().reveal()), MASK)

    def test_plain_text_stays(self) -> None:
        """Ids, digests, names and addresses stay readable."""
        for text in PLAIN:
            self.assertEqual(redact(text), text)

    def test_twice_is_once(self) -> None:
        """Masking what is masked changes nothing."""
        for _, left in FORMS:
            self.assertEqual(redact(left), left)
