"""Which more careful order is judged next, by what was said of the one before: a judge that knows its answers."""

from collections.abc import Container
from typing import Any

import pytest

from homeostat.learn.care import CARE, judge_with_care
from homeostat.learn.gate import Bounds, GateVerdict, NodeVerdict
from homeostat.learn.ranker import versioned
from homeostat.model.ranking import Candidate, NodeRanking, Ranking, Stack

HARM_S = 600.0
PASSED = NodeVerdict(passed=True, sentence="passed")
HARMS = NodeVerdict(passed=False, sentence="harms", would_harm=True)
REFUSED = NodeVerdict(passed=False, sentence="refused")


def unknown(*names: str) -> NodeVerdict:
    return NodeVerdict(passed=False, sentence=f"unknown {names}", unknown_firsts=names)


def model(harm_s: float = HARM_S) -> NodeRanking:
    return NodeRanking((), tuple(Candidate(name, 1.0, 1.0) for name in "abc"), (), Stack(0.0, ()), harm_s=harm_s)


class Judge:
    """Says of each node one thing after the other, and the last of them for ever."""

    def __init__(self, **said: tuple[NodeVerdict, ...]) -> None:
        self.said = said
        self.judged: dict[str, list[tuple[float, tuple[str, ...]]]] = {name: [] for name in said}

    def __call__(self, ranking: Ranking, *_: Any, only: Container[str] | None = None, **__: Any) -> GateVerdict:
        assert ranking == versioned(ranking)
        verdicts = {}
        for name, answers in self.said.items():
            if only is None or name in only:
                node = ranking.nodes.get(name, model(0.0))
                self.judged[name].append((node.harm_s / HARM_S, node.deferred))
                verdicts[name] = answers[min(len(self.judged[name]), len(answers)) - 1]
        return GateVerdict(verdicts)


def judged(monkeypatch: pytest.MonkeyPatch, judge: Judge, ranking: Ranking) -> tuple[Ranking, GateVerdict]:
    monkeypatch.setattr("homeostat.learn.care.judge", judge)
    return judge_with_care(ranking, None, None, bounds=Bounds())  # type: ignore[arg-type]  # the judge reads neither


def ranking_of(*names: str, harm_s: float = HARM_S) -> Ranking:
    return versioned(Ranking("", "p", 0.0, 1, 1, {name: model(harm_s) for name in names}))


def test_every_node_goes_its_own_steps_until_it_passes_or_no_care_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Judge(
        at_once=(PASSED, REFUSED),
        harm=(HARMS, HARMS, PASSED, REFUSED),
        both=(unknown("b"), HARMS, unknown("b", "a"), HARMS, PASSED, REFUSED),
        held=(unknown("c"), PASSED, REFUSED),
        hopeless=(REFUSED, PASSED),
        lost=(HARMS, REFUSED, PASSED),
        harmful=(HARMS,),
        known=(unknown("b"), unknown("b"), PASSED),
        new=(HARMS, PASSED),
    )
    first = ranking_of(*(name for name in judge.said if name != "new"))
    careful, verdict = judged(monkeypatch, judge, first)
    assert judge.judged == {
        "at_once": [(1.0, ())],
        "harm": [(1.0, ()), (2.0, ()), (4.0, ())],
        "both": [(1.0, ()), (1.0, ("b",)), (2.0, ("b",)), (2.0, ("a", "b")), (4.0, ("a", "b"))],
        "held": [(1.0, ()), (1.0, ("c",))],
        "hopeless": [(1.0, ())],
        "lost": [(1.0, ()), (2.0, ())],
        "harmful": [(1.0, ()), *((times, ()) for times in CARE)],
        "known": [(1.0, ()), (1.0, ("b",))],
        "new": [(0.0, ())],
    }
    assert {name for name, node in verdict.nodes.items() if node.passed} == {"at_once", "harm", "both", "held"}
    assert {name for name, node in careful.nodes.items() if node != first.nodes[name]} == {"harm", "both", "held"}
    assert (careful.nodes["harm"].harm_s, careful.nodes["both"].deferred) == (4.0 * HARM_S, ("a", "b"))
    assert [verdict.nodes[name] for name in ("lost", "known")] == [HARMS, unknown("b")]
    assert careful == versioned(careful)
    assert careful.version != first.version
    worth = "one harm is held to be worth 2400 s, since at 600 s it would do more"
    held = "'a' and 'b' are deferred until something else has failed, since the log does not know it first"
    assert verdict.nodes["at_once"].sentence == "passed"
    assert verdict.nodes["harm"].sentence == f"passed; {worth}"
    one = "'c' is deferred until something else has failed, since the log does not know it first"
    assert verdict.nodes["held"].sentence == f"passed; {one}"
    assert verdict.nodes["both"].sentence == f"passed; {worth}; {held}"


def test_where_a_harm_is_worth_nothing_no_more_of_it_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    judge, first = Judge(node=(HARMS, PASSED)), ranking_of("node", harm_s=0.0)
    assert judged(monkeypatch, judge, first) == (first, GateVerdict({"node": HARMS}))
    assert judge.judged == {"node": [(0.0, ())]}
