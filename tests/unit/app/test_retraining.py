"""Scheduled retraining: on time, one at a time, beside the loop, and bounded by its journal's reader."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from homeostat.app.recordings import journal_of_recordings
from homeostat.app.retraining import BackgroundRetrainer
from homeostat.model import entries as e
from homeostat.model.policy import Policy
from homeostat.model.ports import Journal
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
    return BackgroundRetrainer(
        journal, lambda: {policy.name: policy}, noted, interval_s=100.0, recurrence_s=0.0, promote=True
    )


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
        def incidents(self) -> list[str]:
            raise RuntimeError("the disk is gone")

        open_incidents = read = head_seq = since = verify = append = close = incidents

    noted = Noted()
    trainer = retrainer(Broken(), policy, noted)  # type: ignore[arg-type] # a journal of which every call fails
    trainer.collect(2e9)
    trainer.collect(2e9 + 100.0)
    assert collected(trainer, 2e9 + 101.0) == {}
    assert noted.failures == ["retraining of payments-5xx: the disk is gone"]
    trainer.collect(2e9 + 200.0)
    collected(trainer, 2e9 + 201.0)
    assert len(noted.failures) == 2
