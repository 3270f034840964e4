"""The program of the `systemd` actuator: one operation on one unit, under its runner. Standard library only."""

from __future__ import annotations

import contextlib
import json
import subprocess

from homeostat.act.files import replace_durably
from homeostat.act.own_program import EXIT_STOPPED, EndedError, Own, carry_out, say
from homeostat.act.unit_state import UnitState, show_command, systemctl, unit_state, verdict

EXIT_NO_UNIT = 5
"""As `systemctl` has it for a unit that is not loaded (systemctl(1), exit status)."""

_JUDGED_BAD = 1
_CANCEL_S_MAX = 5.0


def main() -> int:
    """Carry out the job in whose `work/` this process runs."""
    return carry_out(_operate)


def _operate(own: Own) -> str:
    scope, unit, operation = own.request["scope"], own.request["unit"], own.request["operation"]
    before = _state(own)
    if before.load_state != "loaded":
        raise EndedError(EXIT_NO_UNIT, f"nothing was run: {unit} is not loaded (LoadState={before.load_state})")
    say(f"before: {before.line()}\n")
    # Durable before systemd is asked: who finds nothing of it knows that nothing was done.
    replace_durably(own.files.work / "before.json", json.dumps(before._asdict()).encode())
    ran = own.run([*systemctl(scope), operation, "--", unit])
    if own.stopped:
        raise EndedError(EXIT_STOPPED, _stop(scope, unit))
    after = _state(own)
    say(f"after: {after.line()}\n")
    judged = verdict(operation, before, after, ran.exit_code)
    if judged is None or not judged.good:
        sentence = "nothing is proven" if judged is None else judged.sentence
        raise EndedError(ran.exit_code or _JUDGED_BAD, f"{unit}: {sentence}")
    return f"{unit}: {judged.sentence}"


def _state(own: Own) -> UnitState:
    shown = own.run(show_command(own.request["scope"], own.request["unit"]), shown=False)
    try:
        return unit_state(shown.output)
    except ValueError as error:
        raise EndedError(shown.exit_code or _JUDGED_BAD, f"{error} ({shown.exit_code})") from error


def _stop(scope: str, unit: str) -> str:
    """Have systemd forget the job that it still has for the unit: it goes on without whoever asked for it."""
    with contextlib.suppress(ValueError, OSError, subprocess.SubprocessError):
        state = _ask(show_command(scope, unit))
        if not state.job:
            return f"{unit}: stopped waiting; {state.line()}"
        subprocess.run([*systemctl(scope), "cancel", state.job], check=True, timeout=_CANCEL_S_MAX)
        left = _ask(show_command(scope, unit))
        return f"{unit}: systemd's job {state.job} was cancelled; {left.line()}"
    return f"{unit}: stopped waiting; systemd does not say how it is, and may still be at it"


def _ask(command: list[str]) -> UnitState:
    shown = subprocess.run(command, capture_output=True, check=True, timeout=_CANCEL_S_MAX)
    return unit_state(shown.stdout.decode(errors="replace"))
