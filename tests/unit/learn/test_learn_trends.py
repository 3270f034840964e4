"""What counts in a trend, and what does not: each figure beside one that was counted by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.unit.learn.incident_streams import INEFFECTIVE, START, Stream, journal_of

from homeostat.app.trends import trends_of
from homeostat.app.trends_page import incident_lines, step_lines, trends_html
from homeostat.learn.trends import ALL, TREND_DTYPES, mean, share
from homeostat.model import entries as e
from homeostat.model.errors import UsageError
from homeostat.model.feedback import Feedback
from homeostat.model.ports import Batch
from homeostat.model.reasons import AttemptVerdict, Result
from homeostat.record.memory import MemoryJournal

DAY_S = 86400.0
LATER = START + 1000 * DAY_S


def recovered(name: str, day: float, runs_s: float = 5.0) -> Stream:
    return Stream(name, at=START + day * DAY_S).confirm().attempt("restart", runs_s=runs_s).close()


def found(journal: MemoryJournal, **how: Any) -> pd.DataFrame:
    return trends_of(journal, **{"recurrence_s": 1800.0, "as_of": LATER, **how})


def figure(table: pd.DataFrame, measure: str, period: str = ALL, *, drill: bool = False) -> tuple[int, float]:
    rows = table[(table["measure"] == measure) & (table["period"] == period) & (table["drill"] == drill)]
    ((count, value),) = rows[["count", "value"]].itertuples(index=False)
    return int(count), float(value)


def test_a_step_is_right_only_when_its_first_attempt_verified_before_people_were_called() -> None:
    first_time = Stream("a").confirm().attempt("restart").close()
    second_time = Stream("b", at=START + DAY_S).confirm()
    second_time.attempt("restart", INEFFECTIVE).attempt("restart", number=2).close()
    unknown = Stream("c", at=START + 2 * DAY_S).confirm().attempt("restart", AttemptVerdict.INCONCLUSIVE)
    unknown.escalate().attempt("rollback").close(Result.ESCALATED)
    needless = Stream("d", at=START + 3 * DAY_S).confirm().attempt("restart", AttemptVerdict.PRE_SATISFIED)
    needless.attempt("shift", AttemptVerdict.CANCELLED).attempt("rollback").close()
    table = found(journal_of([first_time, second_time, unknown, needless]))
    assert figure(table, "steps_correct") == (5, 2 / 5)
    assert figure(table, "escalated") == (4, 1 / 4)


def test_time_to_recovery_is_of_those_that_recovered() -> None:
    lost = Stream("c", at=START + 2 * DAY_S).confirm().escalate().close(Result.ESCALATED)
    table = found(journal_of([recovered("a", 0.0, 5.0), recovered("b", 1.0, 25.0), lost]))
    assert figure(table, "mttr_s") == (2, 75.0)
    assert figure(table, "escalated") == (3, 1 / 3)


def test_what_is_open_or_was_never_confirmed_counts_nowhere() -> None:
    nothing = Stream("b", at=START + DAY_S).close(Result.DISMISSED)
    still_open = Stream("c", at=START + 2 * DAY_S).confirm().attempt("restart")
    table = found(journal_of([recovered("a", 0.0), nothing, still_open]))
    assert figure(table, "escalated") == (1, 0.0)
    assert figure(table, "steps_correct") == (1, 1.0)


def test_an_incident_came_back_or_did_not_only_once_that_is_certain() -> None:
    journal = journal_of([recovered("a", 0.0), recovered("b", 0.01), recovered("c", 2.0)])
    assert figure(found(journal), "came_back") == (3, 1 / 3)
    assert figure(found(journal, as_of=START + 2 * DAY_S + 100.0), "came_back") == (2, 1 / 2)


def test_drills_stand_apart() -> None:
    journal = journal_of([recovered("a", 0.0), recovered("b", 1.0, 95.0)])
    ran = e.DrillRan(at=START + 2 * DAY_S, fault="auth_hung", began_at=START + DAY_S, passed=True)
    journal.append([Batch("agent", None, [ran])])
    table = found(journal)
    assert figure(table, "mttr_s") == (1, 65.0)
    assert figure(table, "mttr_s", drill=True) == (1, 155.0)


def test_periods_are_months_or_windows_and_since_leaves_out_what_is_older() -> None:
    journal = journal_of([recovered(f"i{day}", day) for day in (0, 1, 20, 21, 22)])
    assert list(found(journal)["period"].unique()) == ["2023-11", "2023-12", ALL]
    windows = found(journal, window=2)
    assert list(windows["period"].unique()) == ["1-2", "3-4", "5-5", ALL]
    assert figure(windows, "escalated", "5-5") == (1, 0.0)
    assert figure(found(journal, since=START + 20 * DAY_S), "escalated") == (3, 0.0)
    assert found(journal, since=LATER).empty


def test_feedback_is_averaged_over_people_and_stands_in_its_incidents_period() -> None:
    journal = journal_of([recovered("a", 0.0), recovered("b", 20.0)])
    said = [("a", "dana", 5), ("a", "eli", 2), ("a", "dana", 4), ("gone", "dana", 1)]
    for number, (incident, by, clarity) in enumerate(said):
        given = e.FeedbackGiven(
            at=LATER, by=by, answer=f"f{number}", given_at=float(number), feedback=Feedback(incident, clarity, 3, 3)
        )
        journal.append([Batch("agent", None, [given])])
    table = found(journal)
    assert figure(table, "clarity", "2023-11") == figure(table, "clarity") == (2, 3.0)
    assert figure(table, "clarity", "2023-12")[0] == 0


def test_an_older_survey_that_is_journalled_later_does_not_count() -> None:
    journal = journal_of([recovered("a", 0.0)])
    for given_at, clarity in ((9.0, 5), (1.0, 1)):
        said = e.FeedbackGiven(at=LATER, by="d", answer="f", given_at=given_at, feedback=Feedback("a", clarity, 3, 3))
        journal.append([Batch("agent", None, [said])])
    assert figure(found(journal), "clarity") == (1, 5.0)


def test_time_per_step_is_that_of_the_action_and_until_the_verdict() -> None:
    table = found(journal_of([recovered("a", 0.0, 5.0), recovered("b", 1.0, 15.0)]))
    steps = table[(table["period"] == ALL) & (table["step"] == "restart")].set_index("measure")
    assert steps.loc["step_ran_s", "value"] == 10.0
    assert steps.loc["step_took_s", "value"] == 40.0
    assert steps["planned_s"].isna().all(), "no text of the policy is in this journal"


def test_nothing_gives_an_empty_table_of_the_same_columns_and_one_incident_no_interval_of_a_mean() -> None:
    empty = found(MemoryJournal())
    full = found(journal_of([recovered("a", 0.0)]))
    assert {name: str(dtype) for name, dtype in empty.dtypes.items()} == TREND_DTYPES
    assert {name: str(dtype) for name, dtype in full.dtypes.items()} == TREND_DTYPES
    (mttr,) = full[(full["measure"] == "mttr_s") & (full["period"] == ALL)].to_dict("records")
    assert (mttr["count"], mttr["value"]) == (1, 65.0)
    assert math.isnan(mttr["low"])
    assert incident_lines(full)[0]["mttr_s"] == "1m5s"
    assert "no confirmed and closed incident" in trends_html(empty, "none")


def test_intervals_are_those_of_the_books_and_come_again() -> None:
    eight_of_ten = share(8, 10)
    assert (eight_of_ten.low, eight_of_ten.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)  # Newcombe, 1998
    values = np.random.default_rng(3).normal(100.0, 10.0, 400)
    found_mean = mean(np.append(values, np.nan))
    half = 1.96 * values.std() / 20.0
    assert found_mean.count == 400
    assert found_mean.value == pytest.approx(values.mean())
    assert (found_mean.low, found_mean.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1)
    assert mean(values) == mean(values)
    assert mean(np.full(5, 7.0)).low == 7.0


def test_an_unknown_policy_is_refused_with_the_nearest_name() -> None:
    journal = journal_of([Stream("a", policy="payments").confirm().close()])
    with pytest.raises(UsageError, match="did you mean 'payments'"):
        found(journal, policy="payment")
    assert found(journal, policy="payments")["policy"].unique() == ["payments"]


def test_hostile_names_are_text_on_the_page() -> None:
    hostile = "<script>x</script> $\\frac{"
    stream = Stream("a", policy=hostile).confirm().attempt(hostile).close()
    table = found(journal_of([stream]))
    page = trends_html(table, hostile)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert step_lines(table)[0]["step"] == hostile
