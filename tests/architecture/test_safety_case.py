"""Every piece of evidence that the safety case names is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/safety-case.md").read_text()


def test_the_evidence_is_there() -> None:
    rows = [line for line in PAGE.partition("## What it does not show")[0].splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10
    for row in rows:
        evidence = re.findall(r"`((?:tests|benchmarks|agent)/[\w/.]+)(?:::(\w+))?`", row)
        assert evidence, row
        for path, name in evidence:
            assert (ROOT / path).is_file(), path
            assert not name or re.search(rf"^\s*def {name}\(", (ROOT / path).read_text(), re.MULTILINE), (
                f"{path}::{name}"
            )
