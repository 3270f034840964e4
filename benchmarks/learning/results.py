"""Results on disk: a line of JSON for each method, world and seed; the last one counts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Key = tuple[str, str, int]
"""Method, world, seed."""


@dataclass(frozen=True)
class Results:
    """The lines of one file that are of these rules.

    Args:
        file: appended to, line by line, so that an interrupted run goes on.
        rules: a digest; lines with another one are passed over.
    """

    file: Path
    rules: str

    def read(self) -> dict[Key, dict[str, Any]]:
        if not self.file.exists():
            return {}
        rows = [_row(line) for line in self.file.read_text("utf-8").splitlines()]
        return {(row["method"], row["world"], row["seed"]): row for row in rows if row.get("rules") == self.rules}

    def add(self, lines: Iterable[str]) -> None:
        rows = [json.dumps({**json.loads(line), "rules": self.rules}) for line in lines]
        text = "\n" + "\n".join(rows) + "\n"  # a line that was cut off may stand before
        with self.file.open("a", encoding="utf-8") as file:
            file.write(text)  # at once: other processes append to it too


def _row(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:  # the end of a run that was interrupted while it wrote
        return {}
    return row if isinstance(row, dict) else {}
