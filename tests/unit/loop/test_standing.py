"""What an agent believes of the journal, while others write to it at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pytest
from tests.unit.loop.test_loop import Noted, policy_named

from homeostat.decide.identity import dormant_incident
from homeostat.learn.ranker import versioned
from homeostat.loop.standing import Standing
from homeostat.model import entries as e
from homeostat.model.commands import Step
from homeostat.model.errors import FactsMovedOn, JournalConflict, JournalError
from homeostat.model.incident import Ledger
from homeostat.model.policy import COOLDOWN_S_MAX, Effect
from homeostat.model.ports import Batch, Record
from homeostat.model.ranking import Ranking
from homeostat.model.reasons import AttemptVerdict, Result
from homeostat.record.memory import MemoryJournal

NOW = 1_700_000_000.0


def suspected(incident: str, at: float = NOW, *, dedup_key: str = "a") -> e.Suspected:
    return e.Suspected(at=at, incident=incident, policy="a", policy_hash="h", dedup_key=dedup_key, seed=1)


def intended(incident: str, at: float = NOW) -> e.ActionIntended:
    return e.ActionIntended(
        at=at, incident=incident, key=f"{incident}/n/1", node="n", action="restart", target="svc/a", arguments={},
        effect=Effect.SAFE, number=1, deadline_at=at + 60.0, held_before=False, harm_before=None, policy="a",
    )  # fmt: skip


def standing(journal: MemoryJournal) -> Standing:
    made = Standing(journal, Noted())
    made.fold_everything(NOW, lambda _: True)
    return made


def said(at: float = NOW) -> e.Paused:
    return e.Paused(at=at, by="ann", answer="p", policy="other")


def test_an_incident_that_another_agent_opened_meanwhile_stays_known() -> None:
    journal = MemoryJournal()
    ours = standing(journal)
    journal.append([Batch("theirs", 0, [suspected("theirs")])])
    ours.say("agent", [said()])
    policy = policy_named("a")
    ours.remember(policy, Step(dormant_incident(policy, NOW, 1), Ledger()))
    assert list(ours.open_streams.values()) == ["theirs"]


class CutOff(MemoryJournal):
    """Cannot be read any more in the middle of what others have written, while `readable` is 0."""

    readable: int | None = None

    def after(self, position: int, types: Iterable[str]) -> Iterator[Record]:
        for number, record in enumerate(super().after(position, types)):
            if number == self.readable:
                raise JournalError("cut off")
            yield record


def test_what_others_wrote_is_never_counted_twice_after_a_look_that_broke_off() -> None:
    journal = CutOff()
    ours = standing(journal)
    ours.append([Batch("i", 0, [suspected("i")])])
    journal.append([Batch("theirs", 0, [suspected("theirs", dedup_key="b")])])
    journal.append([Batch("theirs", 1, [intended("theirs")]), Batch("agent", None, [said()])])
    journal.readable = 2
    with pytest.raises((FactsMovedOn, JournalError)):
        ours.append([Batch("i", 1, [intended("i")])])
    journal.readable = None
    if ours.in_doubt:
        ours.fold_everything(NOW, lambda _: True)
    else:
        ours.refresh()
    assert len(ours.ledger.starts) == 1


@pytest.mark.parametrize("back_s", [0.0, 2 * COOLDOWN_S_MAX])
def test_a_lock_never_outlives_its_attempt_wherever_the_clock_was_set(back_s: float) -> None:
    journal = MemoryJournal()
    over: Sequence[e.Entry] = [
        suspected("i"),
        intended("i"),
        e.AttemptEnded(at=NOW - back_s, key="i/n/1", verdict=AttemptVerdict.EFFECTIVE, succeeded=True),
        e.Closed(at=NOW - back_s, result=Result.RECOVERED),
    ]
    journal.append([Batch("i", 0, over)])
    assert standing(journal).ledger.locks == {}


def test_the_lock_of_an_attempt_that_is_open_outlives_every_clock() -> None:
    journal = MemoryJournal()
    journal.append([Batch("i", 0, [suspected("i", NOW - 2 * COOLDOWN_S_MAX), intended("i", NOW - 2 * COOLDOWN_S_MAX)])])
    assert {target: lock.key for target, lock in standing(journal).ledger.locks.items()} == {"svc/a": "i/n/1"}


class TestRankings:
    """What was found while another ranking ruled does not take back what a person has said since."""

    @staticmethod
    def trained(journal: MemoryJournal, *names: str) -> list[str]:
        rankings = [versioned(Ranking("", "a", NOW, place, place)) for place, _ in enumerate(names)]
        told = [e.RankingTrained(at=NOW, ranking=ranking, gate="", passed=True) for ranking in rankings]
        journal.append([Batch("policy/a", None, told)])
        return [ranking.version for ranking in rankings]

    @pytest.mark.parametrize("person", ["takes it back", "lets another one rule"])
    def test_a_training_that_took_long_does_not_overrule_people(self, person: str) -> None:
        journal = MemoryJournal()
        old, other, new = self.trained(journal, "old", "other", "new")
        ours = standing(journal)
        ours.take_ranking("a", [e.RankingPromoted(at=NOW, version=old, actor="schedule")])
        takes_back = e.RankingRolledBack(at=NOW, version=old, to=None, actor="ann", why="harm")
        promotes = e.RankingPromoted(at=NOW, version=other, actor="ann", replaces=old)
        said = takes_back if person == "takes it back" else promotes
        ours.take_ranking("a", [said])
        ruling, head = ours.ranking("a"), journal.head_seq("policy/a")
        found = e.RankingPromoted(at=NOW, version=new, actor="schedule", replaces=old)
        watched = e.RankingRolledBack(at=NOW, version=old, to=None, actor="schedule", why="worse")
        for late in (found, watched):
            with pytest.raises(JournalConflict, match="what rules 'a' has changed since this was found"):
                ours.take_ranking("a", [late])
        assert ours.ranking("a") == ruling
        assert journal.head_seq("policy/a") == head

    def test_one_after_the_other_is_said_of_what_the_first_lets_rule(self) -> None:
        journal = MemoryJournal()
        old, new = self.trained(journal, "old", "new")
        ours = standing(journal)
        ours.take_ranking("a", [e.RankingPromoted(at=NOW, version=old, actor="schedule")])
        back = e.RankingRolledBack(at=NOW, version=old, to=None, actor="schedule", why="worse")
        ours.take_ranking("a", [back, e.RankingPromoted(at=NOW, version=new, actor="schedule", replaces=None)])
        ruling = ours.ranking("a")
        assert ruling is not None
        assert ruling.version == new
