"""The commands of docs/operations/journal.md, run in the order they are shown; the faults it explains are real ones."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from tests.contract.journal_contract import changed, closed, ended, intended, suspected

from homeostat.cli import main
from homeostat.model.ports import Batch
from homeostat.record.sqlite import SqliteJournal

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/operations/journal.md").read_text()
PROGRAM = str(Path(sys.executable).with_name("homeostat"))
OUTPUT = b"restarted\n"
OUT_OF_REACH = 3

pytestmark = pytest.mark.timeout(120)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with the page's settings, a Prometheus that is not there, and one old incident."""
    folder = tmp_path / "w"
    (folder / "policies").mkdir(parents=True)
    (folder / "state").mkdir()
    shutil.copy(ROOT / "policies/payments-5xx.homeostat.yaml", folder / "policies")
    for name in ("actions.yaml", "signals.yaml"):
        shutil.copy(ROOT / "policies" / name, folder / "policies")
    nowhere = '[prometheus]\nurl = "http://127.0.0.1:9"\ntimeout_s = 0.5\n[agent]\nlisten = "127.0.0.1:0"\n'
    (folder / "homeostat.toml").write_text(nowhere + "".join(blocks("toml")))
    digest = sha256(OUTPUT).hexdigest()
    with closing(SqliteJournal(folder / "state/journal.sqlite")) as journal:
        outcome = msgspec.structs.replace(ended("i/n/1"), output_sha256=digest)
        journal.append([Batch("i", 0, [suspected("i"), changed(), intended("i/n/1"), outcome, closed()])])
        journal.append([Batch("agent", 0, [changed()])])
        journal.keep(digest, OUTPUT, bytes_total=len(OUTPUT), truncated=False, at=3.0)
    return folder


def run(command: str, folder: Path) -> tuple[int, str]:
    program, *arguments = shlex.split(command)
    if program in ("cp", "mkdir", "mv"):
        return subprocess.run([program, *arguments], cwd=folder, check=False).returncode, ""
    assert program == "homeostat"
    if arguments[0] == "run":
        told = subprocess.run(
            [PROGRAM, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
        )
        return told.returncode, told.stdout + told.stderr
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    return result.exit_code, result.output


def test_what_is_shown_works_in_the_order_it_is_shown(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    commands = [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()]
    told: dict[str, str] = {}
    for command in commands:
        code, output = run(command, workspace)
        assert code == (OUT_OF_REACH if command.startswith("homeostat pause") else 0), f"{command}\n{output}"
        told[command] = output
    assert len(commands) >= 18
    assert "BEGIN PUBLIC KEY" in told["homeostat audit keygen"]
    assert "6 records, 1 incidents, 1 anchors: no fault found" in told["homeostat audit verify"]
    given = told["homeostat audit verify --anchors auditor/anchors.jsonl --public-key auditor/anchor.pub"]
    assert "unchecked" not in given, given
    assert "restored" in told["homeostat restore auditor/journal-backup.sqlite"]
    assert "holds as soon as one runs" in told['homeostat pause --note "restored from a backup" --wait 0']
    assert "1 incidents, 5 records, read back and verified" in told["homeostat archive write"].replace("\n", " ")
    assert told["homeostat archive prune"].startswith("removed 1 outputs")
    with closing(SqliteJournal(workspace / "state/journal.sqlite", read_only=True)) as journal:
        assert journal.artifact(sha256(OUTPUT).hexdigest()) is None
        assert journal.verify() == []
        kinds = [record.entry.TYPE for record in journal.read("agent")]
        assert kinds[-1] == "agent.stopped"
        assert "agent.paused" in kinds, "the kill switch was pulled before the first turn"
        anchor = journal.last_anchor()
        assert anchor is not None
        assert anchor.position == journal.position(), "the agent anchors what it wrote last"
    exported = (workspace / "auditor/anchors.jsonl").read_text().splitlines()
    assert f'"position":{anchor.position},' in exported[-1]


def test_an_audit_that_finds_a_fault_says_so_and_exits_with_1(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    run("homeostat audit keygen", workspace)
    run("homeostat audit anchor", workspace)
    with closing(SqliteJournal(workspace / "state/journal.sqlite")) as journal:
        connection = journal._writing()
        (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'journal_refuses_delete'").fetchone()
        connection.executescript("DROP TRIGGER journal_refuses_delete; DELETE FROM journal WHERE stream = 'agent';")
        connection.execute(sql)
    result = CliRunner().invoke(main, ["-o", "json", "audit", "verify"])
    assert result.exit_code == 1
    faults = [row["message"] for row in msgspec.json.decode(result.stdout) if row["kind"] == "fault"]
    assert len(faults) == 2
    assert "the last record is at position 5, but 6 were written" in faults[0]
    assert "the newest were cut off" in faults[1]
    code, output = run("homeostat backup copy.sqlite", workspace)
    assert code == 3
    assert "nothing was backed up" in output


def test_a_workspace_without_keys_is_told_what_could_not_be_checked(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    (workspace / "homeostat.toml").write_text("")
    result = CliRunner().invoke(main, ["audit", "verify"])
    assert result.exit_code == 0
    for what in (
        "no exported anchors were given",
        "no public key was given",
        "after position 0, of 6, are in no anchor",
        "`homeostat audit keygen` makes the key",
    ):
        assert what in result.output
    code, output = run("homeostat audit anchor", workspace)
    assert (code, "`homeostat audit keygen` makes one" in output) == (2, True)
    code, output = run("homeostat audit export agnet", workspace)
    assert (code, "did you mean 'agent'" in output) == (2, True)
    code, output = run("homeostat audit verify --anchors homeostat.toml", workspace)
    assert (code, "there is no anchor in this file" in output) == (2, True)
    code, output = run("homeostat audit verify --journal auditor/nowhere.sqlite", workspace)
    assert (code, "auditor/nowhere.sqlite: there is no such file" in output) == (2, True)


EXPLAINED = re.findall(r"^\| `([^`]+)` \|", DOCUMENT, re.MULTILINE)


@pytest.mark.parametrize("fault", EXPLAINED)
def test_a_fault_the_page_explains_is_one_that_is_told(fault: str) -> None:
    sources = " ".join(path.read_text() for path in (ROOT / "agent/homeostat/record").glob("*.py"))
    joined = re.sub(r'"\s*f?"', "", sources)  # a sentence may be written in several literals
    assert fault in joined
