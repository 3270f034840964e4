"""Signed messages from outside (Standard Webhooks): who may be heard, and each message only once."""

from __future__ import annotations

import hmac
import re
import threading
from collections.abc import Callable, Mapping, Sequence

from homeostat.act.signing import HEADERS, ID_HEADER, SCHEME, SIGNATURE_HEADER, TIMESTAMP_HEADER, signature, signing_key
from homeostat.model.errors import UsageError

TOLERANCE_S = 300.0
"""How far a message's time may be from ours, as the specification has it."""
IDS_MAX = 10_000
"""Messages within the tolerance that are remembered. One more is refused: forgetting one would let it in again."""
BODY_BYTES_MAX = 1 << 20
_KEYS_MAX = 8
_SIGNATURES_MAX = 16
_ID = re.compile(r"[\x21-\x2d\x2f-\x7e]{1,200}")  # printable, and without the full stop that separates what is signed
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)


class SignatureRefused(UsageError):
    """A message is not to be believed. The text says why to the log; a caller is told no more than that."""


class WebhookVerifier:
    """Checks messages; safe to share between threads.

    Args:
        secrets: `whsec_BASE64`, each; several while one takes another's place.
        now: Unix seconds.
        tolerance_s, ids_max: see `TOLERANCE_S`, `IDS_MAX`.

    Raises:
        UsageError: there is no secret, too many, or one that is none.
    """

    def __init__(
        self,
        secrets: Sequence[str],
        now: Callable[[], float],
        *,
        tolerance_s: float = TOLERANCE_S,
        ids_max: int = IDS_MAX,
    ) -> None:
        if not 1 <= len(secrets) <= _KEYS_MAX:
            raise UsageError(f"1 to {_KEYS_MAX} signing secrets are wanted, not {len(secrets)}")
        try:
            self._keys = [signing_key(secret) for secret in secrets]
        except ValueError as error:
            raise UsageError(str(error)) from None
        self._now = now
        self._tolerance_s = tolerance_s
        self._ids_max = ids_max
        self._heard: dict[str, float] = {}
        """Ids, and when they may be forgotten (Unix seconds)."""
        self._lock = threading.Lock()
        self._since = int(now())
        """What was heard before this process is not known, so that nothing sent before it is taken."""

    def verify(self, headers: Mapping[str, str], body: bytes) -> str:
        """Give a message's id once, and never again.

        Raises:
            SignatureRefused: it is not signed with one of the secrets, too old, too new, or was heard already.
        """
        given = {name.lower(): value for name, value in headers.items() if name.lower() in HEADERS}
        identity, timestamp = given.get(ID_HEADER, ""), given.get(TIMESTAMP_HEADER, "")
        if _ID.fullmatch(identity) is None or _TIMESTAMP.fullmatch(timestamp) is None:
            raise SignatureRefused(f"a message needs the headers {', '.join(HEADERS)}, as Standard Webhooks has them")
        if len(body) > BODY_BYTES_MAX:
            raise SignatureRefused(f"a message has at most {BODY_BYTES_MAX} bytes")
        if not self._is_signed(given.get(SIGNATURE_HEADER, ""), identity, timestamp, body):
            raise SignatureRefused(f"no signature of the message {identity!r} is by one of our secrets")
        self._hear(identity, int(timestamp))
        return identity

    def _is_signed(self, offered: str, identity: str, timestamp: str, body: bytes) -> bool:
        """Compare every pair, without a short cut that would tell by its time how far one has come."""
        wanted = [signature(key, identity, timestamp, body).encode() for key in self._keys]
        found = False
        for one in offered.split(" ", _SIGNATURES_MAX)[:_SIGNATURES_MAX]:
            if one.startswith(f"{SCHEME},"):
                for right in wanted:
                    found |= hmac.compare_digest(one.encode("utf-8", "replace"), right)
        return found

    def _hear(self, identity: str, sent_at: int) -> None:
        with self._lock:
            now = self._now()
            if abs(now - sent_at) > self._tolerance_s:
                raise SignatureRefused(
                    f"the message {identity!r} is {now - sent_at:.0f} s old; at most {self._tolerance_s:g} s are taken"
                )
            if sent_at < self._since:
                raise SignatureRefused(f"the message {identity!r} was sent before this agent began; send it again")
            if self._heard.get(identity, now) > now:
                raise SignatureRefused(f"the message {identity!r} was heard already")
            if len(self._heard) >= self._ids_max:
                self._heard = {known: until for known, until in self._heard.items() if until > now}
            if len(self._heard) >= self._ids_max:
                raise SignatureRefused(
                    f"{self._ids_max} messages came within {2 * self._tolerance_s:g} s; send it later"
                )
            # As long as its time would be taken.
            self._heard[identity] = sent_at + self._tolerance_s + 1.0
