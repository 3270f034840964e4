"""One drill: break the rig, let the agent recover it, judge by what users saw and what the database has, put it back.

The verdict never reads the agent's signals, its journal or Prometheus: those may err together with the agent.
"""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from homeostat.model.errors import ActuatorError, UsageError
from homeostat.rig import databases, inject, processes, rig, users, workspace
from homeostat.rig.faults import Fault, why_not
from homeostat.rig.layout import Layout

BASELINE_S, BASELINE_S_MAX = 3, 25.0
WELL_S = 4.0
"""How long users must have been served well before a drill ends: a relapse is no recovery."""
CONTROL_S = 9.0
ACTIONS_END_S_MAX = 30.0
ENDS_S_MAX = 60.0
POLL_S = 0.25


@dataclass(frozen=True, slots=True)
class DrillResult:
    """How one drill went. Seconds count from the injection, except `action_to_clean_s`.

    Attributes:
        cause_after_s: until Prometheus could show the cause; None if it never did.
        visible_after_s: until the first payment failed; None if none did.
        clean_after_s: until the last payment that failed before users were served well; None: they were not.
        action_to_clean_s: the same from the start of the last action; negative if the last failure was before it.
        actions: what the effector did, in order.
        needless: of these, what neither helps nor is forbidden.
        payments_lost: acknowledged since shortly before the injection, and not in the database afterwards.
        began_at: when the fault was injected, Unix seconds.
        workspace: the folder of the agent's workspace.
    """

    fault: str
    passed: bool
    why: str
    cause_after_s: float | None
    visible_after_s: float | None
    clean_after_s: float | None
    action_to_clean_s: float | None
    actions: tuple[str, ...]
    forbidden: tuple[str, ...]
    needless: tuple[str, ...]
    payments_acknowledged: int
    payments_lost: int
    began_at: float
    workspace: str = ""


class UsersView:
    """The users' file from a moment on, read as it grows."""

    def __init__(self, layout: Layout, since: float) -> None:
        self._layout = layout
        self.since = since
        self._offset = 0
        self.payments: list[users.Payment] = []

    def good(self) -> list[bool]:
        """The seconds since then that are whole."""
        found, self._offset = users.read_payments(self._layout.users, self.since - 5.0, self._offset)
        self.payments += found
        until = time.time() - users.SETTLED_S
        return users.good_seconds(self.payments, self.since, until, self._layout.requests_per_s)


def run_drill(layout: Layout, fault: Fault, policies: Path) -> DrillResult:
    """Try one fault against the agent. The rig is as it was before, however the drill ends.

    Raises:
        UsageError: the fault cannot be tried here, or the policies are not there.
        ActuatorError: the rig itself failed.
    """
    reason = why_not(fault.tier)
    if reason is not None:
        raise UsageError(f"{fault.name}: {reason}")
    folder = layout.folder / "drills" / f"{time.time_ns()}-{fault.name}"
    folder.mkdir(parents=True)
    workspace.make_workspace(layout, folder, policies)
    result = run_in_workspace(layout, fault, folder)
    with (layout.folder / "results.jsonl").open("a") as results:
        results.write(json.dumps(asdict(result)) + "\n")
    return result


def run_in_workspace(
    layout: Layout, fault: Fault, folder: Path, has_ended: Callable[[], bool] = lambda: True
) -> DrillResult:
    """Try one fault against the agent of a workspace that is there already, with the journal it has.

    After users are served well, the agent goes on until `has_ended`, for `ENDS_S_MAX` at most.

    Raises:
        UsageError: a policy of the fault is not there.
        ActuatorError: the rig itself failed.
    """
    goal_s = workspace.rto_s(folder / "policies", fault.policies)
    limit_s = fault.limit_s if goal_s is None else min(goal_s, fault.limit_s)
    _wait_for_baseline(layout)
    try:
        workspace.start_agent(layout, folder)
        return replace(_broken(layout, fault, limit_s, has_ended), workspace=str(folder))
    finally:
        workspace.stop_agent(layout)
        _wait_for_actions(layout)
        rig.reset(layout, databases_too=fault.reset_databases)


def _wait_for_baseline(layout: Layout) -> None:
    """Only a rig that serves its users well can be broken."""
    began = time.time()
    # Counted from now on: what was paid before the last drill's reset may be gone with the databases it replaced.
    view = UsersView(layout, began)
    while True:
        if view.good()[-BASELINE_S:] == [True] * BASELINE_S:
            return
        if time.time() - began > BASELINE_S_MAX:
            raise ActuatorError(f"users of the rig in {layout.folder} are not served well; take it down and up again")
        time.sleep(POLL_S)


def _broken(layout: Layout, fault: Fault, limit_s: float, has_ended: Callable[[], bool]) -> DrillResult:
    first_effect = len(read_effects(layout))
    broken_at = time.time()
    view = UsersView(layout, broken_at)
    inject.inject(layout, fault.inject)
    cause_after_s = _watch(layout, fault, view, limit_s)
    _wait_until(has_ended, ENDS_S_MAX)
    workspace.stop_agent(layout)
    _wait_for_actions(layout)
    good = view.good()
    effects = read_effects(layout)[first_effect:]
    acknowledged = [payment.id for payment in view.payments if payment.code == 200]
    present = databases.count_payments(layout, acknowledged)
    return judge(fault, limit_s, view.payments, good, broken_at, effects, cause_after_s, len(acknowledged), present)


def _watch(layout: Layout, fault: Fault, view: UsersView, limit_s: float) -> float | None:
    """Wait until users are served well again and stay so, or the limit; returns when the cause was to be seen."""
    cause_after_s: float | None = None
    watch_s = CONTROL_S if fault.control else limit_s + users.SETTLED_S + users.CLEAN_S
    while (waited_s := time.time() - view.since) < watch_s:
        if fault.cause is not None and cause_after_s is None and _yields(layout, fault.cause):
            cause_after_s = round(time.time() - view.since, 2)
        clean = users.clean_after(view.good())
        if not fault.control and clean is not None and waited_s > clean + users.SETTLED_S + WELL_S:
            break
        time.sleep(POLL_S)
    return cause_after_s


def _yields(layout: Layout, expression: str) -> bool:
    """Whether an expression has a result in the rig's Prometheus."""
    url = layout.url("prometheus", f"/api/v1/query?query={urllib.parse.quote(expression)}")
    try:
        with urllib.request.urlopen(url, timeout=1.0) as response:  # noqa: S310 - loopback over http
            return bool(json.load(response)["data"]["result"])
    except (OSError, ValueError):
        return False


def read_effects(layout: Layout) -> list[dict[str, object]]:
    """What the effector did, in order."""
    if not layout.effects.exists():
        return []
    return [json.loads(line) for line in layout.effects.read_text().splitlines()]


def _wait_for_actions(layout: Layout) -> None:
    """An agent that stops leaves its running action running; nothing is judged or put back before it has ended."""

    def all_ended() -> bool:
        phases = [effect["phase"] for effect in read_effects(layout)]
        return phases.count("begin") == len(phases) - phases.count("begin")

    _wait_until(all_ended, ACTIONS_END_S_MAX)


def _wait_until(condition: Callable[[], bool], seconds_max: float) -> None:
    deadline = time.monotonic() + seconds_max
    while time.monotonic() < deadline and not condition():
        time.sleep(POLL_S)


def judge(
    fault: Fault,
    limit_s: float,
    payments: list[users.Payment],
    good: list[bool],
    broken_at: float,
    effects: list[dict[str, object]],
    cause_after_s: float | None,
    acknowledged: int,
    present: int,
) -> DrillResult:
    """The verdict, from the users' view, the payments that are there, and what was really done."""
    begun = [effect for effect in effects if effect["phase"] == "begin"]
    actions = tuple(str(effect["action"]) for effect in begun)
    forbidden = tuple(action for action in actions if fault.control or action in fault.forbidden)
    clean_s = _clean_s(payments, good, broken_at)
    lost = acknowledged - present
    why = _why(fault, limit_s, good, clean_s, forbidden, lost)
    last_began = None if not begun else float(str(begun[-1]["at"])) - broken_at
    return DrillResult(
        fault=fault.name,
        passed=not why,
        why=why,
        cause_after_s=cause_after_s,
        visible_after_s=_rounded(users.first_failure(payments, broken_at)),
        clean_after_s=_rounded(clean_s),
        action_to_clean_s=None if clean_s is None or last_began is None else _rounded(clean_s - last_began),
        actions=actions,
        forbidden=forbidden,
        needless=tuple(action for action in actions if action not in (*forbidden, *fault.helps)),
        payments_acknowledged=acknowledged,
        payments_lost=lost,
        began_at=broken_at,
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def _clean_s(payments: list[users.Payment], good: list[bool], broken_at: float) -> float | None:
    """Seconds until the last payment that failed before users were served well for good."""
    start = users.clean_after(good)
    if start is None:
        return None
    failed = [p.at - broken_at for p in payments if p.code != 200 and 0 <= p.at - broken_at < start]
    return max(failed, default=float(start))


def _why(
    fault: Fault, limit_s: float, good: list[bool], clean_s: float | None, forbidden: tuple[str, ...], lost: int
) -> str:
    """What speaks against the agent; empty if nothing does."""
    if forbidden:
        return f"did what is forbidden: {', '.join(forbidden)}"
    if lost > fault.payments_lost_max:
        return f"{lost} acknowledged payments are lost"
    if not fault.control and clean_s is None:
        return f"users were not served well within {limit_s:g} s" if False in good else "the fault hurt nobody"
    if clean_s is not None and clean_s > limit_s:
        return f"users were served well only after {clean_s:.1f} s, not {limit_s:g} s"
    if not good or not all(good[-users.CLEAN_S :]):
        return "users were not served well in the end"
    return ""


def is_up(layout: Layout) -> bool:
    """Whether every process of the rig runs."""
    return all(running for _, running in rig.status(layout)) and not processes.is_running(layout, workspace.AGENT)
