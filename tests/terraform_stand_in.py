"""A stand-in for `terraform`, as far as a plan and its apply go: exit codes, plan files, JSON, the state and its lock.

    terraform_stand_in.py plan -detailed-exitcode -input=false -no-color -lock-timeout=1s -out=FILE [-target=ADDRESS]
    terraform_stand_in.py show -json FILE
    terraform_stand_in.py apply -input=false -no-color -lock-timeout=1s FILE

It reads `configuration.json` in place of HCL (`tests/terraform_project.py` writes both from the same facts), and keeps
its state in `terraform.tfstate`. What it says and ends with follows the documentation of `plan`, `apply` and the JSON
output format; the tests that use it pass with Terraform 1.0.3 itself, where there is one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

LOCK = Path(".terraform.tfstate.lock.info")
STATE = Path("terraform.tfstate")


def fail(message: str) -> NoReturn:
    sys.stderr.write(f"\nError: {message}\n\n")
    sys.exit(1)


def read_state() -> dict[str, Any]:
    state: dict[str, Any] = json.loads(STATE.read_text()) if STATE.exists() else {"serial": 0, "resources": {}}
    return state


def wanted() -> dict[str, dict[str, str]]:
    """Resources by address: what triggers their replacement, and the command that makes them."""
    configuration = json.loads(Path("configuration.json").read_text())
    for name in configuration["variables"]:
        if f"TF_VAR_{name}" not in os.environ:
            fail("No value for required variable")
    return {
        address: {"trigger": os.environ[f"TF_VAR_{resource['variable']}"], "command": resource["command"]}
        for address, resource in configuration["resources"].items()
    }


def locked(options: dict[str, str]) -> None:
    wait_s = float(options["-lock-timeout"].removesuffix("s"))
    give_up_at = time.monotonic() + wait_s
    while True:
        try:
            os.close(os.open(LOCK, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            if time.monotonic() >= give_up_at:
                fail("Error acquiring the state lock")
            time.sleep(0.05)
        else:
            return


def plan(options: dict[str, str], targets: list[str]) -> int:
    locked(options)
    try:
        state, resources = read_state(), wanted()
    finally:
        LOCK.unlink()
    changes = []
    for address in sorted({*state["resources"], *resources}):
        if targets and address not in targets:
            continue
        before, after = state["resources"].get(address), resources.get(address)
        if before is None:
            actions = ["create"]
        elif after is None:
            actions = ["delete"]
        else:
            actions = ["no-op"] if before == after["trigger"] else ["delete", "create"]
        changes.append({"address": address, "mode": "managed", "change": {"actions": actions}, "after": after})
        print(f"  # {address}: {' '.join(actions)}")
    Path(options["-out"]).write_text(json.dumps({"serial": state["serial"], "changes": changes}))
    return 2 if any(change["change"]["actions"] != ["no-op"] for change in changes) else 0


def show(file: str) -> int:
    saved = json.loads(Path(file).read_text())
    if saved["serial"] != read_state()["serial"]:
        fail("Saved plan is stale")
    changes = saved["changes"]
    print(json.dumps({"format_version": "0.2", "terraform_version": "1.0.3", "resource_changes": changes}))
    return 0


def apply(options: dict[str, str], file: str) -> int:
    locked(options)
    try:
        return applied(json.loads(Path(file).read_text()))
    finally:
        LOCK.unlink()


def applied(saved: dict[str, Any]) -> int:
    state = read_state()
    if state["serial"] != saved["serial"]:
        fail("Saved plan is stale")
    for change in saved["changes"]:
        address, after = change["address"], change["after"]
        if change["change"]["actions"] == ["no-op"]:
            continue
        state["resources"].pop(address, None)
        if after is not None:
            child = subprocess.Popen(["/bin/sh", "-c", after["command"]])
            signal.signal(signal.SIGTERM, interruption_of(child))
            if child.wait() != 0:
                fail("local-exec provisioner error")
            state["resources"][address] = after["trigger"]
        STATE.write_text(json.dumps({**state, "serial": saved["serial"] + 1}))
    print("Apply complete!")
    return 0


def interruption_of(child: subprocess.Popen[bytes]) -> Callable[[int, object], None]:
    def interrupted(_signum: int, _frame: object) -> None:
        print("Interrupt received.\nGracefully shutting down...")
        child.kill()

    return interrupted


def main(arguments: list[str]) -> int:
    options = dict(argument.split("=", 1) for argument in arguments if argument.startswith("-") and "=" in argument)
    given = [argument for argument in arguments[1:] if not argument.startswith("-")]
    quiet = options.get("-input") == "false" and "-no-color" in arguments
    match arguments[0]:
        case "plan" if quiet and "-detailed-exitcode" in arguments and not given:
            targets = [a.removeprefix("-target=") for a in arguments if a.startswith("-target=")]
            return plan(options, targets)
        case "show" if "-json" in arguments and len(given) == 1:
            return show(given[0])
        case "apply" if quiet and len(given) == 1:
            return apply(options, given[0])
    fail(f"Failed to parse command-line flags: {arguments}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
