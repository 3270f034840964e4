"""Drills on real processes: the agent as users start it, judged by what users saw. It needs no server beside Python.

The routine run has the page's own. HOMEOSTAT_ALL_DRILLS=1 runs all.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from homeostat.cli import main
from homeostat.rig.local.system import local_faults
from homeostat.rig.users import read_payments

FAULTS = local_faults()
PAGE = (Path(__file__).parents[2] / "docs/drills.md").read_text()

pytestmark = [pytest.mark.live, pytest.mark.timeout(150)]


def test_the_commands_of_the_page_run(tmp_path: Path) -> None:
    (session,) = re.findall(r"```console\n(\$ homeostat drill run \w+ --local.*?)```", PAGE, re.DOTALL)
    kept = tmp_path / "drill"
    for line in session.splitlines():
        words = line.partition("#")[0].removeprefix("$ homeostat ").replace("/tmp/drill", str(kept)).split()
        ran = CliRunner().invoke(main, words)
        assert ran.exit_code == 0, f"{words}: {ran.output}"
    payments, _ = read_payments(kept / "users.jsonl", 0.0)
    assert {payment.code for payment in payments} > {200}, "users saw nothing of the fault"
    assert list((kept / "run").glob("*.pid")) == [], "something was left running"
    (workspace,) = (kept / "drills").iterdir()
    listed = CliRunner().invoke(main, ["-c", str(workspace / "homeostat.toml"), "--json", "incidents"])
    assert [row["drill"] for row in json.loads(listed.output)] == [True]


@pytest.mark.skipif(os.environ.get("HOMEOSTAT_ALL_DRILLS") != "1", reason="HOMEOSTAT_ALL_DRILLS=1 runs it")
@pytest.mark.parametrize("name", FAULTS)
def test_the_agent_recovers_the_processes(tmp_path: Path, name: str) -> None:
    ran = CliRunner().invoke(main, ["--json", "drill", "run", name, "--local", "--keep", str(tmp_path / "drill")])
    assert ran.exit_code == 0, ran.output
    (row,) = json.loads(ran.output)
    assert (row["passed"], row["lost"], row["tier"]) == (True, 0, "local")
    done = (row["actions"] or "").split()
    assert set(done) <= set(FAULTS[name].helps)
    assert bool(done) is not FAULTS[name].control
