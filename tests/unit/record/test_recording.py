from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.model.entries import ActionEnded, Closed, Entry, Observed
from homeostat.model.errors import PolicyError, UsageError
from homeostat.model.ports import Batch
from homeostat.model.ranking import (
    Candidate,
    Feature,
    LatentModel,
    LinearModel,
    NodeRanking,
    Ranking,
    Stack,
    Uncertainty,
)
from homeostat.model.reasons import AttemptVerdict, Result
from homeostat.model.signals import SignalSpec, SignalType
from homeostat.record import lines, recording
from homeostat.record.memory import MemoryJournal
from homeostat.record.recording import Recording, read_recording, read_recordings, write_recording

Make = Callable[[str], list[Entry]]
SIGNALS = {
    "errors": SignalSpec("errors", 'rate(errors{app="pay"}[1m])', 60.0),
    "pods": SignalSpec("pods", "pods", 30.0, SignalType.TEXT, "phase"),
}


def write(path: Path, entries: list[Entry]) -> Path:
    journal = MemoryJournal()
    journal.append([Batch("i1", 0, entries)])
    write_recording(journal.read("i1"), path, SIGNALS, recorded_with="0.1.0")
    return path


@pytest.fixture
def path(tmp_path: Path, make_incident: Make) -> Path:
    return write(tmp_path / "i1.jsonl", make_incident("i1"))


def edited(path: Path, number: int, change: Callable[[Any], object]) -> Path:
    lines = path.read_text().splitlines()
    line = json.loads(lines[number - 1])
    change(line)
    lines[number - 1] = json.dumps(line)
    path.write_text("\n".join(lines) + "\n")
    return path


def problem(path: Path) -> str:
    with pytest.raises(PolicyError) as caught:
        read_recording(path)
    [found] = caught.value.problems
    return str(found).replace(str(path.parent) + os.sep, "")


def test_what_is_written_is_read(path: Path, make_incident: Make) -> None:
    assert read_recording(path) == Recording(
        incident="i1",
        policy="shop",
        policy_hash="ab",
        signals=SIGNALS,
        result=Result.RECOVERED,
        recorded_with="0.1.0",
        seed=7,
        entries=tuple(make_incident("i1")),
    )
    assert read_recording(path).file == str(path)


def test_the_ranking_it_was_decided_with_comes_along(tmp_path: Path, make_incident: Make) -> None:
    node = NodeRanking(
        features=(Feature("errors", 0.1, 0.05), Feature("zone", categories=("east", "west"))),
        candidates=(Candidate("restart", 30.0, 90.0, attempts=12.5, successes=7.0),),
        members=(
            LinearModel("pooled", (0.5,), ((1.0, -2.0, 0.5, 0.0, 0.1),), ((-1.0,),)),
            LatentModel("latent", (0.0, 1.0), ((0.0,) * 5, (1.0,) * 5), ((0.25,), (0.75,))),
        ),
        stack=Stack(0.1, (0.5, 0.5)),
        uncertainty=Uncertainty((0.3,), (((1.0,) * 6,),)),
        harm_s=600.0,
    )
    ranking = Ranking("ab12", "shop", 99.5, 40, 61, {"remedy": node})
    journal = MemoryJournal()
    journal.append([Batch("i1", 0, make_incident("i1"))])
    write_recording(journal.read("i1"), tmp_path / "i1.jsonl", SIGNALS, ranking=ranking)
    assert read_recording(tmp_path / "i1.jsonl").ranking == ranking


def test_the_same_incident_gives_the_same_bytes(path: Path, tmp_path: Path, make_incident: Make) -> None:
    again = write(tmp_path / "again.jsonl", make_incident("i1"))
    assert again.read_bytes() == path.read_bytes()
    assert path.read_text().splitlines()[3] == (
        '{"seq":3,"type":"observation.condition","v":1,"at":0.0,"body":{"at":0.0,"watch":"trigger","truth":true}}'
    )


def test_snapshots_and_attempts_are_at_hand(path: Path, make_incident: Make) -> None:
    read = read_recording(path)
    assert read.snapshots() == tuple(e.snapshot for e in make_incident("i1") if isinstance(e, Observed))
    [attempt] = read.attempts()
    assert attempt.intent.action == "k8s.restart"
    assert attempt.outcome is not None
    assert attempt.outcome.exit_code == 0
    assert attempt.verdict is not None
    assert attempt.verdict.verdict is AttemptVerdict.EFFECTIVE


def test_an_attempt_may_have_no_end(tmp_path: Path, make_incident: Make) -> None:
    entries = [entry for entry in make_incident("i1") if not isinstance(entry, ActionEnded)]
    [attempt] = read_recording(write(tmp_path / "i1.jsonl", entries)).attempts()
    assert attempt.outcome is None


@pytest.mark.parametrize("kept", [0, 1, 11])
def test_only_whole_incidents_are_recorded(tmp_path: Path, make_incident: Make, kept: int) -> None:
    with pytest.raises(UsageError, match="only a whole incident that is closed can be recorded"):
        write(tmp_path / "i1.jsonl", make_incident("i1")[:kept])
    assert list(tmp_path.iterdir()) == []


def test_a_recording_that_cannot_be_written(tmp_path: Path, make_incident: Make) -> None:
    with pytest.raises(UsageError, match=r"the recording cannot be written: No such file or directory"):
        write(tmp_path / "missing" / "i1.jsonl", make_incident("i1"))


@pytest.mark.parametrize(
    ("number", "change", "expected"),
    [
        (
            1,
            lambda d: d.update(format="other"),
            "i1.jsonl:1:1: R102 this is no recorded incident: its format is 'other'",
        ),
        (1, lambda d: d.pop("format"), "i1.jsonl:1:1: R102 .*missing required field `format`"),
        (1, lambda d: d.update(version=3, recorded_with="9.0"), r"R103 a newer release \(9.0\) .* version 3 .*upgrade"),
        (1, lambda d: d.update(colour="red"), "i1.jsonl:1:1: R104 .*unknown field `colour`"),
        (1, lambda d: d.pop("signals"), "i1.jsonl:1:1: R104 .*missing required field `signals`"),
        (1, lambda d: d["signals"]["pods"].update(type="colour"), r"R104 .*Invalid enum value 'colour'"),
        (1, lambda d: d.update(result="won"), "R104 .*Invalid enum value 'won'"),
        (1, lambda d: d.update(policy="x"), "i1.jsonl:1:1: R109 the header's policy is 'x', but the first .* 'shop'"),
        (1, lambda d: d.update(seed=8), "R109 the header's seed is 8"),
        (1, lambda d: d.update(result="escalated"), "R109 the header's result is escalated, .* recovered"),
        (4, lambda d: d.update(seq=9), "i1.jsonl:4:1: R107 entry 9 stands where 3 is due"),
        (
            4,
            lambda d: d.update(type="incident.vanished"),
            "i1.jsonl:4:1: R106 entry type 'incident.vanished' is unknown",
        ),
        (4, lambda d: d.update(v=2), "i1.jsonl:4:1: R106 observation.condition is stored in version 2"),
        (4, lambda d: d.update(v=0), "R106 .*never existed"),
        (4, lambda d: d.update(at=99.0), "R106 the line's time 99.0 is not its body's, 0.0"),
        (4, lambda d: d.update(note="hi"), "i1.jsonl:4:1: R104 .*unknown field `note`"),
        (4, lambda d: d["body"].update(thruth=True), "i1.jsonl:4:1: R106 observation.condition has no field 'thruth'"),
        (4, lambda d: d["body"].update(truth="yes"), "i1.jsonl:4:1: R106 .*Expected `bool | null`"),
        (4, lambda d: d.update(body=[]), "R106 .*Expected `object`, got `array`"),
        (4, lambda d: d.update(type="incident.suspected"), "R106"),
        (8, lambda d: d["body"].update(key="other"), "i1.jsonl:8:1: R107 action.started of the action 'other'"),
    ],
)
def test_a_wrong_line_is_named(path: Path, number: int, change: Callable[[Any], object], expected: str) -> None:
    found = problem(edited(path, number, change))
    assert re.search(expected, found), found


def test_malformed_json_has_a_column(path: Path) -> None:
    lines = path.read_text().splitlines()
    lines[4] = lines[4].replace('"type"', "type")
    path.write_text("\n".join(lines) + "\n")
    assert problem(path) == (
        "i1.jsonl:5:10: R104 this is no line of a recording: JSON is malformed: object keys must be strings (byte 9)"
    )


@pytest.mark.parametrize("removed", range(2, 12))
def test_a_missing_line_is_found(path: Path, removed: int) -> None:
    lines = path.read_text().splitlines(keepends=True)
    del lines[removed - 1]
    path.write_text("".join(lines))
    assert f"i1.jsonl:{removed}:1: R107" in problem(path)


def test_swapped_lines_are_found(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    lines[5], lines[6] = lines[6], lines[5]
    path.write_text("".join(lines))
    assert "i1.jsonl:6:1: R107 entry 6 stands where 5 is due" in problem(path)


def test_every_cut_is_found(path: Path) -> None:
    """Wherever a copy stopped; the very last line end is all that may be missing."""
    content = path.read_bytes()
    for size in range(0, len(content) - 1, 7):
        path.write_bytes(content[:size])
        assert " R108 the recording is cut off" in problem(path), size
    path.write_bytes(content[:-1])
    assert read_recording(path).result is Result.RECOVERED


def test_entries_after_the_end_are_refused(path: Path) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[-1].replace('"seq":12', '"seq":13')]) + "\n")
    assert "i1.jsonl:14:1: R107 incident.closed cannot stand here" in problem(path)


@pytest.mark.parametrize(
    "content",
    [b"\x1f\x8b\x08\x00garbage\n", b"\xff\xfe{}\n", b"<html>\n", b"[]\n", b"null\n", b"\n", b'{"a":' * 100_000 + b"\n"],
)
def test_something_else_is_no_recording(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "i1.jsonl:1:" in problem(path)
    assert " R102 " in problem(path)


def test_sizes_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = path.stat().st_size
    with monkeypatch.context() as patch:
        patch.setattr(lines, "LINE_BYTES_MAX", 400)
        assert re.search(r"R105 the line is longer than 400 bytes", problem(path))
    with monkeypatch.context() as patch:
        patch.setattr(lines, "FILE_BYTES_MAX", size - 1)
        assert "i1.jsonl:13:1: R105 the file has over" in problem(path)
    monkeypatch.setattr(recording, "ENTRIES_MAX", 11)
    assert "i1.jsonl:13:1: R105 the file has over 12 lines" in problem(path)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    for name in ("pipe.jsonl", "folder.jsonl", "missing.jsonl"):
        assert f"{name}:1:1: R101 this is not a file" in problem(tmp_path / name)


def test_a_folder_gives_its_recordings_and_its_problems(path: Path, make_incident: Make) -> None:
    folder = path.parent
    (folder / "b").mkdir()
    write(folder / "b" / "i2.jsonl", make_incident("i2"))
    (folder / "a.jsonl").write_text("{}\n")
    (folder / "README.md").write_text("not a recording")
    recordings, problems = read_recordings(folder)
    assert [read.incident for read in recordings] == ["i2", "i1"]
    assert [(Path(p.position.file).name, p.code) for p in problems] == [("a.jsonl", "R102")]
    with pytest.raises(UsageError, match="there is no such folder"):
        read_recordings(folder / "c")
    with pytest.raises(UsageError, match="is no folder; recorded incidents are read by the folder"):
        read_recordings(folder / "a.jsonl")


def test_a_dismissed_incident_is_a_recording_too(tmp_path: Path, make_incident: Make) -> None:
    entries = [make_incident("i1")[0], Closed(at=1.0, result=Result.DISMISSED)]
    assert read_recording(write(tmp_path / "i1.jsonl", entries)).result is Result.DISMISSED


def test_the_format_is_documented_as_it_is() -> None:
    """The example in the documentation, closed, is a recording."""
    text = (Path(__file__).parents[3] / "history" / "README.md").read_text()
    example = text.split("```json\n")[1].split("```")[0].splitlines()
    header = json.loads(example[0])
    assert set(header) == set(recording._Header.__struct_fields__)
    assert all(set(json.loads(line)) == set(recording._Line.__struct_fields__) for line in example[1:])
    assert all(code in text for code in (f"R10{digit}" for digit in range(1, 10)))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_edit_makes_the_reader_fail_in_another_way(data: st.DataObject) -> None:
    """Any bytes in any place: a recording, or a problem with a position."""
    content = _SEED
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 30)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fuzzed.jsonl"
        path.write_bytes(content[:start] + data.draw(st.binary(max_size=12)) + content[end:])
        with contextlib.suppress(PolicyError):
            assert read_recording(path).entries


_SEED = (
    b'{"format":"homeostat-recording","version":1,"incident":"i","policy":"p","policy_hash":"h","signals":{"a":{"expr":'
    b'"up","max_age_s":9.0}},"result":"dismissed","recorded_with":"0.1.0","seed":7}\n'
    b'{"seq":1,"type":"incident.suspected","v":1,"at":1.0,"body":{"at":1.0,"incident":"i","policy":"p","policy_hash":"h"'
    b',"dedup_key":"p","seed":7}}\n'
    b'{"seq":2,"type":"incident.closed","v":1,"at":2.0,"body":{"at":2.0,"result":"dismissed"}}\n'
)
