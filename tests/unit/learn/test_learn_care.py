"""Where harm is all that speaks against an order, a more careful one of the same model is judged in its place."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from tests.unit.learn.incident_streams import EFFECTIVE, INEFFECTIVE, START, Stream, policy_of, records_of, remedy

from homeostat.learn.care import CARE, judge_with_care
from homeostat.learn.dataset import decisions_frame
from homeostat.learn.gate import Bounds, judge
from homeostat.learn.ranker import train_ranking, versioned
from homeostat.model.policy import Policy
from homeostat.model.ranking import Ranking
from homeostat.model.reasons import AttemptVerdict

QUICK = Bounds(replicates=5)
ALL = ("restart", "shift", "rollback")


def learnt(harms_in_ten: int, rollback_in_ten: int) -> tuple[Ranking, pd.DataFrame, Policy]:
    """Each candidate is tried first in every third incident.

    Restart never works, shift works but where it does harm, rollback works so many times in ten and does none.
    """
    streams = []
    for n in range(90):
        candidate, turn = ALL[n % 3], (n // 3) % 10
        harms = candidate == "shift" and turn < harms_in_ten
        works = not harms and (candidate == "shift" or (candidate == "rollback" and turn < rollback_in_ten))
        failed = AttemptVerdict.HARMFUL if harms else INEFFECTIVE
        stream = Stream(f"i{n:03d}", START + 1e5 * n).confirm().choose(candidate, {"errors": 1.0}, eligible=ALL)
        streams.append(stream.attempt(candidate, EFFECTIVE if works else failed).close())
    policy = policy_of(remedy(*ALL))
    policy = replace(policy, harm=policy.trigger.condition)
    decisions = decisions_frame(records_of(streams), policy)
    return train_ranking(decisions, policy, 0.0), decisions, policy


def test_what_would_harm_gives_way_to_a_more_careful_order() -> None:
    ranking, decisions, policy = learnt(harms_in_ten=1, rollback_in_ten=3)
    first = judge(ranking, decisions, policy, bounds=QUICK)
    assert first.nodes["remedy"].would_harm
    careful, verdict = judge_with_care(ranking, decisions, policy, bounds=QUICK)
    assert verdict.passed
    model, before = careful.nodes["remedy"], ranking.nodes["remedy"]
    assert model.harm_s / before.harm_s in CARE
    assert model.members == before.members
    assert careful == versioned(careful), "its version is that of what it is"
    assert f"one harm is held to be worth {model.harm_s:.0f} s, since at {before.harm_s:.0f} s" in verdict.text
    figures = verdict.figures["remedy"]
    assert figures.gain_low_s > 0.0
    assert figures.harms < first.figures["remedy"].harms


def test_where_no_care_helps_the_first_verdict_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeostat.learn.care.CARE", CARE[-1:])
    ranking, decisions, policy = learnt(harms_in_ten=3, rollback_in_ten=0)
    judged, verdict = judge_with_care(ranking, decisions, policy, bounds=QUICK)
    assert judged is ranking
    assert verdict == judge(ranking, decisions, policy, bounds=QUICK)
    assert not verdict.passed


def test_what_passes_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    ranking, decisions, policy = learnt(harms_in_ten=0, rollback_in_ten=8)
    first = judge(ranking, decisions, policy, bounds=QUICK)
    assert first.passed
    monkeypatch.setattr("homeostat.learn.care.CARE", (0.0,))  # whatever was judged once more would pass with it
    assert judge_with_care(ranking, decisions, policy, bounds=QUICK) == (ranking, first)
