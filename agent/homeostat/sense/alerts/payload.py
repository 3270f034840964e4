"""Bytes to JSON values, and values to the texts, times and addresses of alerts. All of it in linear time."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any, NoReturn
from urllib.parse import urlsplit

from homeostat.sense.alerts.refusal import AlertRefusal, Refused

BYTES_MAX = 2 << 20
DEPTH_MAX = 32
ALERTS_MAX = 10_000
"""In one delivery."""
NAME_CHARACTERS_MAX = 200
KEY_CHARACTERS_MAX = 64
VALUE_CHARACTERS_MAX = 300
URL_CHARACTERS_MAX = 1000
FINGERPRINT_CHARACTERS_MAX = 64
LABELS_MAX = 30
_SHOWN_CHARACTERS_MAX = 60

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
"""One that never ends counts as one too: looking for another beginning in it would cost the square of its length."""
_BRACKET = re.compile(rb"[\[\]{}]")
_TIME = re.compile(
    r"(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))? ?"
    r"(?:(Z|UTC|GMT)|([+-])(\d\d)[:.]?(\d\d)(?: UTC)?)",
    re.ASCII,
)
_NUMBER = re.compile(r"\d{9,19}(?:\.\d{1,9})?", re.ASCII)
_ZERO_YEAR_MAX = 1970
"""What is earlier stands for no time at all: Go writes the year 1."""


def decode(body: bytes) -> Any:
    """Decode a payload. Raises Refused."""
    if len(body) > BYTES_MAX:
        raise Refused(AlertRefusal.TOO_LARGE, f"{len(body)} bytes, of at most {BYTES_MAX}")
    _check_depth(body)
    try:
        return json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and numbers of 5,000 digits among them
        raise Refused(AlertRefusal.NOT_JSON, clip(str(error), VALUE_CHARACTERS_MAX) or "it is empty") from error


def _check_depth(body: bytes) -> None:
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", body)):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > DEPTH_MAX:
            raise Refused(AlertRefusal.TOO_DEEP, f"nested deeper than {DEPTH_MAX}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise Refused(AlertRefusal.DUPLICATE_KEYS, f"the key {shown(twice)} stands twice in one object")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def shown(value: object) -> str:
    """A value of a payload in a message: printable and short."""
    return clip(ascii(value), _SHOWN_CHARACTERS_MAX)


def refuse_templates(payload: Any) -> None:
    """Refuse what test events are made of: by name, a payload and what is put into it. Raises Refused."""
    if isinstance(payload, dict) and payload and all(map(_is_template, payload.values())):
        raise Refused(AlertRefusal.NOT_AN_EVENT, f"templates of events, {shown(next(iter(payload)))} first")


def _is_template(value: Any) -> bool:
    keys = value.keys() if isinstance(value, dict) else frozenset[str]()
    return "payload" in keys and keys <= {"payload", "parameters", "renders", "service"}


def clip(text: str, characters_max: int) -> str:
    """The beginning of a text, without what a terminal would obey, a page not show, or a store refuse."""
    cut = text[:characters_max]
    if not cut.isprintable():
        spaced = " ".join(cut.split())
        cut = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in spaced)
    cut = cut.strip()
    return f"{cut[: characters_max - 1]}…" if len(text) > characters_max else cut


def text_of(value: object, characters_max: int = VALUE_CHARACTERS_MAX) -> str:
    """A scalar as text; "" for everything else."""
    if isinstance(value, str):
        return clip(value, characters_max)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return clip(str(value), characters_max)
    return ""


def texts_of(value: object) -> dict[str, str]:
    """The scalars of an object as labels; nothing where it is none."""
    if not isinstance(value, Mapping):
        return {}
    return labels_of((str(key), text_of(item)) for key, item in value.items())


def labels_of(pairs: Any) -> dict[str, str]:
    """Labels within their bounds; empty ones say nothing."""
    found: dict[str, str] = {}
    for key, item in pairs:
        name = clip(key, KEY_CHARACTERS_MAX)
        if name and item and (name in found or len(found) < LABELS_MAX):
            found[name] = item
    return found


def url_of(value: object) -> str:
    """An address that a page may link to, without user and password; else ""."""
    text = text_of(value, URL_CHARACTERS_MAX + 1)
    if len(text) > URL_CHARACTERS_MAX or " " in text:
        return ""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return ""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def time_of(value: object) -> float | None:
    """Unix seconds of a time with a zone, or of a number of s, ms, us or ns since 1970; None for anything else."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    return _from_text(value) if isinstance(value, str) else _from_number(value)


def _from_number(number: float) -> float | None:
    if not abs(number) < 1e20 or not math.isfinite(number):
        return None
    seconds = float(number)
    while seconds >= 1e11:
        seconds /= 1000.0
    return round(seconds, 3) if seconds > 0.0 else None


def _from_text(text: str) -> float | None:
    found = _TIME.fullmatch(text)
    if found is None or int(found[1]) <= _ZERO_YEAR_MAX:
        return None
    zone = UTC if found[8] else _zone(found[9], found[10], found[11])
    try:
        whole = datetime(*(int(found[group]) for group in range(1, 7)), tzinfo=zone)  # type: ignore[arg-type, misc]  # six numbers
        return round(whole.timestamp() + float(f"0.{found[7] or 0}"), 3)
    except (ValueError, OverflowError):
        return None


def _zone(sign: str, hours: str, minutes: str) -> timezone:
    seconds = min(int(hours), 23) * 3600 + min(int(minutes), 59) * 60
    return timezone(timedelta(seconds=-seconds if sign == "-" else seconds))


def digest(*parts: str) -> str:
    """A fingerprint of texts: 32 hexadecimal digits."""
    return sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


def fingerprint_of(text: str) -> str:
    """The same where it is short and plain, else its digest: cutting would make two of them one."""
    plain = len(text) <= FINGERPRINT_CHARACTERS_MAX and text.isprintable()
    return text if plain else digest(text)


def fingerprint_of_labels(name: str, labels: Mapping[Any, Any]) -> str:
    """A fingerprint for a source that gives none: the name and every label, whole and in a fixed order."""
    return digest(name, json.dumps(labels, sort_keys=True, default=str))
