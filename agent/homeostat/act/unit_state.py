"""What systemd says of a unit before and after an operation, and what that proves. Standard library only."""

from __future__ import annotations

from typing import NamedTuple

PROGRAM = "systemctl"
OPERATIONS = ("restart", "start", "stop", "reload", "reset-failed")
SCOPES = ("system", "user")
STATE_BYTES_MAX = 64 << 10

_PROPERTIES = (
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "ExecMainStatus",
    "NRestarts",
    "InvocationID",
    "Job",
)
_ENDED = ("inactive", "failed")


class UnitState(NamedTuple):
    """Properties of a unit (org.freedesktop.systemd1(5)), each as `systemctl show` spells it; "" where it has none.

    Attributes:
        job: number of the job that waits or runs for the unit.
    """

    load_state: str = ""
    active_state: str = ""
    sub_state: str = ""
    result: str = ""
    exec_main_status: str = ""
    restarts: str = ""
    invocation_id: str = ""
    job: str = ""

    def line(self) -> str:
        """All of it on one line, for people."""
        named = zip(_PROPERTIES, self, strict=True)
        return " ".join(f"{name}={value}" for name, value in named if value)


class Verdict(NamedTuple):
    """Whether an operation did what it is for, in a sentence."""

    good: bool
    sentence: str


def show_command(scope: str, unit: str) -> list[str]:
    """The argument list that asks for a unit's state."""
    return [*systemctl(scope), "show", f"--property={','.join(_PROPERTIES)}", "--", unit]


def systemctl(scope: str) -> list[str]:
    """`systemctl` for a scope, which asks nobody for a password and shows no pages."""
    return [PROGRAM, f"--{scope}", "--no-ask-password", "--no-pager"]


def unit_state(shown: str) -> UnitState:
    """Read what `show_command` printed. Raises ValueError if it says nothing of a unit."""
    said = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    if not said.get("LoadState") or not said.get("ActiveState"):
        raise ValueError("systemctl show says nothing of the unit")
    state = UnitState(*(said.get(name, "") for name in _PROPERTIES))
    return state._replace(job="" if state.job == "0" else state.job)


def verdict(operation: str, before: UnitState, after: UnitState, exit_code: int | None) -> Verdict | None:
    """Judge an operation by the unit's state before and after it.

    Args:
        operation: one of `OPERATIONS`.
        before: its state right before.
        after: its state now.
        exit_code: of `systemctl`; None where nobody saw it, and then None is given where the states prove nothing.
    """
    if exit_code not in (None, 0):
        return Verdict(False, f"systemctl {operation} ended with {exit_code}; {_said(after)}")
    if operation in ("restart", "start"):
        return _started(operation, before, after)
    if operation == "stop":
        over = after.active_state in _ENDED
        return Verdict(over, f"{'stopped' if over else 'not stopped'}; {_said(after)}")
    if operation == "reset-failed":
        left = after.active_state == "failed"
        return Verdict(not left, f"{'still failed' if left else 'no longer failed'}; {_said(after)}")
    if exit_code is None:
        return None
    return Verdict(after.active_state in ("active", "reloading"), f"reloaded; {_said(after)}")


def _started(operation: str, before: UnitState, after: UnitState) -> Verdict:
    anew = bool(after.invocation_id) and after.invocation_id != before.invocation_id
    if anew:
        was = before.invocation_id or "none"
        proof = f"started anew, InvocationID {was} -> {after.invocation_id}"
    elif operation == "start" and before.active_state == after.active_state == "active":
        proof = "was active already"
    else:
        still = after.invocation_id or "none"
        return Verdict(False, f"not started anew, InvocationID is still {still}; {_said(after)}")
    fell = after.active_state == "failed" or after.sub_state == "auto-restart"
    return Verdict(not fell, f"{proof}; {_said(after)}")


def _said(state: UnitState) -> str:
    """How the unit is, for people."""
    said = f"{state.active_state} ({state.sub_state})"
    if state.result not in ("", "success"):
        said += f", Result={state.result}, ExecMainStatus={state.exec_main_status}"
    return f"{said}, NRestarts={state.restarts}" if state.restarts not in ("", "0") else said
