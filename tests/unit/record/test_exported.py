from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from homeostat.app.recordings import journal_of_recordings
from homeostat.model.entries import AgentStarted
from homeostat.model.errors import PolicyError
from homeostat.model.ports import Batch
from homeostat.record import exported, lines
from homeostat.record.export import export_journal
from homeostat.record.exported import read_export
from homeostat.record.memory import MemoryJournal

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> MemoryJournal:
    folder = tmp_path_factory.mktemp("history")
    for number in (1, 2):
        name = f"payments-5xx-00{number}.jsonl"
        (folder / name).write_bytes((ROOT / "history" / name).read_bytes())
    journal = journal_of_recordings(folder)
    assert isinstance(journal, MemoryJournal)
    journal.append([Batch("agent", 0, [AgentStarted(at=1.0, agent="a", version="1", seed=1)])])
    return journal


@pytest.fixture(scope="module")
def exported_lines(journal: MemoryJournal) -> list[str]:
    return list(export_journal(journal))


def _file(path: Path, exported_lines: list[str]) -> Path:
    text = "".join(line + "\n" for line in exported_lines).encode()
    path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)
    return path


@pytest.mark.parametrize("name", ["journal.jsonl", "journal.jsonl.gz"])
def test_an_export_comes_back_as_the_journal_it_was(
    name: str, tmp_path: Path, journal: MemoryJournal, exported_lines: list[str]
) -> None:
    read = read_export(_file(tmp_path / name, exported_lines))
    assert list(export_journal(read)) == exported_lines
    assert read.incidents() == journal.incidents()
    assert read.verify() == []


def test_a_changed_body_is_found(tmp_path: Path, exported_lines: list[str]) -> None:
    changed = [*exported_lines]
    changed[5] = changed[5].replace('"value":', '"value":1', 1)
    assert changed[5] != exported_lines[5]
    _refused(_file(tmp_path / "x.jsonl", changed), 6, "R110")


def test_a_changed_header_is_found(tmp_path: Path, exported_lines: list[str]) -> None:
    line = json.loads(exported_lines[3])
    changed = [*exported_lines[:3], json.dumps({**line, "code_version": "9"}), *exported_lines[4:]]
    _refused(_file(tmp_path / "x.jsonl", changed), 4, "R110")


def test_a_missing_line_is_found(tmp_path: Path, exported_lines: list[str]) -> None:
    _refused(_file(tmp_path / "x.jsonl", [*exported_lines[:4], *exported_lines[5:]]), 5, "R110")


def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    _refused(_file(tmp_path / "x.jsonl", ['{"format":"homeostat-recording"}']), 1, "R102")


def test_a_packed_file_that_is_cut_off_or_damaged_is_refused(tmp_path: Path, exported_lines: list[str]) -> None:
    path = _file(tmp_path / "x.jsonl.gz", exported_lines)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PolicyError, match="R108 what is packed here is cut off or damaged"):
        read_export(path)
    path.write_bytes(b"no gzip")
    _refused(path, 1, "R108")


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_one_that_holds_nothing_is_cut_off_and_no_quiet_history(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    _refused(tmp_path / name, 1, "R108")
    _refused(_file(tmp_path / name, []), 1, "R108")


def test_a_small_file_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * (lines.LINE_BYTES_MAX + 1)))
    assert path.stat().st_size < 10_000
    _refused(path, 1, "R105")
    path.write_bytes(gzip.compress(b'{"stream": 1}\n' * 3))
    monkeypatch.setattr(lines, "FILE_BYTES_MAX", 10)
    _refused(path, 1, "R105")


def test_too_many_records_are_refused(
    tmp_path: Path, exported_lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exported, "RECORDS_MAX", 3)
    _refused(_file(tmp_path / "x.jsonl", exported_lines), 4, "R105")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    _refused(tmp_path / "none.jsonl.gz", 1, "R101")


def _refused(path: Path, line: int, code: str) -> None:
    with pytest.raises(PolicyError) as refused:
        read_export(path)
    (problem,) = refused.value.problems
    assert (problem.position.line, problem.code) == (line, code)
