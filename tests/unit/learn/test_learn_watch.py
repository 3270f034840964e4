"""A ranking that rules is taken back when it turns out worse, by itself or by a person, and not again and again."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace as changed
from tests.unit.learn.incident_streams import (
    EFFECTIVE,
    INEFFECTIVE,
    START,
    Stream,
    do,
    journal_of,
    policy_of,
    records_of,
    remedy,
)
from tests.unit.learn.test_learn_gate import QUICK, told_by_errors, told_by_nothing

from homeostat.learn import watch
from homeostat.learn.dataset import decisions_frame
from homeostat.learn.evaluation.comparison import Comparison
from homeostat.learn.evaluation.replay import Replayed
from homeostat.learn.gate import Bounds
from homeostat.learn.promotion import WRITTEN, Promotions, fold, promote, promotions_of, roll_back, same_numbers
from homeostat.learn.ranker import choose_nodes, train_ranking, versioned
from homeostat.learn.retrain import Retrained, apply_retrained, current_ranking
from homeostat.learn.retrain import retrain as retrain_with
from homeostat.model import entries as e
from homeostat.model.errors import AlreadyDecided, JournalCorrupt, UsageError
from homeostat.model.policy import Choose
from homeostat.model.ports import Batch
from homeostat.model.ranking import Ranking, Stack
from homeostat.record.memory import MemoryJournal

POLICY = policy_of(remedy("restart", "shift"))
PROMOTED_AT = START + 1e8
NOW = START + 1e9

retrain = partial(retrain_with, bounds=QUICK)


def both_tried(count: int, start: float, *, right: bool) -> list[Stream]:
    """Under a ranking that takes restart where errors are low, shift where they are high: always right, or never."""
    streams = []
    for n in range(count):
        level = (1.0, 9.0)[n % 2]
        first, second = ("restart", "shift") if level < 5 else ("shift", "restart")
        stream = Stream(f"w{start:.0f}-{n:03d}", start + 1e5 * n).confirm()
        stream.choose(first, {"errors": level}, eligible=("restart", "shift"))
        if not right:
            stream.attempt(first, INEFFECTIVE, verifies_s=90.0).choose(second, {"errors": level}, eligible=(second,))
        streams.append(stream.attempt(first if right else second, EFFECTIVE).close())
    return streams


@cache
def promoted_first() -> Retrained:
    """What eighty incidents come to, trained once: it depends on nothing else."""
    retrained = retrain(journal_of(told_by_errors(80)), POLICY, PROMOTED_AT, "tester")
    assert retrained.promoted
    return retrained


def ruled(streams: Sequence[Stream] = ()) -> MemoryJournal:
    """A journal in which a ranking was promoted, and then came these incidents."""
    journal = journal_of(told_by_errors(80))
    apply_retrained(journal, promoted_first())
    add(journal, streams)
    return journal


def add(journal: MemoryJournal, streams: Sequence[Stream]) -> None:
    for stream in streams:
        journal.append([Batch(stream.id, 0, stream.entries)])


def again(journal: MemoryJournal, now: float = NOW) -> Retrained:
    retrained = retrain(journal, POLICY, now, "schedule")
    apply_retrained(journal, retrained)
    return retrained


def test_a_ranking_that_turned_bad_is_taken_back_with_its_reason() -> None:
    journal = ruled(both_tried(40, PROMOTED_AT + 1e5, right=False))
    before = current_ranking(journal, "p")
    retrained = again(journal)
    assert before is not None
    assert retrained.rolled_back is not None
    assert retrained.entries[0] == retrained.rolled_back
    assert (retrained.rolled_back.version, retrained.rolled_back.to) == (before.version, None)
    assert retrained.rolled_back.actor == "schedule"
    assert "'remedy' recovered " in retrained.rolled_back.why
    assert "s later than the written order would have in the last 40 incidents under it" in retrained.rolled_back.why
    assert "confidence" in retrained.rolled_back.why


def test_a_ranking_that_is_right_stays() -> None:
    journal = ruled(both_tried(40, PROMOTED_AT + 1e5, right=True))
    before = current_ranking(journal, "p")
    assert again(journal).rolled_back is None
    assert before is not None
    assert promotions_of(journal, "p").taken_back == frozenset()


def test_nothing_is_said_before_the_first_look_and_between_looks() -> None:
    few = both_tried(watch.LOOK_EVERY - 1, PROMOTED_AT + 1e5, right=False)
    journal = ruled(few)
    assert again(journal).rolled_back is None
    add(journal, both_tried(1, PROMOTED_AT + 1e8, right=False))
    assert again(journal, NOW + 1.0).rolled_back is not None


class Looks:
    """What `watch_promoted` asks of `worse`: how many incidents, with which confidence."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[tuple[int, float]] = []
        monkeypatch.setattr(watch, "worse", self)

    def __call__(self, compared: Comparison, confidence: float, other: str, *, harmed: bool) -> str | None:
        del other, harmed
        self.made.append((compared.incidents, confidence))
        return None

    def look(self, count: int, *, nodes: int = 1) -> list[tuple[int, float]]:
        """After so many incidents under a ranking of so many nodes, of which one is ever decided."""
        plan = policy_of(*(Choose(f"remedy{n or ''}", (do("restart"), do("shift"))) for n in range(nodes)))
        decisions = decisions_frame(records_of(both_tried(count, START, right=True)), plan)
        trained = train_ranking(decisions, plan, START).nodes["remedy"]
        ruling = Ranking("", "p", START, 1, 1, {node.id: trained for node in choose_nodes(plan)})
        self.made.clear()
        watch.watch_promoted(decisions, plan, ruling, None, START, bounds=Bounds(replicates=2))
        if nodes == 1:
            before = list(self.made)
            watch.watch_promoted(decisions, plan, ruling, ruling, START, bounds=Bounds(replicates=2))
            assert self.made == before, "what replaced itself is not looked at"
        return self.made


def test_looks_spend_the_error_rate_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many looks there are, their error rates sum up to less than the whole; between two nothing changes."""
    looks = Looks(monkeypatch)
    spent = 0.0
    for look, count in enumerate((20, 40, 60), start=1):
        rate = watch.ERROR_RATE / (look * (look + 1))
        assert looks.look(count) == [(count, 1.0 - rate)]
        spent += rate
    assert spent < watch.ERROR_RATE
    assert looks.look(59) == [(40, 1.0 - watch.ERROR_RATE / 6)]


def test_nodes_share_the_error_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Looks(monkeypatch).look(20, nodes=2) == [(20, 1.0 - watch.ERROR_RATE / 4)]


def test_only_the_newest_incidents_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "WINDOW", 20)
    assert Looks(monkeypatch).look(40) == [(20, 1.0 - watch.ERROR_RATE / 6)]


def compared(*, lost_s: float, harms: float) -> Comparison:
    """The ruling order loses so many seconds and does so much harm more, give or take a tenth of it."""
    nothing = np.zeros(50)
    replayed = {
        "ruling": Replayed(nothing + 100.0 + lost_s, nothing, nothing + harms),
        "replaced": Replayed(nothing + 100.0, nothing, nothing),
    }
    spread = np.zeros((2, 2, 3))
    spread[:, 0, 0], spread[:, 0, 2] = (lost_s / 10.0, -lost_s / 10.0), (harms / 10.0, -harms / 10.0)
    return Comparison(50, {"ruling": nothing.astype(int), "replaced": nothing.astype(int)}, replayed, spread)


def test_more_harm_alone_takes_it_back() -> None:
    why = watch.worse(compared(lost_s=-50.0, harms=0.2), 0.99, "what it replaced", harmed=True)
    assert why is not None
    assert why.startswith(
        "did 20.0 more harm in 100 incidents than what it replaced would have in the last 50 incidents"
    )
    assert watch.worse(compared(lost_s=-50.0, harms=0.2), 0.99, "what it replaced", harmed=False) is None
    assert watch.worse(compared(lost_s=-50.0, harms=-0.2), 0.99, "what it replaced", harmed=True) is None


def test_a_later_look_asks_for_more() -> None:
    """A loss of ten standard errors is sure at any look; of three, at the first but not at the hundredth."""
    assert watch.worse(compared(lost_s=50.0, harms=0.0), 1 - 1e-6, "x", harmed=False) is not None
    three = compared(lost_s=50.0, harms=0.0)
    three.deviations[:, 0, 0] = (50.0 / 3.0, -50.0 / 3.0)
    assert watch.worse(three, 1 - 0.05 / 2, "x", harmed=False) is not None
    assert watch.worse(three, 1 - 0.05 / (100 * 101), "x", harmed=False) is None


def test_what_was_taken_back_does_not_rule_again_by_itself() -> None:
    journal = journal_of(told_by_errors(80))
    apply_retrained(journal, promoted_first())
    head = journal.head_seq("policy/p")
    back = roll_back(promotions_of(journal, "p"), POLICY, "ana", NOW, "it felt wrong")
    journal.append([Batch("policy/p", head, [back])])
    assert current_ranking(journal, "p") is None
    once_more = retrain(journal, POLICY, NOW, "schedule")
    assert once_more.verdict.passed
    assert (once_more.promoted, once_more.entries) == (False, ())
    version = once_more.ranking.version
    assert promotions_of(journal, "p").taken_back == {version}
    promoted = promote(promotions_of(journal, "p"), POLICY, version[:8], "ana", NOW)
    assert (promoted.version, promoted.actor, promoted.replaces) == (version, "ana", None)


@pytest.mark.parametrize("by_itself", [True, False])
@pytest.mark.parametrize("care", [{"deferred": ("shift",)}, {"harm_s": 9e9}])
def test_numbers_that_were_taken_back_do_not_rule_with_less_care(
    monkeypatch: pytest.MonkeyPatch, care: Mapping[str, Any], by_itself: bool
) -> None:
    first = promoted_first().ranking
    careful = versioned(replace(first, nodes={name: changed(node, **care) for name, node in first.nodes.items()}))
    journal = journal_of(told_by_errors(80))
    said: list[e.Entry] = [
        e.RankingTrained(at=NOW, ranking=careful, gate="", passed=True),
        e.RankingPromoted(at=NOW, version=careful.version, actor="ana"),
    ]
    if by_itself:
        monkeypatch.setattr("homeostat.learn.retrain.watch_promoted", lambda *_, **__: "it is worse")
    else:
        said.append(roll_back(fold(said), POLICY, "ana", NOW, "it felt wrong"))
    journal.append([Batch("policy/p", 0, said)])
    once_more = retrain(journal, POLICY, NOW, "schedule")
    assert (once_more.verdict.passed, once_more.promoted) == (True, False)
    assert once_more.ranking.nodes == first.nodes
    assert (once_more.rolled_back is not None) is by_itself


def test_other_numbers_than_those_taken_back_may_rule() -> None:
    first = promoted_first().ranking
    for learnt in ({"stack": Stack(0.5, first.nodes["remedy"].stack.weights)}, {"members": ()}, {"candidates": ()}):
        assert not same_numbers(first, replace(first, nodes={"remedy": changed(first.nodes["remedy"], **learnt)}))
    assert not same_numbers(first, replace(first, nodes={}))


def test_the_challenger_is_the_last_one_that_does_not_rule() -> None:
    journal = journal_of(told_by_nothing(80))
    refused = retrain(journal, POLICY, NOW, "schedule")
    apply_retrained(journal, refused)
    challenger = promotions_of(journal, "p").challenger
    assert challenger is not None
    assert challenger.ranking == refused.ranking
    assert (challenger.passed, challenger.figures) == (False, refused.verdict.figures)
    assert challenger.figures["remedy"].incidents == 80
    assert promotions_of(ruled(), "p").challenger is None


def test_a_person_may_promote_what_was_refused_only_knowingly() -> None:
    journal = journal_of(told_by_nothing(80))
    refused = retrain(journal, POLICY, NOW, "schedule")
    apply_retrained(journal, refused)
    known, version = promotions_of(journal, "p"), refused.ranking.version
    with pytest.raises(UsageError, match=f"did not let ranking {version[:12]} pass: Refused: 'remedy' is not surely"):
        promote(known, POLICY, version, "ana", NOW)
    with pytest.raises(UsageError, match="say --why"):
        promote(known, POLICY, version, "ana", NOW, although_refused=True)
    entry = promote(known, POLICY, version, "ana", NOW, "tried by hand", although_refused=True)
    assert (entry.version, entry.actor, entry.why) == (version, "ana", "tried by hand")


def test_wrong_versions_are_refused_with_the_nearest_right_one() -> None:
    known = promotions_of(ruled(), "p")
    version = next(iter(known.trained))
    with pytest.raises(AlreadyDecided, match=f"ranking {version[:12]} of 'p' rules already"):
        promote(known, POLICY, version, "ana", NOW)
    near = version[:11] + ("0" if version[11] != "0" else "1")
    with pytest.raises(UsageError, match=f"there is no ranking '{near}'; did you mean '{version[:12]}'"):
        promote(known, POLICY, near, "ana", NOW)
    with pytest.raises(UsageError, match="no ranking was trained yet; run `homeostat retrain`"):
        promote(Promotions(), POLICY, version, "ana", NOW)
    with pytest.raises(UsageError, match="there is no ranking ''; `homeostat rankings history` lists them"):
        promote(known, POLICY, "", "ana", NOW)
    with pytest.raises(AlreadyDecided, match="rules already"):
        roll_back(known, POLICY, "ana", NOW, "why not", version)


def test_a_ranking_of_other_candidates_cannot_be_promoted() -> None:
    journal = journal_of(told_by_errors(80))
    apply_retrained(journal, retrain(journal, POLICY, NOW, "schedule", promote=False))
    known = promotions_of(journal, "p")
    grown = policy_of(Choose("remedy", (do("restart"), do("shift"), do("new"))))
    with pytest.raises(UsageError, match="does not know the candidates that 'p' has today"):
        promote(known, grown, next(iter(known.trained)), "ana", NOW)
    empty = replace(known.trained[next(iter(known.trained))].ranking, nodes={}, attempts=0)
    nothing = replace(known, trained={empty.version: e.RankingTrained(at=NOW, ranking=empty, gate="Refused.")})
    with pytest.raises(UsageError, match="has learnt nothing yet, from 0 attempts"):
        promote(nothing, POLICY, empty.version, "ana", NOW)


def test_a_roll_back_needs_something_that_rules_and_a_reason() -> None:
    with pytest.raises(AlreadyDecided, match="the written order of 'p' rules; there is nothing to take back"):
        roll_back(Promotions(), POLICY, "ana", NOW, "why not")
    known = promotions_of(ruled(), "p")
    with pytest.raises(UsageError, match="say why"):
        roll_back(known, POLICY, "ana", NOW, " ")
    entry = roll_back(known, POLICY, "ana", NOW, "it felt wrong", WRITTEN)
    assert (entry.to, entry.actor, entry.why) == (None, "ana", "it felt wrong")


def test_a_promotion_that_replaced_what_was_never_trained_is_corrupt() -> None:
    journal = ruled()
    version = next(iter(promotions_of(journal, "p").trained))
    stray = e.RankingPromoted(at=NOW, version=version, actor="x", replaces="gone")
    journal.append([Batch("policy/p", journal.head_seq("policy/p"), [stray])])
    with pytest.raises(JournalCorrupt, match="'gone' was replaced but never trained"):
        promotions_of(journal, "p")


class TestWhatRulesAgain:
    """Two rankings that replaced one another must not be handed the rule to and fro."""

    @staticmethod
    def known(*said: tuple[str, str | None]) -> Promotions:
        """Of rankings a, b and c: (promoted, replaces), or ("-" and which one is taken back, what rules then)."""
        rankings = {name: versioned(Ranking("", "p", NOW, place, place)) for place, name in enumerate("abc")}
        entries: list[e.Entry] = [
            e.RankingTrained(at=NOW, ranking=one, gate="", passed=True) for one in rankings.values()
        ]
        for name, other in said:
            version, then = rankings[name[-1]].version, rankings[other].version if other else None
            if name.startswith("-"):
                entries.append(e.RankingRolledBack(at=NOW, version=version, to=then, actor="t", why="worse"))
            else:
                entries.append(e.RankingPromoted(at=NOW, version=version, actor="t", replaces=then))
        return fold(entries)

    @pytest.mark.parametrize(
        ("said", "place"),
        [
            ((("a", None), ("b", "a")), 0),
            ((("a", None), ("b", "a"), ("-b", "a")), None),
            ((("a", None), ("-a", None), ("b", None), ("a", "b"), ("-a", "b")), None),
            ((("a", None), ("b", "a"), ("a", "b"), ("-a", "b")), None),
            ((("a", None), ("b", "a"), ("c", "b"), ("-c", "a"), ("c", "a")), 0),
            ((("a", None), ("b", "a"), ("-b", "a"), ("b", "a"), ("c", "b")), 0),
        ],
    )
    def test_it_is_never_what_was_taken_back(self, said: Sequence[tuple[str, str | None]], place: int | None) -> None:
        replaced = self.known(*said).replaced
        assert (None if replaced is None else replaced.incidents) == place
