"""A stand-in for `systemctl`, and for the service manager behind it: units are files, jobs and InvocationIDs are true.

    systemctl_stand_in.py UNITS --system|--user --no-ask-password --no-pager VERB [OPTIONS] -- UNIT

UNITS is a folder with a JSON file for each unit: its properties as systemd names them, and of the stand-in alone
`hangs` (a job for it never ends), `fails` (it fails when it is started) and `ignores` (it says yes and does nothing).
Every job that took effect leaves a line in `effects`: the verb, the unit and the action's key. What it answers and
ends with is as in systemctl(1) of systemd 252; the real one needs systemd as the host's init.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

NOT_LOADED = 5
LEADING = ["--no-ask-password", "--no-pager"]


def fail(message: str, code: int = 1) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    sys.exit(code)


class Unit:
    def __init__(self, folder: Path, name: str) -> None:
        self.path, self.name = folder / f"{name}.json", name

    def read(self) -> dict[str, Any] | None:
        return json.loads(self.path.read_text()) if self.path.exists() else None

    def write(self, **properties: Any) -> None:
        beside = self.path.with_suffix(f".{os.getpid()}")
        beside.write_text(json.dumps({**(self.read() or {}), **properties}))
        beside.replace(self.path)


def show(unit: Unit, options: list[str]) -> None:
    wanted = options[0].removeprefix("--property=").split(",")
    said = unit.read() or {"LoadState": "not-found", "ActiveState": "inactive", "SubState": "dead"}
    for name in wanted:
        if name in said or name in ("InvocationID", "Result"):
            print(f"{name}={said.get(name, '')}")


def operate(folder: Path, verb: str, unit: Unit) -> None:
    before = unit.read()
    if before is None:
        fail(f"Failed to {verb} {unit.name}: Unit {unit.name} not found.", NOT_LOADED)
    with (folder / "effects").open("a") as effects:
        effects.write(f"{verb} {unit.name} {os.environ.get('HOMEOSTAT_ACTION_KEY', '')}\n")
    if before.get("hangs"):
        unit.write(Job="4711", ActiveState="deactivating", SubState="stop-sigterm")
        while (unit.read() or {}).get("Job"):
            time.sleep(0.01)
        fail(f"Job for {unit.name} canceled.")
    if before.get("ignores"):
        return
    if verb == "reset-failed":
        state = "inactive" if before["ActiveState"] == "failed" else before["ActiveState"]
        unit.write(ActiveState=state, SubState="dead" if state == "inactive" else before["SubState"], Result="success")
    elif verb == "stop":
        unit.write(ActiveState="inactive", SubState="dead")
    elif verb == "reload" and before["ActiveState"] != "active":
        fail(f"{unit.name} is not active, cannot reload.")
    elif verb == "restart" or (verb == "start" and before["ActiveState"] != "active"):
        start(unit, fails=bool(before.get("fails")))


def start(unit: Unit, *, fails: bool) -> None:
    invocation = os.urandom(16).hex()
    if fails:
        unit.write(
            InvocationID=invocation, ActiveState="failed", SubState="failed", Result="exit-code", ExecMainStatus="1"
        )
        fail(f"Job for {unit.name} failed because the control process exited with error code.")
    unit.write(InvocationID=invocation, ActiveState="active", SubState="running", Result="success", ExecMainStatus="0")


def main(arguments: list[str]) -> None:
    folder, scope, rest = Path(arguments[0]), arguments[1], arguments[2:]
    if scope not in ("--system", "--user") or rest[:2] != LEADING:
        fail(f"systemctl: unrecognized option '{' '.join(arguments[1:4])}'")
    if scope == "--user" and not os.environ.get("XDG_RUNTIME_DIR"):
        fail("Failed to connect to bus: $DBUS_SESSION_BUS_ADDRESS and $XDG_RUNTIME_DIR not defined")
    verb, rest = rest[2], rest[3:]
    if verb == "cancel":
        for path in folder.glob("*.json"):
            unit = Unit(folder, path.stem)
            if (unit.read() or {}).get("Job") == rest[0]:
                unit.write(Job="", ActiveState="inactive", SubState="dead")
        return
    border = rest.index("--")
    options, names = rest[:border], rest[border + 1 :]
    if len(names) != 1:
        fail("systemctl: one unit is wanted")
    unit = Unit(folder, names[0])
    if verb == "show":
        show(unit, options)
    else:
        operate(folder, verb, unit)


if __name__ == "__main__":
    main(sys.argv[1:])
