"""Rows on a terminal: nothing that somebody reads or copies is broken into pieces."""

from __future__ import annotations

import pytest

from homeostat.cli.output import Output, Row

ROW: Row = {"incident": "019b774a-9458-7f15-81ae-a5c3528de0ce", "actions": "auth.restart", "clean_s": 4.5, "why": None}


def printed(rows: int, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    output = Output("table", no_color=True)
    output.color = True  # as on a terminal
    output.rows([ROW] * rows, tuple(ROW))
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_one_row_too_wide_is_read_from_above_to_below(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    down = [f"INCIDENT {ROW['incident']}", "ACTIONS auth.restart", "CLEAN_S 4.5", "WHY -"]
    assert printed(1, 60, monkeypatch, capsys) == down
    across = [f"{ROW['incident']} auth.restart 4.5 -"]
    assert printed(1, 80, monkeypatch, capsys)[1:] == across
    assert printed(2, 80, monkeypatch, capsys)[1:] == across * 2
    assert printed(2, 40, monkeypatch, capsys)[1:] == across * 2, "the terminal goes on below; no word is broken"
