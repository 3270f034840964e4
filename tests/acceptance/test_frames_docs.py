"""docs/frames.md describes the frames that there are, and what it shows runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from homeostat.learn import columns

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/frames.md").read_text()
FRAMES: Mapping[str, Mapping[str, Any]] = {
    "incidents()": columns.INCIDENT_DTYPES,
    "attempts()": columns.ATTEMPT_DTYPES,
    "decisions()": columns.DECISION_DTYPES,
    "options()": columns.OPTION_DTYPES,
    "rankings()": columns.RANKING_DTYPES,
    "rankings_history()": columns.RANKING_EVENT_DTYPES,
    "calibration()": columns.RELIABILITY_DTYPES,
    "simulate(policy)": columns.REPLAY_DTYPES,
}


@pytest.mark.parametrize("call", FRAMES)
def test_every_column_is_described_with_its_dtype_and_in_its_place(call: str) -> None:
    (section,) = re.findall(rf"^## [^\n]+: `{re.escape(call)}`\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", section, re.MULTILINE)
    assert [(name, dtype) for name, dtype, _ in rows] == [(name, str(dtype)) for name, dtype in FRAMES[call].items()]
    assert all(len(meaning.split()) > 0 for *_, meaning in rows)


def test_the_version_of_the_frames_is_the_codes() -> None:
    assert f"This is version {columns.SCHEMA_VERSION} of the frames" in PAGE


def test_what_the_page_shows_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (shown,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(shown, "docs/frames.md", "exec"), names)
    assert len(names["incidents"]) == len(list((ROOT / "history").glob("*.jsonl")))
    assert list(names["decisions"])[: len(columns.DECISION_DTYPES)] == list(columns.DECISION_DTYPES)
    assert {"signal:http_5xx", "age_s:http_5xx"} <= set(names["decisions"])
