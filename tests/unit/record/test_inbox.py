from __future__ import annotations

import os
import resource
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as changed

from homeostat.model.answers import Answer, AnswerKind
from homeostat.model.drill_entries import DrillRan
from homeostat.model.errors import JournalWriteError, UsageError
from homeostat.model.feedback import Feedback
from homeostat.record.inbox import ANSWERS_MAX, FolderInbox, put

ANSWER = Answer("a1", AnswerKind.APPROVE, "dana", 5.0, "i1", "restore", note="looked at it", plan="h")

SURVEY = Feedback("i1", 5, 4, 3)
RAN = DrillRan(at=5.0, fault="auth_hung", began_at=4.0, passed=True)


class Inbox(FolderInbox):
    def __init__(self, folder: Path) -> None:
        self.failures: list[str] = []
        super().__init__(folder, lambda what, error: self.failures.append(f"{what}: {error}"))


def test_what_is_put_in_is_collected_until_it_is_settled(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox")
    assert inbox.collect() == []
    put(tmp_path / "inbox", ANSWER)
    assert inbox.collect() == inbox.collect() == [ANSWER]
    inbox.settle(["a1", "never-there"])
    assert inbox.collect() == []
    assert inbox.failures == []


def test_what_was_said_first_comes_first_whatever_its_id(tmp_path: Path) -> None:
    pulled = Answer("0f", AnswerKind.PAUSE, "dana", 3.0)
    for answer in (pulled, Answer("ff", AnswerKind.PAUSE, "dana", 1.0), Answer("88", AnswerKind.RESUME, "dana", 2.0)):
        put(tmp_path, answer)
    inbox = Inbox(tmp_path)
    assert [answer.id for answer in inbox.collect()] == ["ff", "88", "0f"]
    for number in range(ANSWERS_MAX):
        put(tmp_path, Answer(f"0{number:04}", AnswerKind.DENY, "dana", 10.0 + number, "i1", "restore"))
    assert [answer.id for answer in inbox.collect()][:3] == ["ff", "88", "0f"], "the oldest is never left over"


def test_the_folder_is_its_owners_alone(tmp_path: Path) -> None:
    put(tmp_path / "inbox", ANSWER)
    assert (tmp_path / "inbox").stat().st_mode & 0o077 == 0
    assert (tmp_path / "inbox/a1.json").stat().st_mode & 0o077 == 0


def test_one_look_takes_a_bounded_number(tmp_path: Path) -> None:
    for number in range(ANSWERS_MAX + 5):
        put(tmp_path, replace(ANSWER, id=f"a{number:04}"))
    inbox = Inbox(tmp_path)
    first = inbox.collect()
    assert len(first) == ANSWERS_MAX
    inbox.settle([answer.id for answer in first])
    assert len(inbox.collect()) == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"by": ""},
        {"by": " "},
        {"by": "dana\n"},
        {"by": "d" * 65},
        {"by": "agent"},
        {"by": " Agent"},
        {"by": "dana<script>"},
        {"id": "../a"},
        {"id": ""},
        {"note": "n" * 1001},
        {"note": "two\nlines"},
        {"node": "\x1b[31m"},
        {"drill": RAN},
        {"feedback": SURVEY},
        {"kind": AnswerKind.FEEDBACK},
        {"kind": AnswerKind.FEEDBACK, "feedback": replace(SURVEY, clarity=0)},
        {"kind": AnswerKind.FEEDBACK, "feedback": replace(SURVEY, confidence=6)},
        {"kind": AnswerKind.FEEDBACK, "feedback": replace(SURVEY, note="two\nlines")},
        {"kind": AnswerKind.FEEDBACK, "feedback": replace(SURVEY, missing_step="m" * 1001)},
        {"kind": AnswerKind.DRILL},
        {"kind": AnswerKind.DRILL, "drill": changed(RAN, why="two\nlines")},
        {"kind": AnswerKind.DRILL, "drill": changed(RAN, policies={"p" * 1001: ""})},
        {"kind": AnswerKind.DRILL, "drill": changed(RAN, policies={f"p{n}": "" for n in range(51)})},
        {"kind": AnswerKind.DRILL, "drill": changed(RAN, policies={f"p{n}": "h" * 999 for n in range(20)})},
    ],
)
def test_what_no_answer_may_say_is_refused_on_both_sides(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        put(tmp_path / "inbox", replace(ANSWER, **changes))  # type: ignore[arg-type]  # fields of an answer
    assert not (tmp_path / "inbox").exists()


def test_a_file_that_is_no_answer_is_set_aside_and_told_once(tmp_path: Path) -> None:
    put(tmp_path, ANSWER)
    (tmp_path / "b.json").write_text('{"id": "b"}')
    (tmp_path / "c.json").mkdir()
    inbox = Inbox(tmp_path)
    assert inbox.collect() == [ANSWER]
    assert inbox.collect() == [ANSWER]
    assert len(inbox.failures) == 2


def test_a_pipe_in_the_folder_does_not_stop_the_agent(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    put(tmp_path, replace(ANSWER, id="b1"))
    inbox = Inbox(tmp_path)
    assert [answer.id for answer in inbox.collect()] == ["b1"]
    assert len(inbox.failures) == 1


def test_a_link_out_of_the_folder_is_read_as_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("not an answer")
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox/x.json").symlink_to(tmp_path / "secret")
    assert Inbox(tmp_path / "inbox").collect() == []
    assert (tmp_path / "secret").read_text() == "not an answer"


def test_of_an_answer_that_the_disk_takes_only_a_part_of_nothing_is_left(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, before[1]))
    try:
        with pytest.raises(JournalWriteError, match="cannot be written"):
            put(tmp_path, replace(ANSWER, note="n" * 1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalWriteError, match="cannot be written"):
        put(tmp_path / "file/inbox", ANSWER)
