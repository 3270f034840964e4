"""Take secrets out of a stream of bytes before anything of it is kept. Standard library only."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

MASK = b"[secret]"
_LINE_MIN = 8


class Redactor:
    """Masks every secret, as it is and as programs print it: percent-encoded, in JSON, in base64, line by line.

    A secret may be cut by the borders of chunks, so what could be the beginning of one is held back until it is
    known not to be.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(re.escape(form) for form in self._forms)) if self._forms else None
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes, give those that are safe to keep."""
        if self._pattern is None:
            return chunk
        text = self._held + chunk
        held_from = self._could_begin_at(text)
        safe: list[bytes] = []
        position = 0
        for match in self._pattern.finditer(text):
            if match.start() >= held_from:
                break
            safe += (text[position : match.start()], MASK)
            position = match.end()
        border = max(position, held_from)
        safe.append(text[position:border])
        self._held = text[border:]
        return b"".join(safe)

    def finish(self) -> bytes:
        """Give what was held back, masked; the stream is over."""
        held, self._held = self._held, b""
        return self._masked(held)

    def text(self, text: str) -> str:
        """Mask a whole text at once."""
        return self._masked(text.encode()).decode(errors="replace")

    def _masked(self, content: bytes) -> bytes:
        return self._pattern.sub(MASK, content) if self._pattern is not None else content

    def _could_begin_at(self, text: bytes) -> int:
        """The first place from which on `text` is a proper prefix of a secret."""
        longest = 0
        for form in self._forms:
            for length in range(min(len(form) - 1, len(text)), longest, -1):
                if text.endswith(form[:length]):
                    longest = length
                    break
        return len(text) - longest


def _forms(secret: str) -> Iterator[bytes]:
    yield secret.encode()
    yield quote(secret, safe="").encode()
    yield quote_plus(secret).encode()
    yield json.dumps(secret)[1:-1].encode()
    yield json.dumps(secret, ensure_ascii=False)[1:-1].encode()
    yield base64.b64encode(secret.encode()).rstrip(b"=")
    lines = secret.splitlines()
    if len(lines) > 1:
        yield from (line.encode() for line in lines if len(line) >= _LINE_MIN)
