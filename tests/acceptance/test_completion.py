"""Completion as people get it: the script in a real bash, words on its line, and TAB."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.acceptance.command_line import homeostat
from tests.unit.learn.incident_streams import Stream

from homeostat.cli import COMMANDS
from homeostat.cli.completing import SUFFIX
from homeostat.model.ports import Batch
from homeostat.policy import load
from homeostat.record.sqlite import SqliteJournal

PROGRAM = Path(sys.executable).with_name("homeostat")
INCIDENT = "01a2230d-1c0a-7be2-a8a2-0ff63bb043ac"
PRESS_TAB = """\
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
compopt() { echo "files"; }
_homeostat_completion homeostat "${COMP_WORDS[COMP_CWORD]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completion") / "w"
    homeostat(folder.parent, "init", "--empty", str(folder))
    for name in ("OrdersFail", "payments"):
        (folder / "policies" / f"{name}{SUFFIX}").write_text("not read for this")
    (folder / "script").write_text(homeostat(folder, "completion", "bash").stdout)
    return folder


def offered(folder: Path, *words: str, program: Path = PROGRAM) -> list[str]:
    """What bash offers after `homeostat WORDS` and TAB."""
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    told = subprocess.run(
        ["bash", "--norc", "-c", PRESS_TAB, "bash", "./script", "homeostat", *words],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert told.stderr == ""
    return told.stdout.split()


def test_commands_options_and_choices_are_offered(workspace: Path) -> None:
    assert offered(workspace, "") == list(COMMANDS)
    assert offered(workspace, "rankings", "pro") == ["promote"]
    assert offered(workspace, "run", "--mode", "a") == ["approve", "auto"]
    assert "--coverage" in offered(workspace, "test", "--co")


def test_policies_are_offered_by_the_names_of_their_files(workspace: Path) -> None:
    assert SUFFIX == load.SUFFIX, "said twice, since the other one is heavy to import"
    assert offered(workspace, "simulate", "") == ["OrdersFail", "payments"]
    assert offered(workspace, "rankings", "show", "O") == ["OrdersFail"]
    assert offered(workspace, "graph", "policies/") == ["files"]
    (workspace / "elsewhere.toml").write_text('[agent]\npolicies = "nowhere"\n')
    assert offered(workspace, "-c", "elsewhere.toml", "graph", "O") == ["files"]


def test_incidents_are_offered_where_there_is_a_journal(workspace: Path) -> None:
    assert offered(workspace, "explain", "") == []
    (workspace / "state").mkdir()
    with closing(SqliteJournal(workspace / "state/journal.sqlite")) as journal:
        journal.append([Batch(INCIDENT, 0, Stream(INCIDENT, 1.0).confirm().entries)])
    assert offered(workspace, "explain", "01a") == [INCIDENT]
    assert offered(workspace, "approve", "") == [INCIDENT]
    assert offered(workspace, "explain", "no") == []


def test_a_wrong_workspace_offers_nothing_and_says_nothing(workspace: Path, tmp_path: Path) -> None:
    shutil.copy(workspace / "script", tmp_path)
    (tmp_path / "homeostat.toml").write_text("this is [not TOML")
    assert offered(tmp_path, "explain", "") == []
    assert offered(tmp_path, "graph", "") == ["files"]


def test_names_of_policies_cost_no_heavy_import(workspace: Path) -> None:
    code = (
        "import sys\nfrom homeostat.cli import main\n"
        "try:\n    main(prog_name='homeostat', complete_var='_HOMEOSTAT_COMPLETE')\nexcept SystemExit:\n    pass\n"
        "heavy = {'pandas', 'sqlalchemy', 'numpy', 'pydantic', 'yaml', 'requests'} & set(sys.modules)\n"
        "sys.exit(f'completion imports {sorted(heavy)}' if heavy else 0)\n"
    )
    asked = {"_HOMEOSTAT_COMPLETE": "bash_complete", "COMP_WORDS": "homeostat simulate ", "COMP_CWORD": "2"}
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=workspace,
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (told.returncode, told.stdout.split()) == (0, ["plain,OrdersFail", "plain,payments"]), told.stderr


@pytest.mark.parametrize(("shell", "check"), [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")])
def test_each_script_is_one_that_its_shell_can_read(workspace: Path, tmp_path: Path, shell: str, check: str) -> None:
    script = tmp_path / shell
    script.write_text(homeostat(workspace, "completion", shell).stdout)
    assert "_HOMEOSTAT_COMPLETE" in script.read_text()
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not on the PATH")
    subprocess.run([shell, check, script], check=True, timeout=30)


def test_a_folder_that_cannot_be_written_gets_no_pages(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = homeostat(tmp_path, "man", "file/man1")
    assert (told.returncode, "cannot be written" in told.stderr) == (2, True)
