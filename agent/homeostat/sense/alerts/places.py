"""Places in a payload, as settings write them: `payload.title`, `alert.items[0].name`, `payload.fields[key=team]`.

`payload` is the whole of a delivery, `alert` one alert of it. `[0]` takes an item of a list by its number from 0,
`[KEY=VALUE]` the first object in a list whose KEY is VALUE.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ROOTS = ("payload", "alert")
STEPS_MAX = 16
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d{1,6})\]|\[([^=\[\]]+)=([^\[\]]*)\]", re.ASCII)
_UNFILLED = re.compile(r"\$[A-Z][A-Z0-9_]*|\*insert [^*]*\*|null", re.ASCII)
"""What is left of a template where the sender had nothing to fill in."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a payload. `root`: `payload` or `alert`; `steps`: keys, numbers, and (key, value) to look for."""

    root: str
    steps: tuple[str | int | tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read a place. Raises ValueError."""
        root = next((root for root in ROOTS if re.match(rf"{root}(?=[.\[]|\Z)", text)), None)
        if root is None:
            raise ValueError(f"{text!r} is no place: it begins with 'payload' or 'alert', as payload.title does")
        steps: list[str | int | tuple[str, str]] = []
        at = len(root)
        while at < len(text):
            found = _STEP.match(text, at)
            if found is None or len(steps) == STEPS_MAX:
                what = "goes too deep" if found else f"cannot be read from {text[at:]!r} on"
                raise ValueError(
                    f"the place {text!r} {what}; write it like payload.items[0].name or payload.fields[key=x]"
                )
            key, number, wanted, value = found.groups()
            steps.append(key if key is not None else int(number) if number is not None else (wanted, value))
            at = found.end()
        return cls(root, tuple(steps))

    def of(self, value: Any) -> Any:
        """What stands there below its root; None where nothing does."""
        for step in self.steps:
            value = _below(value, step)
            if value is None:
                return None
        return None if isinstance(value, str) and _UNFILLED.fullmatch(value) else value


def _below(value: Any, step: str | int | tuple[str, str]) -> Any:
    if isinstance(step, str):
        return value.get(step) if isinstance(value, Mapping) else None
    if not isinstance(value, list):
        return None
    if isinstance(step, int):
        return value[step] if step < len(value) else None
    key, wanted = step
    return next((item for item in value if isinstance(item, dict) and item.get(key) == wanted), None)
