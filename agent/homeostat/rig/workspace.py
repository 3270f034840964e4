"""A workspace inside the rig's folder for the agent that is drilled, and that agent as a process of its own."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from homeostat.model.errors import UsageError
from homeostat.model.policy import MANUAL
from homeostat.policy.load import load_policies
from homeostat.rig import processes
from homeostat.rig.layout import Layout

EFFECTOR = "/usr/local/lib/rig/effector"
READY_S_MAX = 20.0
AGENT = "agent"


def make_workspace(layout: Layout, folder: Path, policies: Path, effector_module: str) -> None:
    """Copy the policies, point their actions to this system's effector, and write settings. The journal is a new one.

    Raises:
        UsageError: no policies there, or one of them does what is not the effector's.
    """
    catalogue = policies / "actions.yaml"
    if not catalogue.is_file():
        raise UsageError(f"{policies}: no actions.yaml here; give the folder of the policies to drill with --policies")
    _check_actions(policies)
    shutil.copytree(policies, folder / "policies")
    effector = write_effector(layout, effector_module)
    actions = yaml.safe_load(catalogue.read_text(encoding="utf-8"))
    for action in actions.values():
        if action.get("argv", [""])[0] == EFFECTOR:
            action["argv"][0] = str(effector)
    (folder / "policies" / "actions.yaml").write_text(yaml.safe_dump(actions), encoding="utf-8")
    token = f'token = "file:{layout.token}"\n' if layout.token.exists() else ""
    (folder / "homeostat.toml").write_text(
        f'[prometheus]\nurl = "{layout.url("prometheus", "")}"\ntimeout_s = 2.0\n{token}'
        f'[agent]\nmode = "auto"\npoll_interval_s = 0.5\nlisten = "127.0.0.1:{layout.ports["agent"]}"\n'
    )


def _check_actions(policies: Path) -> None:
    """The drilled agent acts by itself: what is not done by the effector would be done to something real."""
    for policy in load_policies(policies)[0].values():
        for step in (*policy.leaves.values(), *policy.undos.values()):
            argv = step.action.parameters.get("argv")
            program = argv[0] if isinstance(argv, Sequence) and argv else None
            if step.action.actuator != MANUAL and not (step.action.actuator == "command" and program == EFFECTOR):
                by = program or step.action.actuator
                raise UsageError(
                    f"{policies}: '{step.id}' of {policy.name} does {step.action.name} by {by}; in a drill every action"
                    f" has to run {EFFECTOR}, so that nothing outside is acted on"
                )


def write_effector(layout: Layout, module: str) -> Path:
    """A program that runs the effector on this system, with this interpreter."""
    path = layout.folder / "effector"
    words = [sys.executable, "-m", module, str(layout.folder)]
    # The command actuator hands on no environment that is not declared.
    environment = [f"PYTHONPATH={os.environ.get('PYTHONPATH', '')}", f"PATH={os.environ['PATH']}"]
    path.write_text(f'#!/bin/sh\nexec env {shlex.join([*environment, *words])} "$@"\n')
    path.chmod(0o755)
    return path


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
