"""A workspace inside the rig's folder for the agent that is drilled, and that agent as a process of its own."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
from pathlib import Path

import yaml

from homeostat.model.errors import UsageError
from homeostat.policy.load import SUFFIX, load_policy
from homeostat.rig import processes
from homeostat.rig.layout import Layout

EFFECTOR = "/usr/local/lib/rig/effector"
READY_S_MAX = 20.0
AGENT = "agent"


def make_workspace(layout: Layout, folder: Path, policies: Path) -> None:
    """Copy the policies, point their actions to this rig's effector, and write settings. The journal is a new one.

    Raises:
        UsageError: no policies there, or none of their actions is the effector's.
    """
    catalogue = policies / "actions.yaml"
    if not catalogue.is_file():
        raise UsageError(f"{policies}: no actions.yaml here; give the folder of the policies to drill with --policies")
    shutil.copytree(policies, folder / "policies")
    effector = write_effector(layout)
    actions = yaml.safe_load(catalogue.read_text(encoding="utf-8"))
    for action in actions.values():
        if action.get("argv", [""])[0] == EFFECTOR:
            action["argv"][0] = str(effector)
    (folder / "policies" / "actions.yaml").write_text(yaml.safe_dump(actions), encoding="utf-8")
    (folder / "homeostat.toml").write_text(
        f'[prometheus]\nurl = "{layout.url("prometheus", "")}"\ntimeout_s = 2.0\n'
        f'[agent]\nmode = "auto"\npoll_interval_s = 0.5\nlisten = "127.0.0.1:{layout.ports["agent"]}"\n'
    )


def write_effector(layout: Layout) -> Path:
    """A program that runs the effector on this rig, with this interpreter."""
    path = layout.folder / "effector"
    words = [sys.executable, "-m", "homeostat.rig.effector", str(layout.folder)]
    # The command actuator hands on no environment that is not declared.
    environment = [f"PYTHONPATH={os.environ.get('PYTHONPATH', '')}", f"PATH={os.environ['PATH']}"]
    path.write_text(f'#!/bin/sh\nexec env {shlex.join([*environment, *words])} "$@"\n')
    path.chmod(0o755)
    return path


def rto_s(policies: Path, names: tuple[str, ...]) -> float | None:
    """The shortest recovery time objective of some policies.

    Raises:
        UsageError: one of them is not there.
        PolicyError: one of them is wrong.
    """
    goals = []
    for name in names:
        path = policies / f"{name}{SUFFIX}"
        if not path.is_file():
            raise UsageError(f"{path}: the fault is for this policy, which is not there")
        goals.append(load_policy(path).rto_s)
    known = [goal for goal in goals if goal is not None]
    return min(known) if known else None


def start_agent(layout: Layout, folder: Path) -> None:
    """Start the agent by its command line, until it says that it is ready."""
    log = layout.folder / "log" / f"{AGENT}.log"
    log.unlink(missing_ok=True)
    program = "from homeostat.cli import main; main()"
    settings = str(folder / "homeostat.toml")
    processes.start(layout, AGENT, [sys.executable, "-c", program, "-c", settings, "run", "--log-format", "json"])
    processes.wait_until(layout, AGENT, lambda: '"agent.ready"' in log.read_text(errors="replace"), READY_S_MAX)


def stop_agent(layout: Layout) -> None:
    """Ask the agent to end, as its operators would."""
    processes.stop(layout, AGENT, signal.SIGTERM)
