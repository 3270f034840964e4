"""The hash of a policy: over everything that can change a decision, and nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from enum import Enum

from homeostat.model.policy import Do, Mode, Policy
from homeostat.model.signals import Condition

_BESIDE_THE_POINT = frozenset(
    {"hash", "owner", "rto_s", "sources", "leaves", "undos", "parallel"}
    | {"environment", "explorations", "promotion", "learns_from"}
)
"""Fields of a policy that no decision reads, or that only repeat others."""


_ABSENT_WHEN_NONE = frozenset({"probe", "explore", "earning", "runbook"})
"""Fields that came later: without a value they leave the hash as it was.

The runbook is in it, though no decision reads it: a version is what is journalled, and people are sent by it.
"""


def fingerprint(policy: Policy) -> str:
    """SHA-256 over the canonical JSON (sorted keys, no spaces) of a policy's deciding parts, as 64 hex digits.

    Comments, layout, file names, the owner, and signals and actions that the policy does not use are not in it.
    """
    deciding = {
        field.name: _plain(getattr(policy, field.name))
        for field in dataclasses.fields(policy)
        if field.name not in _BESIDE_THE_POINT
        and not (field.name in _ABSENT_WHEN_NONE and getattr(policy, field.name) is None)
    }
    return _digest(deciding)


def step_fingerprint(leaf: Do, start: Mode) -> str:
    """SHA-256 over what a step does, how it is proved and the mode it starts in, as 64 hex digits.

    When it is done is not in it. What was earned is so many levels above the start: above another one, the same levels
    would be a freer mode than was ever earned.
    """
    parts = (start, leaf.id, leaf.action, leaf.target, leaf.arguments, leaf.effect, leaf.verify, leaf.undo)
    return _digest([_plain(part) for part in parts])


def _digest(plain: object) -> str:
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


_PLAIN = frozenset({str, int, float, bool, type(None)})
"""By far the most values are plain; they are told first, by their very type, as an enum's member is a `str` too."""


def _plain(value: object) -> object:
    if type(value) in _PLAIN:
        return value
    match value:
        case Condition():
            return value.text
        case Enum():
            return value.value
        case Mapping():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = [
                field.name
                for field in dataclasses.fields(value)
                if field.compare and not (field.name in _ABSENT_WHEN_NONE and getattr(value, field.name) is None)
            ]
            return {"is": type(value).__name__, **{name: _plain(getattr(value, name)) for name in fields}}
        case _:
            return value
