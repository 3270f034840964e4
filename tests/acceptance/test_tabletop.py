"""`drill tabletop`, `drill due` and `drill list` as users run them, and what docs/tabletop.md shows."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.command_line import homeostat
from tests.acceptance.people_workspace import PROGRAM

from homeostat.model.entries import DrillRan
from homeostat.record.sqlite import SqliteJournal

PAGE = (Path(__file__).parents[2] / "docs/tabletop.md").read_text()
POOL = "the pool is full, a bigger one cures"
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new workspace whose policy has the page's schedule, beside the page's answers."""
    folder = tmp_path_factory.mktemp("made") / "w"
    assert homeostat(folder.parent, "init", "w").returncode == 0
    policy = folder / "policies/payments-5xx.homeostat.yaml"
    (schedule,) = re.findall(r"^drills: .*$", PAGE, re.MULTILINE)
    policy.write_text(policy.read_text().replace("\nowner:", f"\n{schedule}\nowner:", 1))
    (answers,) = re.findall(r"# answers\.yaml\n(.*?)```", PAGE, re.DOTALL)
    (folder / "answers.yaml").write_text(answers)
    return folder


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "w")


def drills_in(folder: Path) -> list[DrillRan]:
    path = folder / "state/journal.sqlite"
    if not path.exists():
        return []
    journal = SqliteJournal(path, read_only=True)
    found = [record.entry for record in journal.read("agent") if isinstance(record.entry, DrillRan)]
    journal.close()
    return found


def test_what_the_page_shows_runs_and_says_so(workspace: Path) -> None:
    assert homeostat(workspace, "drill", "due").returncode == 1, "never drilled is due at once"
    blocks = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    (alone, *others) = [
        shlex.split(line.removeprefix("$ homeostat ")) for block in blocks for line in block.splitlines()
    ]
    nothing = homeostat(workspace, *alone)
    assert (nothing.returncode, drills_in(workspace)) == (2, [])
    assert "there is no terminal to ask at; --answers FILE" in nothing.stderr
    said = ""
    for words in others:
        ran = homeostat(workspace, *words)
        assert ran.returncode == 0, f"{words}: {ran.stdout}{ran.stderr}"
        said += ran.stdout
    assert "anna passed" in said
    assert "(which graph shows the pool?)" in said
    assert "W241" not in said
    (sample,) = re.findall(r"```\n(Question 2 of 9.*?)```", PAGE, re.DOTALL)
    nine = workspace / "nine.json"
    nine.write_text(json.dumps([{"do": "nothing"}] * 9))
    talk = homeostat(workspace, *alone, "--answers", str(nine))
    assert talk.returncode == 1
    shown = [line for line in sample.splitlines() if not line.startswith(("what do", "comment", "  =>"))]
    assert [line for line in shown if line not in talk.stdout.splitlines()] == []


def test_figures_go_to_programs_and_the_talk_to_people(workspace: Path) -> None:
    words = ("drill", "tabletop", "payments-5xx", "--scenario", POOL, "--as", "anna", "--answers")
    (workspace / "wrong.yaml").write_text("- {do: bigger_pool}\n- {do: [bigger_pool, degraded_mode], took: 2h}\n")
    ran = homeostat(workspace, "-o", "json", *words, "wrong.yaml")
    assert ran.returncode == 1
    (row,) = json.loads(ran.stdout)
    assert (row["passed"], row["agrees"], row["differs"], row["forbidden"], row["whole_s"]) == (False, 0, 1, 1, 7500.0)
    assert "it takes 2h5m, and the rto is 1h30m" in row["why"]
    assert "degraded_mode: its condition auth_up < 90% is not true" in ran.stderr
    due = homeostat(workspace, "-o", "json", "drill", "due", "policies/payments-5xx.homeostat.yaml")
    assert due.returncode == 1
    (standing,) = json.loads(due.stdout)
    assert (standing["state"], standing["due"], standing["passed"], standing["plan"]) == ("overdue", "now", False, None)
    assert "W241 no drill of it was ever passed" in homeostat(workspace, "lint", "--journal").stdout
    assert "W241" not in homeostat(workspace, "lint").stdout
    assert "no agent has loaded a policy here yet" in homeostat(workspace, "explain").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["payments-5x"], "did you mean 'payments-5xx'"),
        (["payments-5xx", "--scenario", "the pool is full"], f"did you mean '{POOL}'"),
        (["payments-5xx", "--scenario", "exactly 5% is not an incident"], "is never true in it"),
        (["payments-5xx", "--scenario", POOL, "--incident", "x"], "give one"),
        (["payments-5xx", "--incident", "x"], "no journal yet"),
        (["payments-5xx", "--as", "agent"], "say who you are"),
        (["payments-5xx", "--scenario", POOL, "--answers", "none.yaml"], "none.yaml"),
        (["payments-5xx", "--world", "none.yaml"], "none.yaml"),
        (["shop-restore", "--scenario", POOL], "has no test"),
    ],
)
def test_what_cannot_be_held_is_refused_and_nothing_is_journalled(made: Path, words: list[str], said: str) -> None:
    ran = homeostat(made, "drill", "tabletop", *words)
    assert ran.returncode == 2, ran.stdout
    assert said in ran.stderr
    assert drills_in(made) == []


def test_recorded_and_simulated_incidents_are_scenarios_too(workspace: Path) -> None:
    """The shortest file is refused with the number of questions, so it tells of them."""
    (workspace / "one.yaml").write_text("- {do: other}\n")
    recorded = min((workspace / "history").glob("payments-5xx-*.jsonl"))
    world = ("--world", "policies/payments-5xx.world.yaml", "--number", "3")
    for words in (("--incident", str(recorded)), world):
        said = homeostat(workspace, "drill", "tabletop", "payments-5xx", *words, "--answers", "one.yaml").stderr
        counted = re.search(r"1 answers are given, and (\d+) questions are asked", said)
        assert counted is not None, said
        (workspace / "all.json").write_text(json.dumps([{"do": "nothing"}] * int(counted[1])))
        ran = homeostat(workspace, "drill", "tabletop", "payments-5xx", *words, "--answers", "all.json")
        assert ran.returncode == 1, ran.stderr
        assert "not passed:" in ran.stdout
    assert [one.fault.split(",")[0].split()[0] for one in drills_in(workspace)] == ["incident", "payments-5xx"]


def read_until(terminal: int, wanted: str) -> str:
    """What a program writes to its terminal, up to something."""
    seen = ""
    while wanted not in seen:
        assert select.select([terminal], [], [], PATIENCE_S)[0], f"no '{wanted}' after: {seen}"
        seen += os.read(terminal, 4096).decode()
    return seen


@pytest.fixture
def _ctrl_c_is_heard() -> Iterator[None]:
    """A shell's background jobs ignore SIGINT, and so would what they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c_is_heard")
def test_at_a_terminal_ctrl_c_keeps_what_was_answered(workspace: Path) -> None:
    terminal, its_end = pty.openpty()
    words = [PROGRAM, "drill", "tabletop", "payments-5xx", "--scenario", POOL, "--as", "anna"]
    asked = subprocess.Popen(
        words, cwd=workspace, stdin=its_end, stdout=its_end, stderr=its_end, env={**os.environ, "NO_COLOR": "1"}
    )
    os.close(its_end)
    try:
        read_until(terminal, "(? lists the steps): ")
        os.write(terminal, b"bigger_pol\n")
        assert "did you mean 'bigger_pool'?" in read_until(terminal, "(? lists the steps): ")
        os.write(terminal, b"n\n")
        read_until(terminal, "comment: ")
        os.write(terminal, b"wait for the window\n")
        assert "=> agrees" in read_until(terminal, "(? lists the steps): ")
        seen = ""
        while "interrupted; kept: 1 of 2 answers" not in seen:
            asked.send_signal(signal.SIGINT)  # several: a signal just before the read is heard with the next
            seen += os.read(terminal, 4096).decode() if select.select([terminal], [], [], 0.5)[0] else ""
        assert asked.wait(PATIENCE_S) == 130
    finally:
        asked.kill()
        asked.wait(PATIENCE_S)
        os.close(terminal)
    (ran,) = drills_in(workspace)
    assert (ran.passed, ran.why, ran.people) == (False, "interrupted after 1 of 2 questions", ("anna",))
    assert [(one.picked, one.comment) for one in ran.answers] == [(("nothing",), "wait for the window")]
