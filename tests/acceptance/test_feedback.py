"""The team's survey through the command line, where no agent runs; `test_people` has one beside an agent."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from tests.acceptance.command_line import homeostat
from tests.unit.learn.incident_streams import Stream

from homeostat.app.feedback import feedback_of
from homeostat.cli import main
from homeostat.model.entries import FeedbackGiven
from homeostat.model.feedback import Feedback
from homeostat.model.ports import Batch
from homeostat.record.sqlite import SqliteJournal

RATINGS = ("--clarity", "5", "--usability", "4", "--confidence", "3")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    (tmp_path / "homeostat.toml").write_text('[prometheus]\nurl = "http://127.0.0.1:9"\n')
    journal = SqliteJournal(tmp_path / "state/journal.sqlite")
    streams = [Stream("p-0001").confirm().attempt("restart").close(), Stream("p-0002").confirm()]
    for stream in streams:
        journal.append([Batch(stream.id, None, stream.entries)])
    journal.close()
    return tmp_path


def given(folder: Path, incident: str) -> list[FeedbackGiven]:
    journal = SqliteJournal(folder / "state/journal.sqlite", read_only=True)
    try:
        return feedback_of(journal, incident)
    finally:
        journal.close()


@pytest.mark.parametrize("incident", ["p-0001", "p-0002"])
def test_without_an_agent_it_is_journalled_at_once_for_an_incident_that_is_over_or_open(
    workspace: Path, incident: str
) -> None:
    words = ("--note", "<b>went well</b>", "--missing-step", "call the bank", "--as", "dana")
    told = homeostat(workspace, "--json", "feedback", incident, *RATINGS, *words)
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)[0]["by"] == "dana"
    (said,) = given(workspace, incident)
    assert said.feedback == Feedback(incident, 5, 4, 3, "<b>went well</b>", "", "call the bank")
    assert homeostat(workspace, "audit", "verify").returncode == 0


def test_of_a_persons_answers_the_newest_counts_and_others_stand_beside_it(workspace: Path) -> None:
    for name, clarity in (("dana", "1"), ("eli", "2"), ("Dana ", "4")):
        told = homeostat(workspace, "feedback", "p-0001", *RATINGS[2:], "--clarity", clarity, "--as", name)
        assert told.returncode == 0, told.stderr
    assert [(entry.by, entry.feedback.clarity) for entry in given(workspace, "p-0001")] == [("eli", 2), ("Dana ", 4)]
    journal = SqliteJournal(workspace / "state/journal.sqlite", read_only=True)
    assert len(list(journal.since(0.0, {FeedbackGiven.TYPE}))) == 3, "nothing that was said is lost"
    journal.close()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("p-0003", *RATINGS), "no incident 'p-0003'; did you mean 'p-000"),
        (("p-000", *RATINGS), "begins 2 incidents"),
        (("p-0001", *RATINGS[:4]), "give --confidence too"),
        (("p-0001", *RATINGS[2:], "--clarity", "6"), "1<=x<=5"),
        (("p-0001", *RATINGS, "--as", "agent"), "say who you are"),
        (("p-0001", *RATINGS, "--note", "a\nb"), "without line breaks"),
        (("p-0001", *RATINGS, "--note", "a" * 1001), "at most 1000"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_journalled(
    workspace: Path, arguments: tuple[str, ...], told: str
) -> None:
    said = homeostat(workspace, "feedback", *arguments)
    assert said.returncode == 2
    assert told in said.stderr
    assert given(workspace, "p-0001") == []


def test_on_a_terminal_it_asks_and_asks_again_for_what_is_wrong(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, terminal = os.openpty()
    monkeypatch.chdir(workspace)
    with open(ours, "wb", buffering=0) as typed, open(terminal) as stdin:  # noqa: PTH123 - descriptors
        typed.write(b"7\n5\n4\n3\n\nwarn the bank\nfine\n")
        monkeypatch.setattr(sys, "stdin", stdin)
        main(["feedback", "p-0001", "--as", "dana"], standalone_mode=False)
    assert "Was it clear" in capsys.readouterr().out
    (said,) = given(workspace, "p-0001")
    assert said.feedback == Feedback("p-0001", 5, 4, 3, note="fine", missing_step="warn the bank")
