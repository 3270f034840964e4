import pytest
from tests.unit.policy.policy_texts import load

from homeostat.policy.bounds import TIMEOUT_DEFAULT_MAX_S, attempts_bound, worst_case_of, worst_case_s

LEAF = "{do: restart, target: a/b, timeout: 10s, verify: {if: rps > 1, for: 5s, within: 30s}}"
RETRIED = "{do: restart, target: a/b, timeout: 10s, verify: none, retry: {times: 3, wait: 7s}}"
SETTLED = "{do: restart, target: a/b, timeout: 10s, verify: {if: rps > 1, within: 5s, settle: 20s}}"


@pytest.mark.parametrize(
    ("steps", "attempts", "seconds"),
    [
        (f"[{LEAF}]", 1, 40.0),
        (f"[{RETRIED}]", 4, 4 * 10.0 + 3 * 7.0),
        (f"[{SETTLED}]", 1, 30.0),
        (f"[{LEAF}, {LEAF}]", 2, 80.0),
        (f"[{{try: [{LEAF}, {RETRIED}]}}]", 5, 101.0),
        (f"[{{choose: [{LEAF}, {RETRIED}]}}]", 5, 101.0),
        (f"[{{steps: [{LEAF}, {LEAF}]}}, {LEAF}]", 3, 120.0),
        (f"[{{decide: [{{if: rps > 1, steps: [{LEAF}, {LEAF}]}}, {{else: {RETRIED}}}]}}]", 4, 80.0),
        ("[{escalate: {}}]", 0, 0.0),
    ],
)
def test_the_worst_case_is_a_sum_over_the_tree(steps: str, attempts: int, seconds: float) -> None:
    policy = load(steps)
    assert (attempts_bound(policy.root), worst_case_s(policy.root)) == (attempts, seconds)
    assert policy.attempts_max == attempts
    # Around the plan: the trigger's 1m, and resolved within 10m.
    assert worst_case_of(policy) == (attempts, seconds + 660.0)
    assert policy.timeout_s == seconds + 660.0 + policy.unknown_s


def test_attempts_max_only_lowers_the_bound() -> None:
    assert load(f"[{RETRIED}]", attempts_max="2").attempts_max == 2
    assert load(f"[{RETRIED}]", attempts_max="9").attempts_max == 4


def test_a_policy_gets_no_more_than_a_day_unless_it_says_so() -> None:
    slow = "[{do: restart, target: a/b, timeout: 20d, verify: none}]"
    assert load(slow).timeout_s == TIMEOUT_DEFAULT_MAX_S
    assert load(slow, timeout="25d").timeout_s == 25 * 86400.0
