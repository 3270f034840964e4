"""Values out of JSON files that a disk or a person may have changed, by their types. Standard library only.

The journal takes only what is of its type; each of these raises TypeError or ValueError for what is not.
"""

from __future__ import annotations

import math
from typing import Any

_WHOLE_MAX = 2**63 - 1


def text(value: Any) -> str:
    """Text that can be written as UTF-8: JSON can hold half a character, and the journal cannot."""
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} where text is due")
    value.encode()
    return value


def whole(value: Any) -> int:
    """A whole number of at most 64 bits; true and false are none."""
    if type(value) is not int or not -_WHOLE_MAX <= value <= _WHOLE_MAX:
        raise TypeError(f"{value!r:.100} where a whole number is due")
    return value


def seconds(value: Any) -> float:
    """A finite number of seconds."""
    if type(value) not in (int, float) or not math.isfinite(value):
        raise TypeError(f"{value!r:.100} where seconds are due")
    return float(value)
