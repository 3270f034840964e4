"""What users saw, second by second: the only witness of a drill's verdict, beside the payments that are there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

GOOD_SHARE_MIN = 0.99
RATE_SHARE_MIN = 0.5
CLEAN_S = 3
SETTLED_S = 2.0
"""Seconds younger than this may not be whole: an answer is written when it is there, at most 1.5 s after sending."""


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment as its user saw it. `code` 0: no answer in time."""

    id: str
    at: float
    code: int


def read_payments(path: Path, since: float, offset: int = 0) -> tuple[list[Payment], int]:
    """Payments sent at or after `since` from a byte on, and the byte to go on at; a line half written is left."""
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    rows = (json.loads(line) for line in whole.splitlines())
    found = [Payment(row["id"], row["at"], row["code"]) for row in rows if row["at"] >= since]
    return found, offset + len(whole)


def good_seconds(payments: Iterable[Payment], since: float, until: float, rate: float) -> list[bool]:
    """For each whole second from `since` to `until`: whether enough was sent and nearly all of it paid.

    No traffic is not health: a second with less than half of `rate` is not good.
    """
    count = max(0, int(until - since))
    sent, paid = [0] * count, [0] * count
    for payment in payments:
        second = int(payment.at - since)
        if payment.at >= since and second < count:
            sent[second] += 1
            paid[second] += payment.code == 200
    return [
        number >= rate * RATE_SHARE_MIN and good >= number * GOOD_SHARE_MIN
        for number, good in zip(sent, paid, strict=True)
    ]


def first_failure(payments: Sequence[Payment], since: float) -> float | None:
    """Seconds after `since` at which the first payment that failed was sent; None if none did."""
    failed = [payment.at for payment in payments if payment.at >= since and payment.code != 200]
    return min(failed) - since if failed else None


def clean_after(good: Sequence[bool]) -> int | None:
    """Seconds until users are served well for good after they were not; None if that has not come.

    For good: `CLEAN_S` seconds at least, and up to the end. What relapses was not clean.
    """
    if False not in good:
        return None
    start = len(good) - good[::-1].index(False)
    return start if len(good) - start >= CLEAN_S else None
