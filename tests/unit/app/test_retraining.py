"""Scheduled retraining: on time, one at a time, beside the loop, and bounded by its journal's reader."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from homeostat.app.recordings import journal_of_recordings
from homeostat.app.retraining import (
    PAUSE_S_MIN,
    RETRY_S_MAX,
    RULINGS_MAX,
    STALE_MAX,
    BackgroundRetrainer,
    Trained,
    TrainingHere,
    may_promote,
)
from homeostat.model import entries as e
from homeostat.model.errors import JournalConflict, UsageError
from homeostat.model.policy import Policy, Promotion
from homeostat.model.ports import Journal
from homeostat.model.reasons import Result
from homeostat.model.signals import Snapshot
from homeostat.policy.load import load_policy

ROOT = Path(__file__).parents[3]


class Noted:
    def __init__(self) -> None:
        self.failures: list[str] = []

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        del now, snapshot, open_incidents

    def appended(self, stream: str, entries: Sequence[e.Entry]) -> None:
        del stream, entries

    def failed(self, what: str, error: Exception) -> None:
        self.failures.append(f"{what}: {error}")


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy(ROOT / "policies/payments-5xx.homeostat.yaml")


@pytest.fixture(scope="module")
def history() -> Journal:
    return journal_of_recordings(ROOT / "history")


def retrainer(journal: Journal, policy: Policy, noted: Noted) -> BackgroundRetrainer:
    training = TrainingHere(journal, recurrence_s=0.0, promote=True)
    return BackgroundRetrainer(training, lambda: {policy.name: policy}, noted, interval_s=100.0, recurrence_s=0.0)


def collected(retrainer: BackgroundRetrainer, now: float) -> dict[str, Sequence[e.Entry]]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        entries = retrainer.collect(now)
        if entries:
            return dict(entries)
        if not any(thread.name == "retrainer" for thread in threading.enumerate()):
            return dict(retrainer.collect(now))
        time.sleep(0.01)
    raise AssertionError("the training did not end")


def test_a_training_is_due_after_the_interval_and_gives_a_promoted_ranking(policy: Policy, history: Journal) -> None:
    now = 2e9
    trainer = retrainer(history, policy, Noted())
    assert trainer.collect(now) == {}
    assert trainer.collect(now + 99.0) == {}
    assert not any(thread.name == "retrainer" for thread in threading.enumerate())
    trainer.collect(now + 100.0)
    entries = collected(trainer, now + 101.0)[policy.name]
    assert [type(entry) for entry in entries] == [e.RankingTrained, e.RankingPromoted]


def test_it_can_be_asked_for_at_once(policy: Policy, history: Journal) -> None:
    trainer = retrainer(history, policy, Noted())
    trainer.collect(2e9)
    trainer.ask()
    trainer.collect(2e9 + 1.0)
    assert policy.name in collected(trainer, 2e9 + 2.0)


def test_a_training_that_fails_is_told_and_tried_again(policy: Policy) -> None:
    class Broken:
        def incidents(self, *_: object) -> list[str]:
            raise RuntimeError("the disk is gone")

        open_incidents = read = head_seq = since = verify = append = close = incidents

    noted = Noted()
    trainer = retrainer(Broken(), policy, noted)  # type: ignore[arg-type] # a journal of which every call fails
    trainer.collect(2e9)
    trainer.collect(2e9 + 100.0)
    assert collected(trainer, 2e9 + 101.0) == {}
    assert noted.failures == ["retraining of payments-5xx: the disk is gone"]
    trainer.collect(2e9 + 200.0)
    assert not any(thread.name == "retrainer" for thread in threading.enumerate()), "it waits twice as long"
    trainer.collect(2e9 + 300.0)
    collected(trainer, 2e9 + 301.0)
    assert len(noted.failures) == 2


class Scheduled:
    """A retrainer whose trainings only count, and end at once or when they are told to."""

    def __init__(self, policy: Policy, recurrence_s: float = 50.0) -> None:
        self.trainings: list[float] = []
        self.fails = False
        self.noted = Noted()
        self.retrainer = BackgroundRetrainer(
            self, lambda: {policy.name: policy}, self.noted, interval_s=1000.0, recurrence_s=recurrence_s
        )
        self.tick(0.0)

    def __call__(self, policies: Mapping[str, Policy], now: float) -> Trained:
        self.trainings.append(now)
        return Trained(failures=dict.fromkeys(policies, OSError("no memory"))) if self.fails else Trained()

    def tick(self, now: float) -> None:
        """Look, let a training that has begun end, and look again."""
        self.retrainer.collect(now)
        for thread in threading.enumerate():
            if thread.name == "retrainer":
                thread.join(10)
        self.retrainer.collect(now)

    def close(self, at: float, result: Result = Result.RECOVERED) -> None:
        self.retrainer.appended("incident", [e.Closed(at=at, result=result)])


class TestSchedule:
    def test_an_incident_is_learnt_from_once_its_label_is_mature(self, policy: Policy) -> None:
        scheduled = Scheduled(policy)
        scheduled.close(100.0)
        for now in (120.0, 149.0, 150.0, 151.0, 400.0):
            scheduled.tick(now)
        assert scheduled.trainings == [150.0]

    def test_one_that_closed_before_a_training_and_matures_after_it_is_not_forgotten(self, policy: Policy) -> None:
        scheduled = Scheduled(policy)
        for closed_at in (100.0, 110.0, 140.0):
            scheduled.close(closed_at)
        for now in range(150, 600, 10):
            scheduled.tick(float(now))
        assert scheduled.trainings == [150.0, 150.0 + PAUSE_S_MIN]

    def test_a_dismissed_one_teaches_nothing(self, policy: Policy) -> None:
        scheduled = Scheduled(policy)
        scheduled.close(100.0, Result.DISMISSED)
        scheduled.tick(500.0)
        assert scheduled.trainings == []

    def test_many_incidents_do_not_train_without_pause(self, policy: Policy) -> None:
        scheduled = Scheduled(policy, recurrence_s=0.0)
        for now in range(100, 200, 5):
            scheduled.close(float(now))
            scheduled.tick(float(now))
        assert scheduled.trainings == [100.0, 100.0 + PAUSE_S_MIN]

    def test_a_long_training_is_followed_by_a_pause_nine_times_as_long(self, policy: Policy) -> None:
        scheduled = Scheduled(policy, recurrence_s=0.0)
        scheduled.close(100.0)
        scheduled.retrainer.collect(100.0)
        for now in range(130, 450, 10):
            scheduled.close(float(now))
            scheduled.tick(float(now))
        assert scheduled.trainings == [100.0, 130.0 + 9 * 30.0]

    def test_however_often_it_failed_it_is_tried_again_within_a_day(self, policy: Policy) -> None:
        scheduled = Scheduled(policy)
        scheduled.fails = True
        for now in range(0, 500_000, 1200):
            scheduled.tick(float(now))
        assert scheduled.trainings[-1] - scheduled.trainings[-2] == RETRY_S_MAX

    def test_failures_double_the_wait_and_mature_labels_do_not_shorten_it(self, policy: Policy) -> None:
        scheduled = Scheduled(policy, recurrence_s=0.0)
        scheduled.fails = True
        for now in range(0, 16_000, 250):
            scheduled.close(float(now))
            scheduled.tick(float(now))
        assert scheduled.trainings == [0.0, 2000.0, 6000.0, 14_000.0]
        assert scheduled.noted.failures[0] == "retraining of payments-5xx: no memory"

    def test_the_next_after_a_success_comes_after_the_interval_again(self, policy: Policy) -> None:
        scheduled = Scheduled(policy)
        scheduled.fails = True
        scheduled.tick(1000.0)
        scheduled.fails = False
        for now in (2000.0, 3000.0, 3999.0, 4000.0):
            scheduled.tick(now)
        assert scheduled.trainings == [1000.0, 3000.0, 4000.0]


def test_what_a_person_said_is_journalled_by_the_agents_clock(policy: Policy) -> None:
    """Rankings are watched from their promotion on: one from the far future would never be."""
    trainer = Scheduled(policy).retrainer
    trainer.rule(policy.name, e.RankingPromoted(at=1e308, version="v", actor="ann"))
    assert trainer.collect(7.0) == {policy.name: [e.RankingPromoted(at=7.0, version="v", actor="ann")]}


def test_words_of_people_wait_in_order_and_in_a_bounded_queue(policy: Policy) -> None:
    trainer = Scheduled(policy).retrainer
    for number in range(RULINGS_MAX):
        trainer.rule(policy.name, e.RankingPromoted(at=0.0, version=str(number), actor="ann"))
    with pytest.raises(UsageError, match="too many words on rankings wait"):
        trainer.rule(policy.name, e.RankingPromoted(at=0.0, version="one more", actor="ann"))
    waiting = [trainer.collect(7.0)[policy.name][0] for _ in range(RULINGS_MAX)]
    assert [one.version for one in waiting if isinstance(one, e.RankingPromoted)] == list(map(str, range(RULINGS_MAX)))
    assert trainer.collect(8.0) == {}


def test_a_policy_may_only_be_stricter_than_the_settings(policy: Policy) -> None:
    reviewed = replace(policy, promotion=Promotion.REVIEW)
    assert may_promote(policy, settings_allow=True)
    assert not may_promote(policy, settings_allow=False)
    assert not may_promote(reviewed, settings_allow=True)


def test_what_came_too_late_is_trained_again_soon_and_not_for_ever(policy: Policy) -> None:
    scheduled = Scheduled(policy)
    scheduled.tick(1000.0)
    now = 1000.0
    for again in range(STALE_MAX):
        scheduled.retrainer.settled(policy.name, JournalConflict("too late"))
        scheduled.tick(now + PAUSE_S_MIN - 1.0)
        assert len(scheduled.trainings) == again + 1, "it pauses as after every training"
        now += PAUSE_S_MIN
        scheduled.tick(now)
        assert len(scheduled.trainings) == again + 2
    scheduled.retrainer.settled(policy.name, JournalConflict("too late"))
    scheduled.tick(now + 10 * PAUSE_S_MIN)
    assert len(scheduled.trainings) == 1 + STALE_MAX


def test_a_word_of_a_person_that_came_too_late_trains_nothing(policy: Policy) -> None:
    scheduled = Scheduled(policy)
    scheduled.retrainer.rule(policy.name, e.RankingPromoted(at=0.0, version="v", actor="ada"))
    assert scheduled.retrainer.collect(1.0)
    scheduled.retrainer.settled(policy.name, JournalConflict("too late"))
    scheduled.tick(10 * PAUSE_S_MIN)
    assert scheduled.trainings == []


def test_whoever_says_what_shall_rule_is_told_what_the_loop_made_of_it(policy: Policy) -> None:
    scheduled = Scheduled(policy)
    retrainer = scheduled.retrainer
    word = e.RankingPromoted(at=0.0, version="v", actor="ada")
    assert not retrainer.rule(policy.name, word), "no loop has come to it"
    assert retrainer.collect(1.0)
    retrainer.settled(policy.name, None)
    for error, told in ((None, "True"), (JournalConflict("it rules no more"), "nothing was written: it rules no more")):
        with ThreadPoolExecutor(1) as someone:
            said = someone.submit(retrainer.rule, policy.name, word, 30.0)
            while not retrainer.collect(2.0):
                time.sleep(0.001)
            retrainer.settled(policy.name, error)
            wrong = said.exception(30)
            assert str(said.result() if wrong is None else wrong) == told
