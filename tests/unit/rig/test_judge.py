"""The verdict: users' view, payments that are there, and what was done; each alone can fail a drill."""

from __future__ import annotations

import pytest
from tests.unit.rig.test_users import payments

from homeostat.rig.drill import seen_by_users
from homeostat.rig.fault_file import Fault
from homeostat.rig.faults import all_faults
from homeostat.rig.verdict import Begun, DrillResult, judge

GOOD, BAD = [200] * 20, [503] * 20
HEALED = [BAD, BAD, GOOD, GOOD, GOOD, GOOD]


def verdict(
    name: str, seconds: list[list[int]], actions: list[str], *, lost: int = 0, limit_s: float = 30.0
) -> DrillResult:
    good = [codes == GOOD for codes in seconds]
    seen = seen_by_users(payments(seconds), good, 100.0, acknowledged=80, present=80 - lost)
    return judge(all_faults()[name], limit_s, seen, [Begun(action, 1.0) for action in actions], 0.5, 100.0)


def test_a_fault_that_was_healed_passes_with_its_times() -> None:
    result = verdict("auth_hung", HEALED, ["route.cached_tokens"])
    assert result.passed
    assert result.why == ""
    assert result.visible_after_s == 0.0
    assert result.clean_after_s == 1.9
    assert result.action_to_clean_s == 0.9


@pytest.mark.parametrize(
    ("seconds", "actions", "lost", "limit_s", "why"),
    [
        (HEALED, ["pool.grow", "route.cached_tokens"], 0, 30.0, "forbidden: pool.grow"),
        (HEALED, ["route.cached_tokens"], 1, 30.0, "1 acknowledged payments are lost"),
        ([BAD] * 6, ["route.cached_tokens"], 0, 30.0, "not served well within 30 s"),
        ([GOOD] * 6, [], 0, 30.0, "the fault hurt nobody"),
        (HEALED, ["route.cached_tokens"], 0, 1.0, "only after"),
        ([*HEALED, BAD], ["route.cached_tokens"], 0, 30.0, "not served well within"),
    ],
)
def test_what_speaks_against_the_agent_fails_it(
    seconds: list[list[int]], actions: list[str], lost: int, limit_s: float, why: str
) -> None:
    result = verdict("auth_hung", seconds, actions, lost=lost, limit_s=limit_s)
    assert not result.passed
    assert why in result.why


def test_an_action_that_neither_helps_nor_harms_is_needless() -> None:
    result = verdict("auth_hung", HEALED, ["traffic.shift", "route.cached_tokens"])
    assert result.passed
    assert result.needless == ("traffic.shift",)


def test_in_a_control_any_action_is_forbidden() -> None:
    assert verdict("control_blip", HEALED, []).passed
    assert verdict("control_blip", HEALED, []).control
    assert verdict("control_dead_exporter", [GOOD] * 6, []).passed
    acted = verdict("control_dead_exporter", [GOOD] * 6, ["auth.restart"])
    assert not acted.passed
    assert acted.forbidden == ("auth.restart",)


def test_a_control_whose_users_stay_unserved_fails() -> None:
    assert "in the end" in verdict("control_blip", [*HEALED, BAD], []).why


def test_every_fault_names_policies_and_has_a_reference_or_is_a_control() -> None:
    faults: dict[str, Fault] = all_faults()
    assert len([fault for fault in faults.values() if fault.control]) == 3
    assert len(faults) >= 15
    for fault in faults.values():
        assert fault.control or fault.reference.clean_after_s is not None
