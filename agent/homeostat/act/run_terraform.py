"""The program of the `terraform` actuator: a plan, or the apply of one, under its runner. Standard library only."""

from __future__ import annotations

from pathlib import Path

from homeostat.act.job_files import BrokenJobFileError, JobFiles
from homeostat.act.own_program import EXIT_REFUSED, EXIT_STOPPED, EndedError, Own, Ran, carry_out
from homeostat.act.plan_changes import Changes, PlanError, changes_of

PLAN_FILE = "tfplan"
_NO_CHANGES, _FAILED, _CHANGES = 0, 1, 2
"""What `plan -detailed-exitcode` ends with (https://developer.hashicorp.com/terraform/cli/commands/plan)."""

_QUIET = ("-input=false", "-no-color")


def main() -> int:
    """Carry out the job in whose `work/` this process runs."""
    return carry_out(_operate)


def _operate(own: Own) -> str:
    plan = own.files.work.absolute() / PLAN_FILE
    if own.request["plan"] == "saved" and own.request["operation"] == "apply":
        _take_saved(own, plan)
    elif not _plan(own, plan):
        return "no changes"
    changes = _changes(own, plan)
    if own.request["operation"] == "plan":
        return f"changes: {changes.sentence()}"
    objection = changes.objection(changes_max=own.request["changes_max"], destroys_max=own.request["destroys_max"])
    if objection is not None:
        raise EndedError(EXIT_REFUSED, f"nothing was run: {objection}")
    _ended_well(own, _terraform(own, "apply", *_QUIET, _lock(own), str(plan)), "apply")
    return f"applied: {changes.sentence()}"


def _plan(own: Own, plan: Path) -> bool:
    """Write a plan; whether it changes anything."""
    targets = [f"-target={address}" for address in own.request["targets"]]
    ran = _terraform(own, "plan", "-detailed-exitcode", *_QUIET, _lock(own), f"-out={plan}", *targets)
    if ran.exit_code == _CHANGES and not own.stopped:
        plan.chmod(0o600)
        return True
    plan.unlink(missing_ok=True)
    if ran.exit_code != _NO_CHANGES or own.stopped:
        _ended_well(own, ran._replace(exit_code=ran.exit_code or _FAILED), "plan")
    return False


def _changes(own: Own, plan: Path) -> Changes:
    shown = _terraform(own, "show", "-no-color", "-json", str(plan), shown=False)
    if shown.exit_code != 0:
        raise EndedError(
            shown.exit_code, f"nothing was run: the plan could not be shown: {shown.first_error or shown.exit_code}"
        )
    try:
        return changes_of(shown.output)
    except PlanError as error:
        raise EndedError(EXIT_REFUSED, f"nothing was run: {error}") from error


def _take_saved(own: Own, plan: Path) -> None:
    """Move the plan of the incident's last plan step for the folder here, so that nobody applies it again.

    An older one is what that step has overruled, by finding other changes, or none, or by failing.
    """
    last = max(_planned(own), key=lambda planned: planned[0], default=None)
    if last is None or last[0] == 0.0:
        raise EndedError(
            EXIT_REFUSED,
            f"nothing was run: no step of this incident saved a plan for {own.request['cwd']} on this host; "
            "let a step with operation: plan find changes first, or say plan: new",
        )
    if last[1] != "ok":
        raise EndedError(EXIT_REFUSED, f"nothing was run: the last plan for {own.request['cwd']} ended with {last[1]}")
    try:
        last[2].rename(plan)
    except FileNotFoundError as error:
        why = "found no changes, or its plan was applied"
        raise EndedError(EXIT_REFUSED, f"nothing was run: the last plan for {own.request['cwd']} {why}") from error
    except OSError as error:
        raise EndedError(EXIT_REFUSED, f"nothing was run: the saved plan is not there: {error.strerror}") from error


def _planned(own: Own) -> list[tuple[float, str, Path]]:
    """Plan steps of this incident for the folder: when they ended (Unix seconds), how, and where the plan would be."""
    found = []
    same = ("incident", "cwd", "program")
    for folder in own.files.folder.absolute().parent.glob("[!.]*"):
        files = JobFiles(folder)
        try:
            request = files.read_job().get("request")
            is_ours = (
                isinstance(request, dict)
                and request.get("operation") == "plan"
                and all(request.get(key) == own.request[key] for key in same)
            )
            if not is_ours:
                continue
            at, how = _end_of(files)
        except (OSError, BrokenJobFileError):
            continue
        found.append((at, how, files.work / PLAN_FILE))
    return found


def _end_of(files: JobFiles) -> tuple[float, str]:
    """When a step ended, or else began, in Unix seconds, and how; one that never began has overruled nothing."""
    ended, result, begun = files.read_exit(), files.read_result(), files.read_begun()
    if begun is None:
        return 0.0, "nothing"
    if ended is not None:
        return ended.ended_at, ended.status
    if result is not None:
        return result.at, "ok" if result.exit_code == 0 else "error"
    return begun.at, "nobody to see it"


def _ended_well(own: Own, ran: Ran, operation: str) -> None:
    if own.stopped:
        raise EndedError(EXIT_STOPPED, f"{operation} was interrupted, and ended with {ran.exit_code}")
    if ran.exit_code != 0:
        why = f": {ran.first_error}" if ran.first_error else ""
        raise EndedError(ran.exit_code, f"{operation} failed with exit code {ran.exit_code}{why}")


def _terraform(own: Own, *arguments: str, shown: bool = True) -> Ran:
    return own.run([own.request["program"], *arguments], folder=own.request["cwd"], shown=shown)


def _lock(own: Own) -> str:
    return f"-lock-timeout={round(own.request['lock_timeout_s'])}s"
