"""Every command of these sections of docs/after-an-incident.md, run as it is shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.acceptance.command_line import homeostat
from tests.acceptance.test_readme import ROOT, commands, shown

from homeostat.model import entries as e
from homeostat.model.ports import Batch
from homeostat.model.reasons import Result
from homeostat.record.sqlite import SqliteJournal

PAGE = (ROOT / "docs/after-an-incident.md").read_text()
AT = 1_700_000_000.0


def section(title: str) -> list[list[str]]:
    (text,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    return [shlex.split(command)[1:] for block in shown(text, "console") for command in commands(block)]


def test_the_survey(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "homeostat.toml").write_text('[prometheus]\nurl = "http://127.0.0.1:9"\n')
    journal = SqliteJournal(tmp_path / "state/journal.sqlite")
    opened = e.Suspected(at=AT, incident="i-1", policy="p", policy_hash="h", dedup_key="p", seed=1)
    closed = [e.Confirmed(at=AT + 1.0), e.Recovered(at=AT + 9.0), e.Closed(at=AT + 9.0, result=Result.RECOVERED)]
    journal.append([Batch("i-1", None, [opened, *closed])])
    journal.close()
    said = [[word.replace("INCIDENT", "i-1") for word in command] for command in section("The team's survey")]
    assert len(said) == 3
    for command in said:
        told = homeostat(tmp_path, *command)
        assert told.returncode == 0, told.stderr
    (line,) = homeostat(tmp_path, "-o", "jsonl", "trends").stdout.splitlines()[-1:]
    assert '"measure": "confidence"' in line
    assert '"count": 2, "value": 3.5' in line, "dana's second answer and eli's"


def test_trends(tmp_path: Path) -> None:
    (tmp_path / "history").symlink_to(ROOT / "history")
    shown_commands = section("Trends")
    assert len(shown_commands) == 3
    for command in shown_commands:
        told = homeostat(tmp_path, *command)
        assert told.returncode == 0, told.stderr
        assert "payments-5xx" in told.stdout
    page = (tmp_path / "trends.html").read_text()
    assert page.count("<svg") == 1
    assert re.findall(r"(?:src|href)=[\"'](?!#).*?>|url\((?!#)", page) == [], "the page asks for nothing"
    unknown = homeostat(tmp_path, "trends", "payment-5xx", "--history", "history/payments-5xx-001.jsonl")
    assert unknown.returncode == 2
