"""`explore`, an earned `mode` and `learning`: what they become, what is wrong with them, and what `diff` says."""

from __future__ import annotations

import pytest
from tests.unit.policy.policy_texts import VERIFY, load, problems

from homeostat.model.autonomy import EXPLORATION_WINDOW_S_MAX, Exploration, Mode, Promotion
from homeostat.model.policy import Choose
from homeostat.policy.changes import changes
from homeostat.policy.units import DURATION_MAX_S

ONE = f"{{id: one, do: restart, target: a/b, {VERIFY}}}"
TWO = f"{{id: two, do: rollback, target: e/f, {VERIFY}}}"


def choice(explore: str) -> str:
    return f"[{{id: remedy, choose: [{ONE}, {TWO}]{explore}}}]"


def step(rest: str = "", target: str = "a/b") -> str:
    return f"[{{id: one, do: restart, target: {target}, {VERIFY}{rest}}}]"


def test_explore_has_defaults_and_its_bounds() -> None:
    node = load(choice(", explore: {share: 5%}")).root.children[0]
    assert isinstance(node, Choose)
    assert node.explore == Exploration(0.05, 1, 30 * 86_400.0)
    assert EXPLORATION_WINDOW_S_MAX == DURATION_MAX_S, "the ledger remembers as far back as any budget may look"
    assert load(choice(", explore: {share: 5%}")).explorations == {"remedy": node.explore}


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (choice(", explore: {share: 0.05}"), "E112 a percentage from 0% to 100% is wanted, not 0.05"),
        (choice(", explore: {share: 5%, harm_max: 0}"), "E112"),
        (choice(", explore: {share: 5%, within: 91d}"), "E113 '91d' is longer than 30d"),
        (choice(", explore: {share: 5%, harm: 1}"), "E110 unknown key 'harm'; did you mean 'share'"),
        (step(", mode: {earned: auto}"), "E111 the key 'start' is missing"),
        (step(", mode: {start: observe}"), "E112 what is only observed has no attempts to earn by"),
        (step(", mode: {start: auto}"), "E112 'earned' must be freer than 'start', and 'auto' is not than 'auto'"),
        (step(", mode: {start: approve, earned: suggest}"), "E112 'earned' must be freer"),
        (step(", mode: sugest"), "E112"),
    ],
)
def test_what_is_wrong_is_told(steps: str, expected: str) -> None:
    (found,) = problems(steps)
    assert found.startswith(expected.split(" ")[0])
    assert found.startswith(expected) or "did you mean" in expected


def test_a_step_begins_anew_when_it_does_or_proves_something_else() -> None:
    mode = ", mode: {start: suggest}"
    leaf = load(step(mode)).leaves["one"]
    assert leaf.mode is Mode.AUTO
    assert leaf.earning is not None
    assert (leaf.earning.start, leaf.earning.level_max) == (Mode.SUGGEST, 2)

    def content(steps: str) -> str:
        earning = load(steps).leaves["one"].earning
        assert earning is not None
        return earning.step

    same = [step(f"{mode}, cooldown: 5m"), step(f"{mode}, timeout: 9m")]
    assert {content(steps) for steps in same} == {leaf.earning.step}
    others = [step(mode, target="a/c"), step(mode).replace("within: 4m", "within: 9m"), step(f"{mode}, undo: none")]
    assert content(others[0]) != leaf.earning.step != content(others[1])
    assert content(others[2]) == leaf.earning.step
    assert content(step(", mode: {start: approve}")) != leaf.earning.step, "one level above it is auto, never earned"


def test_explore_and_an_earned_mode_change_the_hash_and_who_promotes_does_not() -> None:
    plain = load(choice(""))
    assert load(choice(", explore: {share: 5%}")).hash != plain.hash
    assert load(step()).hash != load(step(", mode: {start: suggest}")).hash
    reviewed = load(choice(""), learning="{promote: review}")
    assert (reviewed.promotion, reviewed.hash) == (Promotion.REVIEW, plain.hash)
    assert problems(learning="{promote: never}") != []


def test_diff_says_what_changed() -> None:
    explored = changes(load(choice("")), load(choice(", explore: {share: 5%, harm_max: 2}")))
    assert [str(change) for change in explored] == [
        "`remedy` now explores 5% of its picks, with 2 harmful attempts within 30d at most instead of nothing"
    ]
    earned = changes(load(step()), load(step(", mode: {start: suggest}")))
    assert [str(change) for change in earned] == [
        "the mode of `one` is now auto, to be earned from suggest on instead of that of the policy"
    ]
    reviewed = changes(load(step()), load(step(), learning="{promote: review}"))
    assert [str(change) for change in reviewed] == [
        "a new ranking is now let rule by a person instead of the gate alone"
    ]


def test_rankings_may_go_by_signals_that_no_condition_reads() -> None:
    plain, wider = load(choice("")), load(choice(""), learning="{signals: [room, room]}")
    assert wider.learns_from == ("room",)
    assert wider.signals.keys() - plain.signals.keys() == {"room"}
    assert wider.hash != plain.hash
    assert [str(change) for change in changes(plain, wider)] == ["rankings may now go by room too"]
    assert [str(change) for change in changes(wider, plain)] == [
        "rankings may go by room only where a condition reads it"
    ]


def test_a_signal_that_a_condition_reads_is_not_one_that_only_rankings_go_by() -> None:
    read = next(iter(load(choice("")).trigger.condition.signals))
    assert load(choice(""), learning=f"{{signals: [{read}, room]}}").learns_from == ("room",)


def test_a_signal_to_learn_from_that_is_not_there_is_told_at_its_place() -> None:
    assert problems(learning="{signals: [rom]}") == ["E121 no signal is named 'rom'; did you mean 'room'?"]
