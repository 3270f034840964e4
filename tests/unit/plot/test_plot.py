from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PathCollection

from homeostat import plot
from homeostat.model.errors import UsageError
from homeostat.plot import Chart

DAYS = pd.date_range("2026-01-01", periods=60, freq="8h", tz="UTC")
INCIDENTS = pd.DataFrame(
    {
        "opened_at": DAYS,
        "mttr_s": [np.nan if place % 10 == 9 else 600.0 + place for place in range(60)],
        "result": ["escalated" if place % 10 == 9 else "recovered" for place in range(60)],
    }
)
HISTORY = pd.DataFrame({"at": DAYS[[10, 20, 40]], "event": ["promoted", "promoted", "rolled_back"]})
CANDIDATES = pd.DataFrame(
    {
        "candidate": ["rollback", "shift", "restart"],
        "probability": [0.8, 0.9, 0.3],
        "probability_low": [0.7, 0.8, 0.1],
        "probability_high": [0.9, 0.95, 0.5],
        "cost_s": [200.0, 300.0, 250.0],
        "attempts": [40, 50, 0],
        "successes": [32, 45, 0],
    }
)
CALIBRATION = pd.DataFrame(
    {
        "predicted": [0.2, 0.8],
        "observed": [0.1, 0.9],
        "observed_low": [0.0, 0.8],
        "observed_high": [0.3, 0.95],
        "trials": [10, 40],
    }
)
ESTIMATES = pd.DataFrame(
    {
        "way": ["learnt", "other", "nothing"],
        "gain": [3.0, 0.2, -8.0],
        "gain_low": [1.0, -1.0, -9.0],
        "gain_high": [5.0, 1.2, -7.0],
    }
)
READINGS = pd.DataFrame({"at": DAYS[:5], "value": [0.1, 0.2, np.nan, 0.2, 0.0], "signal": "http_5xx"})
ATTEMPTS = pd.DataFrame(
    {
        "node": ["restart", "rollback"],
        "intended_at": DAYS[[1, 2]],
        "verdict_at": pd.DatetimeIndex([DAYS[2], pd.NaT]),
        "verdict": ["ineffective", None],
    }
)
MARKS = pd.DataFrame({"at": DAYS[[1, 4]], "what": ["confirmed", "recovered"]})
SHARES = pd.DataFrame([[0.0, 0.5, np.nan], [1.0, 0.0, 0.0]], index=["auth_up", "room"], columns=DAYS[:3])
SUMS = pd.DataFrame(
    {"at": list(DAYS) * 2, "candidate": ["shift"] * 60 + ["restart"] * 60, "cusum": [*range(60), *([0.5] * 60)]}
)
TIMES = pd.DataFrame(
    {"way": ["written"] * 4 + ["learnt"] * 4, "mttr_s": [600.0, 900, 1200, np.nan, 300, 500, 600, 700]}
)

TRENDS = pd.DataFrame(
    {
        "drill": [False, False, True, False],
        "period": ["2026-01", "2026-02", "2026-02", "2026-01"],
        "began_at": DAYS[[0, 50, 51, 0]],
        "measure": ["mttr_s", "mttr_s", "mttr_s", "steps_correct"],
        "value": [600.0, 300.0, 100.0, 0.5],
        "low": [500.0, 200.0, np.nan, 0.2],
        "high": [700.0, 400.0, np.nan, 0.8],
    }
)

CHARTS: dict[str, Callable[[], Chart]] = {
    "recovery_times": lambda: plot.recovery_times(INCIDENTS, HISTORY),
    "recovery_times_compared": lambda: plot.recovery_times_compared(TIMES),
    "ranking": lambda: plot.ranking(CANDIDATES),
    "order_change": lambda: plot.order_change(CANDIDATES, CANDIDATES.iloc[[1, 0, 2]]),
    "success_and_seconds": lambda: plot.success_and_seconds(CANDIDATES),
    "reliability": lambda: plot.reliability(CALIBRATION),
    "gain": lambda: plot.gain(ESTIMATES),
    "incident_timeline": lambda: plot.incident_timeline(READINGS, ATTEMPTS, MARKS, limit=0.05),
    "missing_signals": lambda: plot.missing_signals(SHARES),
    "changes": lambda: plot.changes(SUMS, limit=7.0),
    "trends": lambda: plot.trends(TRENDS),
}
EMPTY: dict[str, Callable[[], Chart]] = {
    "recovery_times": lambda: plot.recovery_times(INCIDENTS[:0], HISTORY[:0]),
    "recovery_times_compared": lambda: plot.recovery_times_compared(TIMES[:0]),
    "ranking": lambda: plot.ranking(CANDIDATES[:0]),
    "order_change": lambda: plot.order_change(CANDIDATES[:0], CANDIDATES[:0]),
    "success_and_seconds": lambda: plot.success_and_seconds(CANDIDATES[:0]),
    "reliability": lambda: plot.reliability(CALIBRATION[:0]),
    "gain": lambda: plot.gain(ESTIMATES[:0]),
    "incident_timeline": lambda: plot.incident_timeline(READINGS[:0], ATTEMPTS[:0]),
    "missing_signals": lambda: plot.missing_signals(SHARES[:0]),
    "changes": lambda: plot.changes(SUMS[:0], limit=7.0),
    "trends": lambda: plot.trends(TRENDS[:0]),
}


def texts(chart: Chart) -> list[str]:
    return [text.get_text() for axes in chart.axes for text in axes.texts]


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_titled_labelled_and_shows_itself_as_svg(name: str) -> None:
    before = dict(mpl.rcParams)
    chart = CHARTS[name]()
    assert "</svg>" in chart._repr_svg_()
    assert chart.axes[0].get_title(loc="left")
    assert chart.axes[0].get_xlabel() or name in ("order_change", "missing_signals")
    assert dict(mpl.rcParams) == before


def test_the_same_frame_gives_the_same_bytes() -> None:
    assert plot.gain(ESTIMATES)._repr_svg_() == plot.gain(ESTIMATES)._repr_svg_()


@pytest.mark.parametrize("name", sorted(set(EMPTY) - {"order_change", "missing_signals"}))
def test_an_empty_frame_gives_a_chart_that_says_so(name: str) -> None:
    assert any(text.startswith("no ") for text in texts(EMPTY[name]()))


@pytest.mark.parametrize("name", ["order_change", "missing_signals"])
def test_an_empty_frame_without_axes_is_drawn(name: str) -> None:
    assert "</svg>" in EMPTY[name]()._repr_svg_()


def test_every_public_function_is_drawn_here() -> None:
    assert set(CHARTS) == set(EMPTY) == set(plot.__all__) - {"Chart"}


def test_a_missing_column_is_named_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="recovery_times needs a column 'mttr_s'; did you mean 'mttr'"):
        plot.recovery_times(INCIDENTS.rename(columns={"mttr_s": "mttr"}))


def test_promotions_and_roll_backs_are_marked_where_they_happened() -> None:
    plain, marked = plot.recovery_times(INCIDENTS), plot.recovery_times(INCIDENTS, HISTORY)
    assert len(marked.axes[0].lines) - len(plain.axes[0].lines) == len(HISTORY)
    assert {"first\npromoted", "rolled back\n"} <= set(texts(marked))


def test_escalated_incidents_are_shown_and_are_no_times() -> None:
    chart = plot.recovery_times(INCIDENTS)
    offsets = [np.asarray(each.get_offsets()) for each in chart.axes[0].collections]
    recovered, escalated = (points for points in offsets if points.size > 2)
    assert (len(recovered), len(escalated)) == (54, 6)


@pytest.mark.parametrize(("trials", "points"), [([1, 40], 2), ([0, 40], 1)])
def test_every_group_of_forecasts_that_has_a_trial_is_a_point(trials: list[int], points: int) -> None:
    axes = plot.reliability(CALIBRATION.assign(trials=trials)).axes[0]
    (dots,) = (each for each in axes.collections if isinstance(each, PathCollection))
    assert len(np.asarray(dots.get_offsets())) == points


def test_the_band_is_that_of_dvoretzky_kiefer_and_wolfowitz() -> None:
    """At 100 incidents sqrt(ln(2 / 0.05) / 200) = 0.1358 each way."""
    times = pd.DataFrame({"way": "written", "mttr_s": np.arange(1.0, 101.0)})
    (band,) = plot.recovery_times_compared(times).axes[0].collections
    edges = np.unique(np.asarray(band.get_paths()[0].vertices)[:, 1].round(4))
    assert {round(0.5 - 0.1358, 4), round(0.5 + 0.1358, 4)} <= set(edges)


def test_what_rises_in_the_order_is_drawn_strongly() -> None:
    first, second, third = plot.order_change(CANDIDATES, CANDIDATES.iloc[[1, 0, 2]]).axes[0].lines
    assert [list(np.asarray(line.get_ydata())) for line in (first, second, third)] == [[0, 1], [1, 0], [2, 2]]
    assert second.get_linewidth() > first.get_linewidth() == third.get_linewidth()


def test_an_attempt_lasts_until_its_verdict_and_one_without_until_the_end() -> None:
    chart = plot.incident_timeline(READINGS, ATTEMPTS)
    lines = [each for each in chart.axes[0].collections if isinstance(each, LineCollection)]
    bars = [list(np.asarray(each.get_segments()[0])[:, 0]) for each in lines]
    assert bars == [[480.0, 960.0], [960.0, 1920.0]]


def test_an_interval_across_zero_is_not_called_better() -> None:
    said = texts(plot.gain(ESTIMATES))
    assert said == ["-8.0 worse", "+0.2 not shown to differ", "+3.0 better"]


def test_the_order_is_drawn_first_on_top_with_its_intervals_and_evidence() -> None:
    chart = plot.ranking(CANDIDATES)
    axes = chart.axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == list(CANDIDATES["candidate"])
    assert list(axes.get_yticks()) == [2, 1, 0]
    (lines,) = (each for each in axes.collections if isinstance(each, LineCollection))
    assert [sorted(segment[:, 0]) for segment in lines.get_segments()] == [[0.7, 0.9], [0.8, 0.95], [0.1, 0.5]]
    assert texts(chart) == ["32 of 40 worked", "45 of 50 worked", "never tried"]


def test_only_a_candidate_that_crossed_the_limit_is_named() -> None:
    assert texts(plot.changes(SUMS, limit=7.0)) == ["shift", "limit 7"]
    assert texts(plot.changes(SUMS, limit=100.0)) == ["limit 100"]


def test_incidents_that_did_not_recover_keep_a_line_below_one() -> None:
    steps = {
        str(line.get_color()): float(np.asarray(line.get_ydata())[-1])
        for line in plot.recovery_times_compared(TIMES).axes[0].lines
    }
    assert sorted(steps.values()) == [0.75, 1.0]


def test_every_way_has_a_line_however_many_there_are() -> None:
    ways = pd.DataFrame({"way": [f"way {n}" for n in range(9)], "mttr_s": 600.0})
    assert texts(plot.recovery_times_compared(ways)) == [f"{way} (1)" for way in ways["way"]]


def test_where_nothing_recovered_the_line_stays_at_zero() -> None:
    chart = plot.recovery_times_compared(pd.DataFrame({"way": ["written", "written"], "mttr_s": [np.nan, np.nan]}))
    (line,) = chart.axes[0].lines
    assert set(np.asarray(line.get_ydata())) == {0.0}
    assert "</svg>" in chart._repr_svg_()


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_attempts_are_drawn_below_a_signal_that_was_never_known_or_always_zero(value: float) -> None:
    chart = plot.incident_timeline(READINGS.assign(value=value), ATTEMPTS)
    lines = (each for each in chart.axes[0].collections if isinstance(each, LineCollection))
    bars = [np.asarray(each.get_segments()[0])[0, 1] for each in lines]
    assert 0.0 > bars[0] > bars[1] > chart.axes[0].get_ylim()[0]
    assert texts(chart) == ["restart: ineffective", "rollback: no verdict"]


def test_what_nothing_is_foretold_of_has_no_point() -> None:
    unknown = CANDIDATES.assign(probability=np.nan, cost_s=np.nan)
    assert texts(plot.success_and_seconds(unknown)) == ["no candidates"]
    both = pd.concat([CANDIDATES, unknown.assign(candidate="unknown")])
    assert texts(plot.success_and_seconds(both)) == texts(plot.success_and_seconds(CANDIDATES))


def test_missing_readings_are_shown_as_shares_and_nothing_read_is_no_share() -> None:
    assert texts(plot.missing_signals(SHARES)) == ["50%", "100%"]


def _run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_without_matplotlib_the_error_says_what_to_install() -> None:
    done = _run("import sys; sys.modules['matplotlib'] = None\nimport homeostat.plot")
    assert done.returncode == 1
    assert "charts need matplotlib: pip install 'homeostat[notebooks]'" in done.stderr


def test_only_plot_imports_matplotlib_and_it_needs_no_display() -> None:
    code = "import sys, homeostat.learn.dataset; assert 'matplotlib' not in sys.modules; import homeostat.plot;"
    done = _run(code + "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules")
    assert done.returncode == 0, done.stderr
