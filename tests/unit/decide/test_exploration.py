"""Guarded exploration: exact propensities, a harm budget that holds over incidents and restarts, and nothing unsaid."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.decide.builders import OK, START, Driver, above, choice_of, do, policy, undo_of

from homeostat.app.explain import explain
from homeostat.decide.exploration import draw, pick
from homeostat.decide.identity import dormant_incident
from homeostat.decide.ledger import LEDGER_TYPES, LOOK_BACKS, account
from homeostat.decide.turn import Turn
from homeostat.loop.standing import Standing
from homeostat.model import entries as e
from homeostat.model.answers import AnswerKind
from homeostat.model.autonomy import Earning
from homeostat.model.incident import Ledger
from homeostat.model.policy import Choose, Do, Escalate, Exploration, Mode, Node, Policy
from homeostat.model.ports import Batch
from homeostat.model.ranking import Candidate, LinearModel, NodeRanking, Ranking, Stack
from homeostat.model.reasons import Phase, Reason
from homeostat.model.signals import Snapshot
from homeostat.model.streams import policy_stream
from homeostat.model.track_record import ExploredAttempt
from homeostat.record.memory import MemoryJournal

ALWAYS = Exploration(share=1.0, harm_max=1, within_s=30 * 86_400.0)
HARM = above("harm", 5)


def ranking_of(**probabilities: float) -> Ranking:
    """A ranking of the node `choose` in which every attempt costs 100 s; 1 stands for what is certain."""
    logits = tuple(math.log(p / (1 - p)) if p < 1 else 0.0 for p in probabilities.values())
    candidates = tuple(Candidate(name, 100.0, 100.0, certain=p == 1) for name, p in probabilities.items())
    nothing = tuple(() for _ in logits)
    model = LinearModel("linear", logits, nothing, tuple((0.0,) * len(logits) for _ in logits))
    node = NodeRanking((), candidates, (model,), Stack(0.0, (1.0,)))
    return Ranking("v" * 64, "p", 0.0, 10, 10, {"choose": node})


RANKING = ranking_of(a=0.6, b=0.5, c=0.1)


def exploring(exploration: Exploration = ALWAYS, node: Choose | None = None, mode: Mode = Mode.AUTO) -> Policy:
    return policy(replace(node or choice_of("a", "b", "c"), explore=exploration), harm=HARM, mode=mode)


def driver_of(plan: Policy, seed: int, ranking: Ranking = RANKING) -> Driver:
    driver = Driver(plan, ranking)
    driver.incident = replace(driver.incident, id=f"incident-{seed}", seed=seed)
    return driver


def decided(driver: Driver) -> list[e.Decided]:
    return [entry for entry in driver.entries if isinstance(entry, e.Decided) and entry.kind == "choose"]


def explored(plan: Policy | None = None, wanted: str = "b") -> Driver:
    """An incident whose seed lets it explore, at its first decision."""
    for seed in range(50):
        driver = driver_of(plan or exploring(), seed)
        driver.confirm()
        if decided(driver)[0].chosen == wanted:
            return driver
    raise AssertionError("no seed of 50 explores")


def options_of(indices: Sequence[float]) -> list[e.Option]:
    return [e.Option(id=str(place), eligible=True, index=index) for place, index in enumerate(indices)]


class TestDraw:
    @given(
        st.integers(1, 8).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))),
        st.floats(0, 1),
        st.integers(0, 2**48 - 1),
    )
    def test_propensities_sum_to_one_and_only_what_may_be_explored_is_drawn(
        self, case: tuple[int, set[int]], share: float, seed: int
    ) -> None:
        count, near = case
        names = {str(place) for place in near} | {"0"}
        drawn, chosen = draw(options_of([1.0] * count), names, share, seed)
        assert math.fsum(option.propensity for option in drawn) == pytest.approx(1.0, abs=1e-12)
        assert chosen in names
        assert all((option.propensity > 0) <= (option.id in names) for option in drawn)

    def test_choices_are_as_frequent_as_their_propensities_say(self) -> None:
        """Pearson's chi-square with 2 degrees of freedom: 13.8 is exceeded once in 1,000."""
        count = 600
        counts: Counter[str | None] = Counter()
        for seed in range(count):
            driver = driver_of(exploring(replace(ALWAYS, share=0.6)), seed, ranking_of(a=0.6, b=0.5, c=0.4))
            driver.confirm()
            made = decided(driver)[0]
            counts[made.chosen] += 1
        expected = {option.id: option.propensity * count for option in made.options}
        assert [option.propensity for option in made.options] == pytest.approx([0.6, 0.2, 0.2])
        assert sum((counts[name] - wanted) ** 2 / wanted for name, wanted in expected.items()) < 13.8

    def test_every_pick_of_every_node_is_drawn_anew(self) -> None:
        nodes = [replace(choice_of("0", "1"), id=name, explore=ALWAYS) for name in "xy"]
        driver = driver_of(policy(*nodes, harm=HARM), 1)
        turn = Turn(driver.policy, driver.incident, driver.moment())
        picks = [pick(turn, node, options_of([1.0, 1.0]), "0", number) for node in nodes for number in range(2)]
        assert len({made.seed for made in picks} - {None}) == 4

    def test_the_entry_alone_tells_how_it_was_drawn(self) -> None:
        made = decided(explored())[0]
        assert made.seed is not None
        again = draw(made.options, {"a", "b"}, ALWAYS.share, made.seed)
        assert again == (list(made.options), made.chosen)


class TestWhatIsExplored:
    def test_what_has_less_than_half_the_best_index_is_not(self) -> None:
        made = decided(explored())[0]
        assert made.explored
        assert {option.id: option.propensity for option in made.options} == {"a": 0.5, "b": 0.5, "c": 0.0}

    def test_taking_the_best_is_no_exploring(self) -> None:
        driver = explored(wanted="a")
        assert not decided(driver)[0].explored
        assert driver.policy_entries == []

    def test_more_than_one_action_is_not(self) -> None:
        """One that can do two harms could exceed any budget."""
        node = Choose("choose", (do("a"), do("b", fallback=do("d")), Escalate("c", "team")))
        driver = driver_of(exploring(node=node), 1, ranking_of(a=0.6, b=0.5, c=0.5))
        driver.confirm()
        assert decided(driver)[0].seed is None
        assert [option.propensity for option in decided(driver)[0].options] == [1.0, 0.0, 0.0]

    @pytest.mark.parametrize(
        "watched",
        [
            do("b", mode=Mode.OBSERVE),
            replace(do("b", mode=Mode.AUTO), earning=Earning(Mode.OBSERVE, "step", 3)),
        ],
        ids=["said", "not yet earned"],
    )
    def test_what_is_only_observed_is_not(self, watched: Do) -> None:
        """It would never start: the outage would last, and nothing would be learnt."""
        plan = exploring(node=Choose("choose", (do("a"), watched, do("c"))))
        for seed in range(8):
            driver = driver_of(plan, seed)
            driver.confirm()
            assert (driver.names(), decided(driver)[0].seed) == (["a"], None)

    def test_what_is_only_observed_is_passed_over_and_holds_up_nobody(self) -> None:
        """It is held to be best, and would be waited for until the incident's time is up."""
        watched = Choose("choose", (do("a", mode=Mode.OBSERVE), do("b"), do("c")))
        driver = Driver(policy(watched), RANKING)
        driver.confirm()
        made = decided(driver)[0]
        assert (driver.names(), made.chosen) == (["b"], "b")
        assert [option.reason for option in made.options if option.id == "a"] == [Reason.MODE_OBSERVE]

    @pytest.mark.parametrize("who", ["agent", "policy"])
    def test_what_observes_altogether_still_says_what_it_would_choose(self, who: str) -> None:
        driver = Driver(policy(choice_of("a", "b"), mode=Mode.OBSERVE if who == "policy" else Mode.AUTO), RANKING)
        driver.mode = Mode.OBSERVE if who == "agent" else Mode.AUTO
        driver.confirm()
        assert (driver.names(), decided(driver)[0].chosen) == ([], "a")

    @pytest.mark.parametrize("harm", [None, 10.0])
    def test_nothing_is_where_harm_would_not_be_seen(self, harm: float | None) -> None:
        for seed in range(8):
            driver = driver_of(exploring(), seed)
            driver.signals["harm"] = harm
            driver.confirm()
            made = decided(driver)[0]
            assert (made.chosen, made.explored) == ("a", False)
            assert made.detail == f"nothing is explored: 'harm > 5' is {'true' if harm else 'unknown'}"

    def test_nothing_is_without_a_harm_condition_or_a_ranking_or_while_only_observing(self) -> None:
        for seed in range(8):
            cases = [
                driver_of(replace(exploring(), harm=None), seed),
                driver_of(exploring(mode=Mode.OBSERVE), seed),
                Driver(exploring()),
            ]
            for driver in cases:
                driver.confirm()
                assert (decided(driver)[0].chosen, decided(driver)[0].seed) == ("a", None)


def attempt(driver: Driver, *, harms: bool) -> None:
    """Let the running action end and do harm, or not."""
    driver.finish(OK)
    if harms:
        driver.tick(harm=10.0)
    else:
        driver.ticks(4, errors=0.0)


class TestHarmBudget:
    def test_a_harmful_attempt_is_counted_and_ends_exploring(self) -> None:
        driver = explored()
        attempt(driver, harms=True)
        key = driver.started[0].key
        assert [type(entry) for entry in driver.policy_entries] == [e.ExplorationStarted, e.ExplorationEnded]
        assert driver.ledger.explored[key].harmful is True
        for seed in range(8):
            later = driver_of(exploring(), seed)
            later.ledger = driver.ledger
            later.now = driver.now + 86_400
            later.confirm()
            assert decided(later)[0].chosen == "a"
            assert decided(later)[0].detail == (
                "nothing is explored: 1 explored attempts did harm within 30 days; at most 1 may"
            )

    def test_it_is_free_again_after_its_window(self) -> None:
        driver = explored()
        attempt(driver, harms=True)
        chosen = set()
        for seed in range(8):
            later = driver_of(exploring(), seed)
            later.ledger, later.now = driver.ledger, driver.now + 31 * 86_400
            later.confirm()
            chosen.add(decided(later)[0].chosen)
        assert chosen == {"a", "b"}

    def test_an_attempt_under_way_counts_until_its_verdict(self) -> None:
        driver = explored()
        other = driver_of(exploring(), driver.incident.seed)
        other.ledger = driver.ledger
        other.confirm()
        assert "under way" in decided(other)[0].detail
        attempt(driver, harms=False)
        assert driver.ledger.explored[driver.started[0].key].harmful is False

    @pytest.mark.parametrize("harms", [True, False])
    def test_what_takes_an_explored_attempt_back_is_a_part_of_it(self, harms: bool) -> None:
        undone = [do(name, undo=undo_of(name)) for name in ("a", "b", "c")]
        driver = explored(exploring(node=Choose("choose", tuple(undone))))
        driver.finish(OK)
        driver.ticks(30)
        undo = next(command.key for command in driver.started if command.action.name == "b.undo")
        assert driver.ledger.explored[driver.started[0].key].harmful is False
        assert driver.ledger.explored[undo].harmful is None, "it may still do harm"
        driver.reports[undo] = OK
        driver.ticks(3, harm=10.0 if harms else 0.0)
        assert driver.ledger.explored[undo].harmful is harms

    def test_taking_back_what_did_harm_is_not_counted_twice(self) -> None:
        undone = [do(name, undo=undo_of(name)) for name in ("a", "b", "c")]
        driver = explored(exploring(node=Choose("choose", tuple(undone))))
        attempt(driver, harms=True)
        driver.ticks(3)
        assert "b.undo" in driver.names()
        assert list(driver.ledger.explored) == [driver.started[0].key]

    def test_harm_that_nobody_can_rule_out_counts(self) -> None:
        driver = explored()
        driver.finish(OK)
        driver.ticks(4, errors=0.0, harm=None)
        assert driver.ledger.explored[driver.started[0].key].harmful is True

    @pytest.mark.parametrize(("name", "node"), [("q", "choose"), ("p", "other")])
    def test_every_node_of_every_policy_has_a_budget_of_its_own(self, name: str, node: str) -> None:
        elsewhere = {"k": ExploredAttempt(START, name, node, harmful=True)}
        driver = driver_of(exploring(), explored().incident.seed)
        driver.ledger = Ledger(explored=elsewhere)
        driver.confirm()
        assert decided(driver)[0].explored

    def test_a_budget_spent_while_people_were_asked_refuses_the_start(self) -> None:
        asking = exploring(mode=Mode.APPROVE)
        driver = explored(asking)
        assert driver.started == []
        rival = explored()
        driver.ledger = rival.ledger
        driver.say(AnswerKind.APPROVE, "b", "oncall")
        driver.ticks(2)
        assert driver.started == []
        guard = [entry for entry in driver.entries if isinstance(entry, e.Decided) and entry.kind == "guard"]
        assert guard[0].options[0].reason is Reason.HARM_BUDGET
        assert decided(driver)[1].chosen == "a"

    @pytest.mark.parametrize("seed", range(10))
    def test_it_is_never_exceeded_over_many_incidents_and_restarts(self, seed: int) -> None:
        """Every explored attempt does harm; the agent forgets all but the journal after each incident."""
        budget = replace(ALWAYS, harm_max=2)
        journal: list[e.Entry] = []
        explored_picks = 0
        for number in range(12):
            driver = driver_of(exploring(budget), 1000 * seed + number)
            driver.now += 3600.0 * number
            for entry in journal:
                driver.ledger = account(driver.ledger, entry)
            driver.confirm()
            explored_picks += decided(driver)[0].explored
            attempt(driver, harms=driver.names() == ["b"])
            journal += driver.policy_entries
        harms = sum(isinstance(entry, e.ExplorationEnded) and entry.harmful for entry in journal)
        assert harms == explored_picks == 2

    def test_a_restart_in_the_middle_knows_what_was_spent_long_ago(self) -> None:
        driver = explored()
        attempt(driver, harms=True)
        journal = MemoryJournal()
        journal.append([Batch(driver.incident.id, 0, driver.entries)])
        journal.append([Batch(policy_stream("p"), None, driver.policy_entries)])
        standing = Standing(journal, _Nobody())
        standing.fold_everything(driver.now + 29 * 86_400, lambda _: True)
        assert standing.ledger.explored == driver.ledger.explored

    def test_every_type_that_the_ledger_follows_has_its_look_back(self) -> None:
        assert sorted(name for _, types in LOOK_BACKS for name in types) == sorted(LEDGER_TYPES)


class _Nobody:
    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None: ...

    def appended(self, stream: str, entries: Sequence[e.Entry]) -> None: ...

    def failed(self, what: str, error: Exception) -> None:
        raise AssertionError(what) from error


class TestSaying:
    def test_explain_says_what_was_best_and_what_was_taken(self) -> None:
        text = "\n".join(detail for line in explain(explored().entries) for detail in line.details)
        assert "explored: a is held to be best; b, which has 0.83 of its index, was drawn to learn of it" in text

    @pytest.mark.parametrize("mode", [Mode.APPROVE, Mode.SUGGEST])
    def test_who_is_asked_is_told(self, mode: Mode) -> None:
        driver = explored(exploring(mode=mode))
        kind = e.ApprovalRequested if mode is Mode.APPROVE else e.DecisionWithheld
        told = [entry.detail for entry in driver.entries if isinstance(entry, kind)]
        assert told[-1].endswith("this is an exploration: 'a' is held to be better")

    def test_who_is_asked_for_the_best_is_told_nothing(self) -> None:
        driver = explored(exploring(mode=Mode.APPROVE), wanted="a")
        assert [entry.detail for entry in driver.entries if isinstance(entry, e.ApprovalRequested)] == [""]


class TestRanking:
    def test_an_escalation_that_is_worth_more_ends_the_search_early(self) -> None:
        """p/c of what is left is below 1 / C of calling people: 0.1/100 s < 1/200 s."""
        children: tuple[Node, ...] = (do("a"), do("b"), Escalate("people", "team"))
        ranking = ranking_of(a=0.6, b=0.1, people=1.0)
        node = ranking.nodes["choose"]
        people = Candidate("people", 200.0, 200.0, certain=True)
        ranking = replace(
            ranking,
            nodes={"choose": NodeRanking((), (*node.candidates[:2], people), node.members, node.stack)},
        )
        driver = Driver(policy(Choose("choose", children)), ranking)
        driver.confirm()
        driver.finish(OK)
        driver.ticks(16)
        assert driver.names() == ["a"]
        assert [made.chosen for made in decided(driver)] == ["a", "people"]
        assert driver.incident.phase is Phase.ESCALATED

    def test_signals_are_read_again_after_a_failure(self) -> None:
        driver = Driver(policy(choice_of("a", "b", "c")), RANKING)
        driver.signals["hint"] = 1.0
        driver.confirm()
        driver.finish(OK)
        driver.ticks(16, hint=2.0)
        first, second = decided(driver)
        assert (first.context["hint"], second.context["hint"]) == (1.0, 2.0)
        assert second.failed == ("a",)


def test_the_seed_of_a_replayed_incident_gives_the_same_draws() -> None:
    driver = explored()
    again = driver_of(exploring(), driver.incident.seed)
    again.confirm()
    assert decided(again) == decided(driver)
    assert dormant_incident(exploring(), 0.0, 7).seed != 7
