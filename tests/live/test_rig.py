"""Drills on the rig of real servers: the agent as users start it, judged by what users saw.

The routine run has three: the page's own (a dead dependency), a lost database, and a control.
HOMEOSTAT_ALL_DRILLS=1 runs all.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from homeostat.cli import main
from homeostat.rig import packets, processes, rig
from homeostat.rig.faults import all_faults, why_not
from homeostat.rig.layout import Layout
from homeostat.rig.rig_system import is_up

ROUTINE = ("database_lost", "control_dead_exporter")
DRILLS = tuple(all_faults()) if os.environ.get("HOMEOSTAT_ALL_DRILLS") == "1" else ROUTINE

PAGE = (Path(__file__).parents[2] / "docs/drills.md").read_text()

pytestmark = [pytest.mark.live, pytest.mark.timeout(150)]


def require(tier: str) -> None:
    """What the machine lacks: skip; where CI is true: fail, unless only root is lacking."""
    reason = why_not(tier)
    if reason is None:
        return
    if os.environ.get("CI", "").lower() == "true" and "missing" in reason:
        pytest.fail(f"CI must run the drills: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def layout() -> Iterator[Layout]:
    require("binaries")
    # Not below pytest's own folder: as root, the user that runs PostgreSQL may not enter that.
    with tempfile.TemporaryDirectory(prefix="homeostat-rig-") as folder:
        Path(folder).chmod(0o755)
        made = rig.up(Path(folder) / "rig")
        try:
            yield made
        finally:
            rig.down(made.folder)


def test_the_commands_of_the_page_run() -> None:
    require("binaries")
    (session,) = re.findall(r"```console\n(\$ homeostat drill faults.*?)```", PAGE, re.DOTALL)
    lines = [line.partition("#")[0].removeprefix("$ homeostat ").split() for line in session.splitlines()]
    assert [words[1:3] for words in lines][-1] == ["rig", "down"]
    with tempfile.TemporaryDirectory(prefix="homeostat-rig-") as folder:
        Path(folder).chmod(0o755)
        try:
            for words in lines:
                given = [word.replace("/tmp/rig", f"{folder}/rig") for word in words]
                ran = CliRunner().invoke(main, given)
                assert ran.exit_code == 0, f"{given}: {ran.output}"
            assert not Path(folder, "rig").exists()
        finally:
            if Path(folder, "rig", "rig.json").exists():
                rig.down(Path(folder, "rig"))


@pytest.mark.parametrize("name", DRILLS)
def test_the_agent_recovers_the_rig(layout: Layout, name: str) -> None:
    fault = all_faults()[name]
    require(fault.tier)
    ran = CliRunner().invoke(main, ["--json", "drill", "run", name, "--rig", str(layout.folder)])
    assert ran.exit_code == 0, ran.output
    (row,) = json.loads(ran.output)
    assert row["passed"] is True
    assert row["lost"] == 0
    done = (row["actions"] or "").split()
    assert set(done) <= set(fault.helps)
    assert bool(done) is not fault.control
    assert is_up(layout), "the drill did not put everything back"


def test_everything_listens_on_loopback_alone(layout: Layout) -> None:
    ours = set(layout.ports.values())
    tables = [Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    listening = [words for table in tables for words in map(str.split, table) if words[3] == "0A"]
    addresses = [address for address, port in (words[1].split(":") for words in listening) if int(port, 16) in ours]
    assert len(addresses) >= len(ours) - 1
    assert set(addresses) == {"0100007F"}


def test_a_start_that_fails_leaves_nothing_running(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(made: Layout) -> None:
        raise RuntimeError(f"no monitoring in {made.folder}")

    monkeypatch.setattr(rig, "start_monitoring", broken)
    with tempfile.TemporaryDirectory(prefix="homeostat-rig-") as folder:
        Path(folder).chmod(0o755)
        with pytest.raises(RuntimeError, match="no monitoring"):
            rig.up(Path(folder))
        assert processes.names(Layout.load(Path(folder))) == []
    assert is_up(layout), "the other rig was touched"


def test_a_partition_in_the_kernel_is_of_one_port_and_can_be_cleared_twice(layout: Layout) -> None:
    require("root")
    packets.drop(layout, "primary")
    packets.clear(layout)
    packets.clear(layout)
    assert is_up(layout)
