"""A real agent is killed at the writes of its journal, and its disk fails: nothing lost, nothing twice.

By default some of the writes are tried. `HOMEOSTAT_TEST_KILLS=all pytest -s` kills at every statement and at every
system call that changes the journal's files, before it, after it and in its midst, and gives the figures.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from random import Random

import pytest
from tests.acceptance.crash_driver import Order
from tests.acceptance.crash_rig import CLOSED, ROOT, STARTED, Driver, Life, Telemetry, Workspace, compiled, driver

from homeostat.model import entries as e
from homeostat.model.reasons import Result

EVERY = os.environ.get("HOMEOSTAT_TEST_KILLS") == "all"
AT_ONCE = 2
ENOSPC, EROFS, EIO = 28, 30, 5
QUIET_S = 0.7
_names = count()


@pytest.fixture(scope="module")
def telemetry() -> Iterator[Telemetry]:
    with Telemetry() as telemetry:
        yield telemetry


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    return compiled(tmp_path_factory.mktemp("shim"))


@pytest.fixture(scope="module")
def drivers(shim: Path | None) -> Iterator[list[Driver]]:
    with driver(shim) as one, driver(shim) as other:
        yield [one, other]


@pytest.fixture(scope="module")
def boundaries(telemetry: Telemetry, drivers: list[Driver], tmp_path_factory: pytest.TempPathFactory) -> Life:
    """A life without a kill, which says how many boundaries there are."""
    workspace = telemetry.workspace(tmp_path_factory.mktemp("whole") / "whole")
    life = drivers[0].live(Order(str(workspace.folder)))
    assert life.status == 0
    assert_sound(workspace, [life])
    return life


def assert_sound(workspace: Workspace, lives: list[Life]) -> None:
    """All that was acknowledged is there, the incident is over, and its effect took place once."""
    assert_kept(workspace, lives)
    entries = [record.entry for record in workspace.records()]
    results = [entry.result for entry in entries if isinstance(entry, e.Closed)]
    intents = [entry.key for entry in entries if isinstance(entry, e.ActionIntended)]
    assert results == [Result.RECOVERED]
    assert workspace.effects == intents
    assert len(intents) == 1


def assert_kept(workspace: Workspace, lives: list[Life]) -> None:
    types = [record.entry.TYPE for record in workspace.records()]
    for life in lives:
        for position, acknowledged in life.acknowledged.items():
            assert types[position - len(acknowledged) : position] == acknowledged, "an acknowledged record is lost"


def killed_at(orders: Sequence[Order], workspace: Workspace, agent: Driver) -> list[Life]:
    """Kill one agent after the other as ordered, look at what each left, and let another one finish."""
    lives: list[Life] = []
    for order in (*orders, Order(str(workspace.folder))):
        closed = bool(lives) and any(isinstance(record.entry, e.Closed) for record in workspace.records())
        lives.append(agent.live(order, STARTED if closed else CLOSED))
        assert_kept(workspace, lives)
    assert lives[-1].status == 0
    assert_sound(workspace, lives)
    return lives


Kill = Mapping[str, int]


def sweep(
    kills: Sequence[Sequence[Kill]], telemetry: Telemetry, drivers: list[Driver], folder: Path
) -> Counter[int | None]:
    """Kill at each of these, several workspaces at once; give how often the agents ended how."""
    free: SimpleQueue[Driver] = SimpleQueue()
    for one in drivers:
        free.put(one)

    def case(kills: Sequence[Kill]) -> list[int | None]:
        workspace = telemetry.workspace(folder / f"w{next(_names)}")
        agent = free.get()
        try:
            orders = [Order(str(workspace.folder), **kill) for kill in kills]  # type: ignore[arg-type]  # torn is a bool
            ends = [life.status for life in killed_at(orders, workspace, agent)[:-1]]
        except AssertionError as error:
            raise AssertionError(f"killed at {kills}: {error}") from error
        finally:
            free.put(agent)
            telemetry.forget(workspace)
        shutil.rmtree(workspace.folder)
        return ends

    with ThreadPoolExecutor(AT_ONCE) as pool:
        ends = Counter(end for ends in pool.map(case, kills) for end in ends)
    print(f"{ends.total()} kills ordered, exit codes {dict(ends)}")
    return ends


@pytest.mark.timeout(3600 if EVERY else 180)
def test_a_kill_at_any_statement_loses_and_repeats_nothing(
    boundaries: Life, telemetry: Telemetry, drivers: list[Driver], tmp_path: Path
) -> None:
    statements, _ = boundaries.boundaries
    step = 1 if EVERY else max(1, statements // 8)
    ends = sweep([[{"statement": number}] for number in range(1, statements + 1, step)], telemetry, drivers, tmp_path)
    assert ends[-9] >= 0.8 * ends.total()


@pytest.mark.timeout(3600 if EVERY else 180)
def test_kills_one_after_the_other_lose_and_repeat_nothing(
    boundaries: Life, telemetry: Telemetry, drivers: list[Driver], tmp_path: Path
) -> None:
    statements, _ = boundaries.boundaries
    draw = Random(3)
    # A life that takes up after a kill is shorter than a whole one.
    kills = [[{"statement": draw.randint(1, statements // 2)} for _ in range(3)] for _ in range(100 if EVERY else 3)]
    ends = sweep(kills, telemetry, drivers, tmp_path)
    assert ends[-9] >= 0.5 * ends.total()


@pytest.mark.timeout(3600 if EVERY else 180)
@pytest.mark.parametrize("torn", [False, True], ids=["between", "within"])
def test_a_kill_at_any_system_call_loses_and_repeats_nothing(
    torn: bool, boundaries: Life, shim: Path | None, telemetry: Telemetry, drivers: list[Driver], tmp_path: Path
) -> None:
    if shim is None:
        pytest.skip("no C compiler here to make the library with that counts system calls")
    _, calls = boundaries.boundaries
    step = 1 if EVERY else max(1, calls // 8)
    kills = [[{"call": number, "torn": torn}] for number in range(2 if torn else 1, calls + 1, step)]
    ends = sweep(kills, telemetry, drivers, tmp_path)
    assert ends[-9] >= 0.8 * ends.total()


@pytest.mark.parametrize(
    ("fault", "remedy", "after"),
    [
        (f"write {ENOSPC}", "free some space", STARTED),
        (f"write {ENOSPC}", "free some space", e.ActionIntended.TYPE),
        (f"write {EROFS}", "make the file and its directory writable|check its disk", STARTED),
        (f"fsync {EIO}", "check its disk", STARTED),
        (f"fsync {EIO}", "check its disk", e.ActionIntended.TYPE),
    ],
    ids=["full", "full in action", "read-only", "fsync", "fsync in action"],
)
def test_a_disk_that_fails_stops_the_agent_from_acting_until_it_is_well(
    fault: str,
    remedy: str,
    after: str,
    shim: Path | None,
    telemetry: Telemetry,
    drivers: list[Driver],
    tmp_path: Path,
) -> None:
    if shim is None:
        pytest.skip("no C compiler here to make the library with that lets the disk fail")
    agent, workspace = drivers[0], telemetry.workspace(tmp_path / f"w{next(_names)}")
    if after == STARTED:
        telemetry.calm.add(workspace.name)
    life = agent.begin(Order(str(workspace.folder)))
    agent.follow(life, lambda: life.has(after) and life.health[-1:] == ["well"])
    (workspace.folder / "disk-fault").write_text(fault)
    telemetry.calm.discard(workspace.name)
    agent.follow(life, lambda: "cannot be written" in life.health[-1])
    known, acknowledged = len(life.health), dict(life.acknowledged)
    time.sleep(QUIET_S)
    started = after == e.ActionIntended.TYPE
    assert len(workspace.effects) == started, "it acted without a journal"
    (workspace.folder / "disk-fault").unlink()
    agent.follow(life, lambda: life.has(CLOSED) and life.health[-1] == "well")
    assert set(acknowledged) <= set(life.acknowledged)
    assert all("cannot be written" in health for health in life.health[known - 1 : -1])
    agent.finish(life)
    assert life.status == 0
    assert_sound(workspace, [life])
    entries = [record.entry for record in workspace.records()]
    assert sum(isinstance(entry, e.JournalInterrupted) for entry in entries) == 1
    assert any(told in (workspace.folder / "agent.log").read_text() for told in remedy.split("|"))
    telemetry.forget(workspace)


def test_a_disk_of_its_own_that_is_full_or_read_only(tmp_path: Path) -> None:
    """The kernel's own errors, not made ones."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("no mounts can be made here: needs root")
    done = subprocess.run(
        ["unshare", "--mount", sys.executable, "-m", "tests.acceptance.small_disk", str(tmp_path / "small")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["well"], done.stderr
