"""Names for policies, steps and signals, made of what people call things."""

from __future__ import annotations

import keyword
import re
from collections.abc import Container

from homeostat.policy.fields import SIGNAL_NAME_PATTERN

LENGTH_MAX = 48
"""Short of the language's 64, so that a suffix fits."""

_WORD_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", re.ASCII)
_NOT_IN_SLUGS = re.compile(r"[^a-z0-9]+", re.ASCII)
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+", re.ASCII)


_MEANS_SOMETHING = frozenset({"abs", "min", "max", "known", "true", "false", "null", "none"})
"""In conditions; the rest are words of Python, whose parser reads them."""


def slug(text: str, otherwise: str) -> str:
    """Lower-case words with dashes between: `Stop the app` is `stop-the-app`. `otherwise` where nothing is left."""
    words = _NOT_IN_SLUGS.sub("-", text.lower()).strip("-")
    if len(words) > LENGTH_MAX:
        words = words[: LENGTH_MAX + 1].rpartition("-")[0] or words[:LENGTH_MAX]
    return words or otherwise


def policy_name(text: str, otherwise: str) -> str:
    """Keep a name as it is where the language allows it: `KubePodCrashLooping` stays."""
    return _NOT_IN_NAMES.sub("-", text).strip(".-")[:LENGTH_MAX].rstrip(".-") or otherwise


def signal_name(text: str) -> str:
    """What can stand in a condition: `HighErrorRate` is `high_error_rate`."""
    name = slug(_WORD_BORDER.sub("_", text), "signal").replace("-", "_")
    if name in _MEANS_SOMETHING or keyword.iskeyword(name) or not re.fullmatch(SIGNAL_NAME_PATTERN, name, re.ASCII):
        return f"s_{name}"
    return name


def unused(name: str, taken: Container[str], joint: str = "-") -> str:
    """The name itself, or with the first number behind it that makes it new."""
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name}{joint}{number}"
    return candidate
