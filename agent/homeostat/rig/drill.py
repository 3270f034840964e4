"""One drill: break a system, let the agent recover it, judge by what users saw and what the database has, put it back.

The verdict never reads the agent's signals, its journal or Prometheus: those may err together with the agent.
"""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from homeostat.model.errors import ActuatorError, UsageError
from homeostat.model.policy import Policy
from homeostat.policy.load import SUFFIX, load_policy
from homeostat.rig import users, workspace
from homeostat.rig.asked_to_end import undisturbed
from homeostat.rig.fault_file import Fault, What
from homeostat.rig.layout import Layout
from homeostat.rig.verdict import Begun, DrillResult, Seen, judge

BASELINE_S, BASELINE_S_MAX = 3, 25.0
WELL_S = 4.0
"""How long users must have been served well before a drill ends: a relapse is no recovery."""
CONTROL_S = 9.0
ACTIONS_END_S_MAX = 30.0
ENDS_S_MAX = 60.0
POLL_S = 0.25


@dataclass(frozen=True, slots=True)
class System:
    """What is broken, and how it is put back: the rig, or the processes of the local tier.

    Attributes:
        effector: the module that carries out actions, `python -m EFFECTOR FOLDER ACTION`.
        why_not: why faults of a tier cannot be tried on this machine; None if they can.
        inject: do the steps of a fault.
        reset: put everything back as it was before the fault.
        count_payments: how many of these payments, by id, are there.
    """

    effector: str
    why_not: Callable[[str], str | None]
    inject: Callable[[Layout, Sequence[Mapping[str, What]]], None]
    reset: Callable[[Layout, Fault], None]
    count_payments: Callable[[Layout, list[str]], int]


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


def run_drill(layout: Layout, fault: Fault, policies: Path, system: System) -> DrillResult:
    """Try one fault against the agent. The system is as it was before, however the drill ends.

    Raises:
        UsageError: the fault cannot be tried here, or the policies are not there.
        PolicyError: one of the policies that the fault is for is wrong.
        ActuatorError: the system itself failed.
    """
    reason = system.why_not(fault.tier)
    if reason is not None:
        raise UsageError(f"{fault.name}: {reason}")
    # Of the sources: those that are run name this system's effector.
    hashes = {policy.name: policy.hash for policy in policies_tried(policies, fault)}
    folder = layout.folder / "drills" / f"{time.time_ns()}-{fault.name}"
    folder.mkdir(parents=True)
    workspace.make_workspace(layout, folder, policies, system.effector)
    result = replace(run_in_workspace(layout, fault, folder, system), policies=hashes)
    with (layout.folder / "results.jsonl").open("a") as results:
        results.write(json.dumps(asdict(result)) + "\n")
    return result


def run_in_workspace(
    layout: Layout, fault: Fault, folder: Path, system: System, has_ended: Callable[[], bool] = lambda: True
) -> DrillResult:
    """Try one fault against the agent of a workspace that is there already, with the journal it has.

    After users are served well, the agent goes on until `has_ended`, for `ENDS_S_MAX` at most.

    Raises:
        UsageError: a policy of the fault is not there.
        ActuatorError: the system itself failed.
    """
    limit_s = limit_of(fault, policies_tried(folder / "policies", fault))
    _wait_for_baseline(layout)
    try:
        workspace.start_agent(layout, folder)
        return replace(_broken(layout, fault, limit_s, system, has_ended), workspace=str(folder))
    finally:
        with undisturbed():
            workspace.stop_agent(layout)
            _wait_for_actions(layout)
            system.reset(layout, fault)


def policies_tried(policies: Path, fault: Fault) -> list[Policy]:
    """The policies that a fault is for, from a folder.

    Raises:
        UsageError: one of them is not there.
        PolicyError: one of them is wrong.
    """
    found = []
    for name in fault.policies:
        path = policies / f"{name}{SUFFIX}"
        if not path.is_file():
            raise UsageError(f"{path}: {fault.name} is for this policy, which is not there")
        found.append(load_policy(path))
    return found


def limit_of(fault: Fault, tried: Sequence[Policy]) -> float:
    """How long the agent has, in seconds: the fault's limit, or the policies' shortest `rto`."""
    return min([fault.limit_s, *(policy.rto_s for policy in tried if policy.rto_s is not None)])


def _wait_for_baseline(layout: Layout) -> None:
    """Only a rig that serves its users well can be broken."""
    began = time.time()
    # Counted from now on: what was paid before the last drill's reset may be gone with the databases it replaced.
    view = UsersView(layout, began)
    while True:
        if view.good()[-BASELINE_S:] == [True] * BASELINE_S:
            return
        if time.time() - began > BASELINE_S_MAX:
            raise ActuatorError(f"users of {layout.folder} are not served well; take it down and up again")
        time.sleep(POLL_S)


def _broken(layout: Layout, fault: Fault, limit_s: float, system: System, has_ended: Callable[[], bool]) -> DrillResult:
    first_effect = len(read_effects(layout))
    broken_at = time.time()
    view = UsersView(layout, broken_at)
    system.inject(layout, fault.inject)
    cause_after_s = _watch(layout, fault, view, limit_s)
    _wait_until(has_ended, ENDS_S_MAX)
    workspace.stop_agent(layout)
    _wait_for_actions(layout)
    good = view.good()
    effects = read_effects(layout)[first_effect:]
    acknowledged = [payment.id for payment in view.payments if payment.code == 200]
    present = system.count_payments(layout, acknowledged)
    seen = seen_by_users(view.payments, good, broken_at, acknowledged=len(acknowledged), present=present)
    begun = [
        Begun(str(effect["action"]), float(str(effect["at"])) - broken_at)
        for effect in effects
        if effect["phase"] == "begin"
    ]
    return judge(fault, limit_s, seen, begun, cause_after_s, broken_at)


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
    request = urllib.request.Request(url)  # noqa: S310 - loopback over http
    if layout.token.exists():
        request.add_header("Authorization", f"Bearer {layout.token.read_text().strip()}")
    try:
        with urllib.request.urlopen(request, timeout=1.0) as response:  # noqa: S310 - loopback over http
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


def seen_by_users(
    payments: list[users.Payment], good: list[bool], broken_at: float, *, acknowledged: int, present: int
) -> Seen:
    """The users' view, summed up: `good` are the whole seconds from the injection on."""
    return Seen(
        visible_after_s=users.first_failure(payments, broken_at),
        clean_after_s=_clean_s(payments, good, broken_at),
        well_in_the_end=bool(good) and all(good[-users.CLEAN_S :]),
        acknowledged=acknowledged,
        lost=acknowledged - present,
    )


def _clean_s(payments: list[users.Payment], good: list[bool], broken_at: float) -> float | None:
    """Seconds until the last payment that failed before users were served well for good."""
    start = users.clean_after(good)
    if start is None:
        return None
    failed = [p.at - broken_at for p in payments if p.code != 200 and 0 <= p.at - broken_at < start]
    return max(failed, default=float(start))
