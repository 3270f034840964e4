from __future__ import annotations

import pytest
from tests.unit.policy.policy_texts import VERIFY, load

from homeostat.model.guards import NO_GUARDS, Guards
from homeostat.policy.changes import changes, changes_by_environment
from homeostat.policy.changes_of_guards import guard_changes
from homeostat.policy.guards_file import guards_from

DO = "do: restart, target: a/b"
ONE = f"{{id: one, {DO}, {VERIFY}}}"
TWO = f"{{id: two, do: scale, target: c/d, with: {{replicas: 2}}, {VERIFY}}}"
THREE = f"{{id: three, do: rollback, target: e/f, {VERIFY}}}"


def told(old: str, new: str, before: dict[str, str] | None = None, after: dict[str, str] | None = None) -> list[str]:
    found = changes(load(old, **(before or {})), load(new, **(after or {})))
    return [str(change) for change in found if "worst case" not in str(change) and "most attempts" not in str(change)]


def test_layout_comments_and_owners_are_nothing() -> None:
    new = f"[ {ONE} , # as before\n {TWO}]"
    assert told(f"[{ONE}, {TWO}]", new, {"owner": "a"}, {"owner": "b"}) == []
    assert changes(load(f"[{ONE}]"), load(f"[{ONE}]")) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (f"[{{try: [{ONE}, {TWO}]}}]", f"[{{try: [{TWO}, {ONE}]}}]", ["`two` is now tried before `one`"]),
        (f"[{ONE}, {TWO}, {THREE}]", f"[{THREE}, {ONE}, {TWO}]", ["`three` is now done before `one`"]),
        (
            f"[{{choose: [{ONE}, {TWO}]}}]",
            f"[{{choose: [{TWO}, {ONE}]}}]",
            ["`two` is now tried before `one` as long as nothing is learnt"],
        ),
        (f"[{ONE}]", f"[{ONE}, {TWO}]", ["`two` (scale on c/d) is new, done after `one`"]),
        (f"[{ONE}, {TWO}]", f"[{TWO}]", ["`one` (restart on a/b) is no longer done"]),
        (
            f"[{ONE}, {{id: all, dag: [{TWO}, {THREE}]}}]",
            f"[{ONE}]",
            ["`all` (steps at once) is no longer done and the 2 actions in it"],
        ),
        (
            f"[{ONE}, {{id: all, steps: [{TWO}]}}]",
            f"[{{id: all, steps: [{ONE}, {TWO}]}}]",
            ["`one` is now done first in `all`"],
        ),
        (
            f"[{ONE[:-1]}, fallback: {TWO}}}]",
            f"[{ONE}, {TWO}]",
            ["`two` is now done after `one`"],
        ),
        (f"[{ONE}]", f"[{ONE.replace('one', 'renamed')}]", ["`one` is now called `renamed`; learning begins anew"]),
    ],
)
def test_steps_that_come_go_and_move(old: str, new: str, words: list[str]) -> None:
    assert told(old, new) == words


STEP = f"id: one, {DO}"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("", "if: rps > 1, ", ["`one` is now done only if `rps > 1`"]),
        ("if: rps > 1, ", "if: rps > 2, ", ["`one` is now done if `rps > 2` instead of `rps > 1`"]),
        ("if: rps > 1, ", "", ["`one` is now done always, not only if `rps > 1`"]),
        ("", "timeout: 5m, ", ["`one` is now stopped after 5m instead of 1m"]),
        ("", "retry: {times: 2, wait: 5s}, ", ["`one` is now retried 2 times instead of never"]),
        ("", "effect: unsafe, ", ["`one` now counts as unsafe to run twice instead of safe"]),
        ("", "cooldown: 5m, ", ["`one` now waits 5m instead of 0s between two starts"]),
        ("", "approval: {from: dba, timeout: 5m}, ", ["`one` now asks dba first, for 5m"]),
        ("approval: {from: dba}, ", "approval: {from: [dba, lead]}, ", ["`one` now asks dba or lead instead of dba"]),
        ("approval: {from: dba}, ", "", ["`one` no longer asks dba"]),
        ("mode: approve, ", "", ["the mode of `one` is now that of the policy instead of approve"]),
        ("", "undo: {do: slow}, ", ["`one` is now taken back by slow when it does not help"]),
        ("verify: none, ", "verify: {if: rps > 1, within: 1m}, ", ["`one` must now prove `rps > 1` within 1m"]),
        (
            "verify: {if: rps > 1, within: 1m}, ",
            "verify: {if: rps > 2, for: 5s, within: 2m}, ",
            [
                "`one` is now proved by `rps > 2` instead of `rps > 1`",
                "the proof of `one` now must hold for 5s instead of 0s",
                "the proof of `one` now must come within 2m instead of 1m",
            ],
        ),
    ],
)
def test_a_step_that_does_otherwise(old: str, new: str, words: list[str]) -> None:
    assert told(f"[{{{old}{STEP}}}]", f"[{{{new}{STEP}}}]") == words


def test_dags_waits_branches_and_people() -> None:
    old = "[{id: all, dag: [{id: a, wait: 1s}, {id: b, wait: 2s}, {id: c, wait: 3s, needs: a}]}]"
    new = "[{id: all, concurrency: 2, dag: [{id: a, wait: 1s}, {id: b, wait: 5s}, {id: c, wait: 3s, needs: b}]}]"
    assert told(old, new) == [
        "`all` now runs 2 steps at once instead of all",
        "`c` now also waits for `b`",
        "`c` no longer waits for `a`",
        "`b` now waits 5s instead of 2s",
    ]
    old = "[{decide: [{id: a, if: rps > 1, wait: 1s}, {else: {id: b, wait: 1s}}]}]"
    assert told(old, old.replace("rps > 1", "rps > 2")) == ["`a` is now chosen if `rps > 2` instead of if `rps > 1`"]
    manual = "[{id: m, manual: Call the bank, check: done, owner: desk}]"
    assert told(manual, manual.replace("desk", "lead")) == ["the owner of `m` is now “lead” instead of “desk”"]


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ({"trigger": "{if: http_5xx > 5%, for: 5m}"}, ["the trigger now waits 5m instead of 1m"]),
        (
            {"trigger": "{if: http_5xx > 7%, for: 1m}"},
            ["the trigger is now `http_5xx > 7%` instead of `http_5xx > 5%`"],
        ),
        ({"escalate": "{to: lead}"}, ["when the plan fails, lead is now called instead of oncall"]),
        ({"mode": "approve"}, ["the policy's mode is now approve instead of auto"]),
        ({"rto": "1h"}, ["the rto is now 1h instead of none"]),
        ({"harm": "{if: rps < 1}"}, ["an action now counts as harmful when `rps < 1` becomes true"]),
        ({"unknown": "2m"}, ["unknown signals are now waited for 2m instead of 1m before people are called"]),
    ],
)
def test_the_policy_itself(after: dict[str, str], words: list[str]) -> None:
    fixed = {"timeout": "1h"}
    assert told(f"[{ONE}]", f"[{ONE}]", fixed, {**fixed, **after}) == words


def test_signals_and_actions_are_compared_by_what_they_do() -> None:
    signals = "{http_5xx: errors, rps: 'rate(x[5m])'}"
    assert told(f"[{ONE}]", f"[{ONE}]", {}, {"signals": signals}) == [
        "the signal `rps` now reads `rate(x[5m])` instead of `rate(x[1m])`"
    ]
    actions = "{restart: {actuator: command, argv: [systemctl, reload], effect: safe, timeout: 1m}}"
    assert told(f"[{ONE}]", f"[{ONE}]", {}, {"actions": actions}) == [
        "`one`: the action restart itself now runs otherwise (argv)"
    ]


def test_the_worst_case_is_told() -> None:
    found = [str(change) for change in changes(load(f"[{ONE}]"), load(f"[{ONE}, {TWO}]"))]
    assert "the worst case grows from 16 min to 21 min" in found
    assert "the most attempts in one incident are now 2 instead of 1" in found


def test_what_only_one_environment_has_says_so() -> None:
    plain, slow = load(f"[{ONE}]", timeout="1h"), load(f"[{ONE}]", timeout="2h")
    (change,) = changes_by_environment({"live": (plain, plain), "staging": (plain, slow)})
    assert str(change) == "the timeout is now 2h instead of 1h (in staging)"
    (change,) = changes_by_environment({"live": (plain, slow), "staging": (plain, slow)})
    assert change.environments == ()


def test_guards_that_come_and_go() -> None:
    text = "rates: [{per: [target], max: 2, within: 15m}]\nstorm: {incidents: 5, within: 10m}\n"
    one, other = guards_from(text, "g"), guards_from(text.replace("max: 2", "max: 3"), "g")
    assert guard_changes(one, one) == []
    assert [change.told for change in guard_changes(one, other)] == [
        "a guard is new: at most 3 starts of * on * per target within 15m",
        "a guard is gone: at most 2 starts of * on * per target within 15m",
    ]
    assert len(guard_changes(NO_GUARDS, one)) == 2
    assert guard_changes(Guards(text="a"), Guards(text="b")) == []
