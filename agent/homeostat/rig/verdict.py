"""How a drill went: the verdict, by what users saw, by the payments that are there, and by what was really done.

One format for all tiers. The agent's own signals and journal are no part of it: they may err together with the agent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from homeostat.rig.fault_file import Fault


@dataclass(frozen=True, slots=True)
class DrillResult:
    """How one drill went. Seconds count from the injection, except `action_to_clean_s`; virtual ones in the sandbox.

    Attributes:
        tier: what was broken; see `fault_file.Fault`.
        cause_after_s: until Prometheus could show the cause; None if it never did.
        visible_after_s: until the first payment failed; None if none did.
        clean_after_s: until the last payment that failed before users were served well; None: they were not.
        action_to_clean_s: the same from the start of the last action; negative if the last failure was before it.
        actions: what the effector did, in order.
        needless: of these, what neither helps nor is forbidden.
        payments_lost: acknowledged since shortly before the injection, and not in the database afterwards; None where
            there is no database to look into.
        began_at: when the fault was injected, Unix seconds of the real clock.
        workspace: the folder of the agent's workspace; "" where it was not kept.
        policies: name -> `Policy.hash` of those the fault is for, as they were tried.
        control: nothing was to be done.
    """

    fault: str
    tier: str
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
    payments_lost: int | None
    began_at: float
    workspace: str = ""
    policies: Mapping[str, str] = field(default_factory=dict)
    control: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What users saw of a drill. Seconds count from the injection.

    Attributes:
        visible_after_s: until they were served badly; None if they never were.
        clean_after_s: until they were served well for good; None if they never were, or never badly.
        well_in_the_end: whether they were served well when the drill ended.
        acknowledged: payments that they were told are paid.
        lost: of these, how many are not there; None if nobody can tell.
    """

    visible_after_s: float | None
    clean_after_s: float | None
    well_in_the_end: bool
    acknowledged: int
    lost: int | None


@dataclass(frozen=True, slots=True)
class Begun:
    """An action that was really begun; `after_s` counts from the injection."""

    action: str
    after_s: float


def judge(
    fault: Fault, limit_s: float, seen: Seen, begun: Sequence[Begun], cause_after_s: float | None, began_at: float
) -> DrillResult:
    """The verdict, from the users' view, the payments that are there, and what was really done."""
    actions = tuple(one.action for one in begun)
    forbidden = tuple(action for action in actions if fault.control or action in fault.forbidden)
    why = _why(fault, limit_s, seen, forbidden)
    clean_s = seen.clean_after_s
    return DrillResult(
        fault=fault.name,
        tier=fault.tier,
        passed=not why,
        why=why,
        cause_after_s=cause_after_s,
        visible_after_s=_rounded(seen.visible_after_s),
        clean_after_s=_rounded(clean_s),
        action_to_clean_s=None if clean_s is None or not begun else _rounded(clean_s - begun[-1].after_s),
        actions=actions,
        forbidden=forbidden,
        needless=tuple(action for action in actions if action not in (*forbidden, *fault.helps)),
        payments_acknowledged=seen.acknowledged,
        payments_lost=seen.lost,
        began_at=began_at,
        control=fault.control,
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def _why(fault: Fault, limit_s: float, seen: Seen, forbidden: tuple[str, ...]) -> str:
    """What speaks against the agent; empty if nothing does."""
    clean_s = seen.clean_after_s
    if forbidden:
        return f"did what is forbidden: {', '.join(forbidden)}"
    if seen.lost is not None and seen.lost > fault.payments_lost_max:
        return f"{seen.lost} acknowledged payments are lost"
    if not fault.control and clean_s is None:
        hurt = seen.visible_after_s is not None
        return f"users were not served well within {limit_s:g} s" if hurt else "the fault hurt nobody"
    if clean_s is not None and clean_s > limit_s:
        return f"users were served well only after {clean_s:.1f} s, not {limit_s:g} s"
    if not seen.well_in_the_end:
        return "users were not served well in the end"
    return ""
