import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace
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

from homeostat.learn.columns import ATTEMPT_DTYPES, DECISION_DTYPES, INCIDENT_DTYPES, OPTION_DTYPES
from homeostat.learn.dataset import (
    attempts_frame,
    decision_rows,
    decisions_frame,
    incidents_frame,
    journal_records,
    options_frame,
)
from homeostat.learn.trace import trace_incidents
from homeostat.model import entries as e
from homeostat.model.errors import UsageError
from homeostat.model.policy import Choose, Steps, Try
from homeostat.model.ports import Record
from homeostat.model.reasons import AttemptVerdict, EscalationReason, Reason, Result
from homeostat.model.signals import Reading, Snapshot


def healed(name: str, at: float, verdict: AttemptVerdict = EFFECTIVE) -> Stream:
    return Stream(name, at).confirm().choose("restart", {"errors": 8.0}).attempt("restart", verdict).close()


def signal_columns(frame: pd.DataFrame) -> list[str]:
    return [str(name) for name in frame if str(name).startswith("signal:")]


def two_tries() -> Stream:
    stream = Stream("i1").confirm().choose("restart", {"errors": 8.0, "zone": "a"}, eligible=["restart", "shift"])
    stream.attempt("restart", INEFFECTIVE, verifies_s=90.0)
    return stream.choose("shift", {"errors": 9.0, "zone": None}).attempt("shift", EFFECTIVE).close()


def test_empty_frames_have_the_columns_and_dtypes_of_full_ones() -> None:
    policy = policy_of(remedy("restart", "shift"), signals=["errors"], texts=["zone"])
    for build in (attempts_frame, decisions_frame):
        empty, full = build([], policy), build(two_tries().records(), policy)
        assert len(empty) == 0
        assert len(full) == 2
        assert empty.dtypes.to_dict() == full.dtypes.to_dict()
    both: tuple[tuple[Callable[[list[Record]], pd.DataFrame], Mapping[str, Any]], ...]
    both = ((incidents_frame, INCIDENT_DTYPES), (options_frame, OPTION_DTYPES))
    for of_records, dtypes in both:
        empty, full = of_records([]), of_records(two_tries().records())
        assert empty.dtypes.to_dict() == full.dtypes.to_dict()
        assert {name: full[name].dtype == dtype for name, dtype in dtypes.items()} == dict.fromkeys(full, True)


def test_frames_of_different_journals_can_be_put_together_without_losing_dtypes() -> None:
    frames = [attempts_frame(s.records()) for s in (two_tries(), healed("i2", START + 1e5))]
    together = pd.concat(frames)
    for name, dtype in ATTEMPT_DTYPES.items():
        assert together[name].dtype == dtype, name


def test_an_attempt_row_says_what_was_tried_when_and_why() -> None:
    frame = attempts_frame(two_tries().records())
    first, second = frame.to_dict("records")
    assert first["incident"] == "i1"
    assert (first["decision_node"], first["decision_kind"], first["candidate"]) == ("remedy", "choose", "restart")
    assert (first["position"], first["failed"], first["propensity"]) == (0, (), 1.0)
    assert (first["action"], first["target"], first["number"]) == ("restart", "svc/restart", 1)
    assert (first["execution_s"], first["total_s"]) == (5.0, 95.0)
    assert first["opened_at"] == pd.Timestamp(START, unit="s", tz="UTC")
    assert first["intended_at"] == pd.Timestamp(START + 10.0, unit="s", tz="UTC")
    assert first["verdict_at"] - first["intended_at"] == pd.Timedelta(seconds=95)
    assert (first["verdict"], first["succeeded"], first["weight"]) == ("ineffective", False, 1.0)
    assert (second["position"], second["failed"]) == (1, ("restart",))
    assert (second["verdict"], second["succeeded"], second["weight"]) == ("effective", True, 1.0)
    assert (second["signal:errors"], second["text:zone"] is np.nan) == (9.0, True)
    assert first["text:zone"] == "a"


def test_unknown_signals_are_nan_and_the_policy_names_the_columns() -> None:
    policy = policy_of(remedy("restart"), signals=["errors", "latency"])
    stream = Stream("i1").confirm().choose("restart", {"errors": None, "gone": 3.0}).attempt("restart").close()
    frame = attempts_frame(stream.records(), policy)
    assert signal_columns(frame) == ["signal:errors", "signal:latency"]
    assert frame[["signal:errors", "signal:latency"]].isna().all(axis=None)
    assert signal_columns(attempts_frame(stream.records())) == ["signal:errors", "signal:gone"]


def test_an_attempt_outside_any_choice_has_no_decision() -> None:
    stream = Stream("i1").confirm().attempt("drain").close()
    row = attempts_frame(stream.records()).iloc[0]
    assert pd.isna(row["decision_node"])
    assert pd.isna(row["position"])
    assert math.isnan(row["propensity"])
    assert row["weight"] == 1.0


@pytest.mark.parametrize("verdict", list(AttemptVerdict))
def test_only_measured_verdicts_weigh_anything(verdict: AttemptVerdict) -> None:
    row = attempts_frame(healed("i1", START, verdict).records()).iloc[0]
    measured = verdict in (EFFECTIVE, INEFFECTIVE, AttemptVerdict.HARMFUL)
    assert row["weight"] == float(measured)
    assert row["succeeded"] == (verdict is EFFECTIVE)
    assert row["verdict"] == verdict.value


def test_an_attempt_without_a_verdict_teaches_nothing() -> None:
    row = attempts_frame(Stream("i1").confirm().choose("a").attempt("a", None).records()).iloc[0]
    assert pd.isna(row["verdict"])
    assert pd.isna(row["verdict_at"])
    assert (row["weight"], row["succeeded"], row["mature"]) == (0.0, False, False)


@pytest.mark.parametrize("verdict", [EFFECTIVE, INEFFECTIVE])
def test_a_verdict_after_people_were_called_teaches_nothing(verdict: AttemptVerdict) -> None:
    stream = Stream("i1").confirm().choose("a").escalate(EscalationReason.TIMEOUT).attempt("a", verdict)
    stream.close(Result.ESCALATED)
    for frame in (attempts_frame(stream.records()), decisions_frame(stream.records())):
        assert frame["weight"].tolist() == [0.0]
        assert not frame["succeeded"].any()


def test_a_relapse_turns_the_last_effective_attempt_into_a_failure() -> None:
    first = Stream("i1").confirm().choose("a").attempt("a").choose("b", node="other").attempt("b").close()
    second = healed("i2", first.at + 1800.0)
    frame = attempts_frame(records_of([first, second]))
    assert frame["relapsed"].tolist() == [False, True, False]
    assert frame["succeeded"].tolist() == [True, False, True]
    assert frame["weight"].tolist() == [1.0, 1.0, 1.0]
    assert incidents_frame(records_of([first, second]))["relapsed"].tolist() == [True, False]
    assert decisions_frame(records_of([first, second]))["relapsed"].tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (lambda at: healed("i2", at + 1801.0), "outside the window"),
        (lambda at: Stream("i2", at + 60.0, policy="q").confirm().close(), "another policy"),
        (lambda at: Stream("i2", at + 60.0).close(Result.DISMISSED), "never confirmed"),
    ],
)
def test_what_is_no_relapse(second, why: str) -> None:  # type: ignore[no-untyped-def] # lambdas of the list above
    first = healed("i1", START)
    frame = attempts_frame(records_of([first, second(first.at)]))
    assert not frame["relapsed"].any(), why
    assert frame["succeeded"].iloc[0]


def test_an_escalated_incident_is_no_cure_that_failed_to_hold() -> None:
    first = Stream("i1").confirm().choose("a").attempt("a").escalate().close(Result.ESCALATED)
    assert not attempts_frame(records_of([first, healed("i2", first.at + 60.0)]))["relapsed"].any()


def test_labels_mature_when_the_recurrence_window_has_passed() -> None:
    stream = healed("i1", START)
    closed_at = stream.at
    for as_of, mature in ((closed_at + 1799.0, False), (closed_at + 1800.0, True)):
        for build in (attempts_frame, decisions_frame):
            assert build(stream.records(), as_of=as_of)["mature"].tolist() == [mature]
    assert attempts_frame(stream.records(), recurrence_s=60.0, as_of=closed_at + 60.0)["mature"].all()


def test_a_decision_row_covers_all_retries_of_the_pick() -> None:
    stream = Stream("i1").confirm().choose("a", {"errors": 8.0}, eligible=["a", "b"])
    stream.attempt("a", INEFFECTIVE, verifies_s=90.0).attempt("a", EFFECTIVE, number=2).close()
    frame = decisions_frame(stream.records())
    row = frame.iloc[0]
    assert list(frame)[: len(DECISION_DTYPES)] == list(DECISION_DTYPES)
    assert (row["attempts"], row["total_s"], row["verdict"], row["succeeded"]) == (2, 130.0, "effective", True)
    assert (row["eligible"], row["propensities"], row["propensity"]) == (("a", "b"), (1.0, 0.0), 1.0)
    assert row["runs"] == (("a", "a", "svc/a"), ("a", "a", "svc/a"))


def test_other_decisions_are_rows_that_teach_nothing() -> None:
    stream = Stream("i1").confirm().choose("leaf", node="leaf", kind="if").choose(None).attempt("leaf").close()
    frame = decisions_frame(stream.records())
    assert frame["kind"].tolist() == ["if", "choose"]
    assert frame["attempts"].tolist() == [0, 0]
    assert frame["weight"].tolist() == [0.0, 0.0]
    assert pd.isna(frame["chosen"].iloc[1])


def test_a_subtree_is_a_candidate_when_the_policy_is_known() -> None:
    inner = Try("inner", (do("flush"), do("drop")))
    policy = policy_of(Choose("remedy", (Steps("cache", (do("drain"), inner)), do("restart"))))
    stream = Stream("i1").confirm().choose("cache").attempt("drain")
    stream.choose("flush", node="inner", kind="try").attempt("flush", INEFFECTIVE)
    stream.choose("drop", node="inner", kind="try").attempt("drop").close()
    attempts = attempts_frame(stream.records(), policy)
    assert attempts["decision_node"].tolist() == ["remedy", "inner", "inner"]
    assert attempts["candidate"].tolist() == ["cache", "flush", "drop"]
    decisions = decisions_frame(stream.records(), policy)
    assert decisions["attempts"].tolist() == [3, 1, 1]
    assert decisions["succeeded"].tolist() == [True, False, True]
    assert decisions_frame(stream.records())["attempts"].tolist() == [0, 1, 1]


def test_incident_rows() -> None:
    escalated = Stream("i3", START + 2e5).confirm().choose("a").attempt("a", INEFFECTIVE).escalate()
    open_one = Stream("i2", START + 1e5).confirm()
    frame = incidents_frame(records_of([escalated, healed("i1", START), open_one]))
    assert frame["incident"].tolist() == ["i1", "i2", "i3"]
    assert frame["mttr_s"].iloc[0] == 10.0 + 35.0 + 20.0
    assert frame["mttr_s"].iloc[1:].isna().all()
    assert frame["attempts"].tolist() == [1, 0, 1]
    assert frame["result"].iloc[0] == "recovered"
    assert pd.isna(frame["closed_at"].iloc[1])
    assert frame["escalation"].iloc[2] == "plan_failed"


def test_a_journal_and_its_interleaved_records_give_the_same_frames() -> None:
    streams = [two_tries(), healed("i2", START + 1e5)]
    journal = journal_of(streams)
    expected = attempts_frame(journal_records(journal))
    interleaved = sorted(records_of(streams), key=lambda record: (record.seq, record.stream))
    pd.testing.assert_frame_equal(attempts_frame(interleaved), expected)
    assert len(expected) == 3


def test_streams_that_are_no_incident_and_torn_ones_are_passed_over() -> None:
    agent = Record("agent", 1, e.AgentStarted(at=START, agent="a", version="1", seed=1), "", "")
    headless = two_tries().records()[1:]
    orphan = Stream("i9").confirm()
    orphan.entries.append(e.AttemptEnded(at=START, key="nobody", verdict=EFFECTIVE, succeeded=True))
    frame = attempts_frame([agent, *headless, *orphan.records()])
    assert len(frame) == 0


def test_what_an_escalated_incident_did_not_try_is_censored_and_not_failed() -> None:
    stream = Stream("i1").confirm().choose("a", eligible=["a", "b", "c"]).attempt("a", INEFFECTIVE)
    stream.choose("b", eligible=["b", "c"]).escalate(EscalationReason.TIMEOUT).close(Result.ESCALATED)
    assert attempts_frame(stream.records())["candidate"].tolist() == ["a"]
    decisions = decisions_frame(stream.records())
    assert decisions[decisions["weight"] > 0]["chosen"].tolist() == ["a"]
    assert not decisions.loc[decisions["chosen"] == "b", ["succeeded", "relapsed", "harmful"]].any(axis=None)


def test_options_say_what_was_excluded_and_why_and_how_the_rest_was_scored() -> None:
    stream = Stream("i1").confirm()
    scored = e.Option(
        id="a", eligible=True, probability=0.7, probability_low=0.5, probability_high=0.8, cost_s=60.0, harm=0.01,
        index=0.01, propensity=1.0,
    )  # fmt: skip
    excluded = e.Option(id="b", eligible=False, condition="x > 1", truth=None, reason=Reason.SIGNAL_UNKNOWN)
    for at in (stream.at, stream.at + 1.0):
        stream.entries.append(
            e.Decided(at=at, node="remedy", kind="choose", chosen="a", options=(scored, excluded), ranking_version="v")
        )
    options = options_frame(stream.records())
    assert options["decision"].tolist() == [0, 0, 1, 1]
    assert decisions_frame(stream.records())["decision"].tolist() == [0, 1]
    assert options["option"].tolist() == ["a", "b"] * 2
    assert options["reason"].tolist()[1] == "signal_unknown"
    assert pd.isna(options["truth"].iloc[1])
    first, decision = options.iloc[0], decisions_frame(stream.records()).iloc[0]
    for name in ("probability", "probability_low", "probability_high", "cost_s", "index", "harm_expected"):
        assert first[name] == decision[name] == getattr(scored, name.removesuffix("_expected"))
    assert (first["chosen"], first["propensity"], first["ranking_version"]) == (True, 1.0, "v")


def test_samples_have_an_age_and_a_verdict_the_signals_it_fell_on() -> None:
    def seen(at: float, value: float) -> e.Observed:
        return e.Observed(at=at, snapshot=Snapshot(at, {"errors": Reading(value, at - 4.0), "gone": Reading()}))

    stream = Stream("i1").confirm()
    stream.entries.append(seen(stream.at, 8.0))
    stream.choose("a", {"errors": 8.0}).attempt("a")
    verdict = stream.entries.pop()
    held = e.ConditionChanged(at=stream.at, watch="verify:i1/a/1", truth=True)
    stream.entries += [seen(stream.at, 0.5), held, verdict]
    decision = decisions_frame(stream.records()).iloc[0]
    assert decision["age_s:errors"] == 4.0
    assert "age_s:gone" not in decision
    attempt = attempts_frame(stream.records()).iloc[0]
    assert (attempt["signal:errors"], attempt["after:errors"]) == (8.0, 0.5)
    assert (attempt["held_after"], attempt["harmful"]) == (True, False)
    assert pd.isna(attempt["after:gone"])


def test_the_order_of_the_incidents_read_does_not_matter() -> None:
    streams = [healed(f"i{n}", START + 900.0 * n) for n in range(5)]
    for build in (attempts_frame, decisions_frame, incidents_frame, options_frame):
        pd.testing.assert_frame_equal(build(records_of(streams)), build(records_of(streams[::-1])))


def test_columns_may_be_left_out() -> None:
    policy = policy_of(remedy("restart"))
    few = decision_rows(trace_incidents(two_tries().records()), policy, 0.0, math.inf, columns={"incident", "mature"})
    assert list(few) == ["incident", "mature", "signal:errors"]
    pd.testing.assert_frame_equal(few, decisions_frame(two_tries().records(), policy, recurrence_s=0.0)[list(few)])


@pytest.mark.parametrize(
    ("field", "value", "said"), [("seed", 2**63, "beyond 64 bits"), ("at", 1e300, "in no calendar")]
)
def test_numbers_that_no_agent_writes_are_refused_by_name(field: str, value: float, said: str) -> None:
    stream = healed("i1", START)
    stream.entries[0] = replace(stream.entries[0], **{field: value})
    with pytest.raises(UsageError, match=said):
        incidents_frame(stream.records())


class TestPartsOfASubtree:
    """A step that worked is no success of the candidate it is a part of, unless that came to its end."""

    POLICY = policy_of(Choose("remedy", (Steps("cache", (do("drain"), do("flush"))), do("restart"))))

    def labels(self, stream: Stream) -> list[tuple[bool, float]]:
        trials = decisions_frame(stream.records(), self.POLICY)
        return list(zip(trials["succeeded"], trials["weight"], strict=True))

    @staticmethod
    def begun() -> Stream:
        return Stream("i1").confirm().choose("cache").attempt("drain", EFFECTIVE)

    def test_the_next_step_was_refused_and_another_candidate_picked(self) -> None:
        stream = self.begun().choose("restart").attempt("restart", EFFECTIVE).close()
        assert self.labels(stream) == [(False, 0.0), (True, 1.0)]

    def test_no_other_candidate_was_left(self) -> None:
        stream = self.begun().choose(None).escalate().close(Result.ESCALATED)
        assert self.labels(stream)[0] == (False, 0.0)

    def test_people_were_called_in_the_middle_of_it(self) -> None:
        assert self.labels(self.begun().escalate().close(Result.ESCALATED)) == [(False, 0.0)]

    def test_one_that_came_to_its_end_counts(self) -> None:
        assert self.labels(self.begun().attempt("flush", EFFECTIVE).close()) == [(True, 1.0)]
        assert self.labels(self.begun().attempt("flush", INEFFECTIVE).escalate().close(Result.ESCALATED)) == [
            (False, 1.0)
        ]

    def test_an_action_that_worked_counts_whatever_came_after_it(self) -> None:
        stream = Stream("i1").confirm().choose("restart").attempt("restart", EFFECTIVE)
        assert self.labels(stream.escalate().close(Result.ESCALATED)) == [(True, 1.0)]
