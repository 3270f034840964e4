"""What an effector really did: a line when an action begins and one when it ends, whatever the agent believes."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from homeostat.model.errors import HomeostatError
from homeostat.rig.layout import Layout

Actions = Mapping[str, Callable[[Layout], None]]


def note(layout: Layout, action: str, phase: str) -> None:
    """Write down what begins or ends."""
    with layout.effects.open("a") as effects:
        effects.write(json.dumps({"at": round(time.time(), 3), "action": action, "phase": phase}) + "\n")


def act(layout: Layout, action: str, actions: Actions) -> None:
    """Do it, and write down that it began and how it ended."""
    note(layout, action, "begin")
    try:
        actions[action](layout)
    except Exception:
        note(layout, action, "failed")
        raise
    note(layout, action, "end")


def run(actions: Actions) -> None:
    """Do the action that the command line names; exit code 1 with a message if it failed."""
    folder, action = sys.argv[1:]
    if action not in actions:
        sys.exit(f"no action {action!r}; there are: {', '.join(actions)}")
    try:
        act(Layout.load(Path(folder)), action, actions)
    except HomeostatError as error:
        sys.exit(str(error))
