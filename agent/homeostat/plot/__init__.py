"""Charts of the journal's frames, for notebooks and reports.

Promise: each function takes a tidy frame, whose columns its docstring names, and gives a `Chart`: a matplotlib figure
that shows itself as SVG and needs no display. Axes carry units; uncertainty is drawn; colours tell apart for the colour
blind; a line is named where it ends. Change a chart through `chart.axes[0]`, keep it with `chart.savefig(path)`.

matplotlib is not part of the core; it comes with the extra `notebooks`.
"""

from __future__ import annotations

from homeostat.model.errors import UsageError

try:
    import matplotlib as mpl  # noqa: F401 - only to say what is missing
except ModuleNotFoundError as error:
    if error.name != "matplotlib":
        raise
    raise UsageError("charts need matplotlib: pip install 'homeostat[notebooks]'") from error

from homeostat.plot.drift import changes, missing_signals
from homeostat.plot.evaluation import gain, reliability
from homeostat.plot.incident import incident_timeline
from homeostat.plot.rankings import order_change, ranking, success_and_seconds
from homeostat.plot.recovery import recovery_times, recovery_times_compared
from homeostat.plot.style import Chart
from homeostat.plot.trends import trends

__all__ = [
    "Chart",
    "changes",
    "gain",
    "incident_timeline",
    "missing_signals",
    "order_change",
    "ranking",
    "recovery_times",
    "recovery_times_compared",
    "reliability",
    "success_and_seconds",
    "trends",
]
