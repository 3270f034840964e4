# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # One incident's post-mortem
#
# A review asks what was seen, what was decided, why, and what it cost. All of it is in the journal, so nothing has to be
# remembered. This page takes the recorded incident that needed most attempts; point it at any recording of yours.

# %%
from pathlib import Path

import pandas as pd

import homeostat
from homeostat import plot
from homeostat.app.explain import explain, render
from homeostat.policy.load import load_policy
from homeostat.record.recording import read_recordings

workspace = Path("..") if Path("../history").is_dir() else Path()
policy = load_policy(workspace / "policies" / "payments-5xx.homeostat.yaml")
recordings, problems = read_recordings(workspace / "history")
recording = max(recordings, key=lambda recording: (len(recording.attempts()), recording.incident))

with homeostat.open(workspace / "history") as history:
    incidents = history.incidents(policy)
    attempts = history.attempts(policy).query("incident == @recording.incident")
    decisions = history.decisions(policy).query("incident == @recording.incident and kind == 'choose'")
incident = incidents.query("incident == @recording.incident").squeeze()
incident[["opened_at", "confirmed_at", "recovered_at", "closed_at", "result", "attempts"]].to_frame("this incident")

# %% [markdown]
# ## The course of it
#
# The line is what customers felt. A bar is one attempt, from its start to its verdict. A gap in the line is a reading
# that was missing (this incident has none). The limit is the trigger's.

# %%
readings = pd.DataFrame(
    {
        "at": pd.to_datetime([snapshot.at for snapshot in recording.snapshots()], unit="s", utc=True),
        "value": [snapshot.readings["http_5xx"].value for snapshot in recording.snapshots()],
        "signal": "failed requests",
    }
).assign(value=lambda rows: 100 * rows["value"].astype("float64"))  # what was not known stays NaN
marks = pd.DataFrame({"at": incident[["confirmed_at", "recovered_at"]], "what": ["confirmed", "recovered"]}).dropna()
plot.incident_timeline(readings, attempts, marks, limit=5, unit="%")

# %% [markdown]
# ## Where the time went
#
# An attempt costs its execution, and then the wait until its check has come true or its time is up. `config_rollback` did
# not come to the check: its execution ended in an error, which is journalled apart from what the attempt did (`verdict`).
# All that stands in a line with `ineffective` a better order would have saved.

# %%
spent = pd.DataFrame(
    {
        "attempt": attempts["node"],
        "execution ended": attempts["outcome"],
        "verdict": attempts["verdict"],
        "executing": attempts["execution_s"] / 60,
        "checking": (attempts["total_s"] - attempts["execution_s"]) / 60,
    }
).set_index("attempt")
spent.style.format({"executing": "{:.1f} min", "checking": "{:.1f} min"})

# %% [markdown]
# ## What was decided, and on what
#
# A column is one choice, with what had failed before it. The signals are those the decision saw, read anew each time: shares
# of 1, `deploy_age` in seconds, `payments_rps` a second, `restarts_5m` a count.

# %%
signals = [name for name in decisions if name.startswith("signal:")]
seen = decisions.assign(
    eligible=decisions["eligible"].map(", ".join), failed=decisions["failed"].map(lambda names: ", ".join(names) or "-")
).set_index("chosen")[["failed", "eligible", "verdict", *signals]]
seen.rename(columns=lambda name: name.removeprefix("signal:")).T.style.format(
    lambda value: f"{value:.4g}" if isinstance(value, float) else value, na_rep="unknown"
)

# %% [markdown]
# ## In words
#
# What `homeostat explain` prints, here as far as the first verdict. The propensity is the probability with which the
# decision took an option: 1 and 0 where nothing is explored.

# %%
lines = explain(recording.entries)
print(render(lines[:12]))
print(f"... and {len(lines) - 12} lines more")

# %% [markdown]
# ## What it cost

# %%
outage_s = (incident["recovered_at"] - incident["opened_at"]).total_seconds()
to_first_s = (attempts["intended_at"].min() - incident["opened_at"]).total_seconds()
by_verdict_s = attempts.groupby("verdict", observed=True)["total_s"].sum()
lost_s = float(by_verdict_s["ineffective"])
cost_s = pd.Series(
    {
        "until the first attempt": to_first_s,
        "in attempts that did not help": lost_s,
        "in the attempt that did": float(by_verdict_s["effective"]),
        "all of it": outage_s,
        "the goal (rto)": policy.rto_s,
    }
)
pd.DataFrame({"minutes": cost_s / 60, "of the outage": cost_s / outage_s}).style.format(
    {"minutes": "{:.1f}", "of the outage": "{:.0%}"}
)

# %% [markdown]
# ## What to take from it
#
# - The goal (`rto`) was kept, with about three quarters of it to spare. It is the measure, not the number of attempts.
# - Two thirds of the outage went into three attempts that did not help, in the written order. A release less than an hour
#   old (`deploy_age`) stood before the very first choice, and `rollback` came last: an order that looks at the signals
#   might have begun with it. What one would have begun with is asked by
#   `homeostat rankings explain payments-5xx --incident ID`; how far its chances can be believed, `calibration` shows.
# - `config_rollback` ended in an error after two minutes. That is a fault of its own, whoever comes first: mend it.
# - The time from the first sign to the first attempt is the trigger's `for:`. It is a decision, and it can be tested in
#   `policy-ab`.
#
# One incident says what happened, not how often. Before anything is changed for its sake, look at the others.

# %%
assert len(attempts) == len(recording.attempts()) >= 3
assert not problems
assert cost_s.iloc[:3].sum() == outage_s
assert outage_s <= policy.rto_s / 4 * 1.05
assert 0.6 < lost_s / outage_s < 0.7
assert attempts.set_index("node")["outcome"]["config_rollback"] == "error"
assert decisions["signal:deploy_age"].iloc[0] < 3600
print(
    f"{lost_s / 60:.0f} of {outage_s / 60:.0f} minutes went into attempts that did not help; goal {policy.rto_s / 60:.0f}"
)
