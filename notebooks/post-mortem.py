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
# that was missing.

# %%
readings = pd.DataFrame(
    {
        "at": pd.to_datetime([snapshot.at for snapshot in recording.snapshots()], unit="s", utc=True),
        "value": [100 * (snapshot.readings["http_5xx"].value or 0.0) for snapshot in recording.snapshots()],
        "signal": "failed requests",
    }
)
marks = pd.DataFrame({"at": incident[["confirmed_at", "recovered_at"]], "what": ["confirmed", "recovered"]}).dropna()
plot.incident_timeline(readings, attempts, marks, limit=5, unit="%")

# %% [markdown]
# ## Where the time went
#
# An attempt costs its execution and then the wait until its check has failed. The second is nearly always the longer, and
# it is what a better order saves.

# %%
spent = pd.DataFrame(
    {
        "attempt": attempts["node"],
        "verdict": attempts["verdict"],
        "executing": attempts["execution_s"] / 60,
        "checking": (attempts["total_s"] - attempts["execution_s"]) / 60,
    }
).set_index("attempt")
spent.style.format({"executing": "{:.1f} min", "checking": "{:.1f} min"})

# %% [markdown]
# ## What was decided, and on what
#
# Each choice with what had failed before it. The signals are those the decision saw, read anew each time.

# %%
signals = [name for name in decisions if name.startswith("signal:")]
decisions.assign(eligible=decisions["eligible"].map(", ".join), failed=decisions["failed"].map(", ".join)).set_index(
    "chosen"
)[["failed", "eligible", "verdict", *signals]].rename(columns=lambda name: name.removeprefix("signal:")).T

# %% [markdown]
# ## In words
#
# What `homeostat explain` prints, from the first decision on.

# %%
lines = explain(recording.entries)
print(render(lines[:12]))

# %% [markdown]
# ## What to take from it
#
# - The time from the first sign to the first attempt is the trigger's `for:`. It is a decision, and it can be tested in
#   `policy-ab`.
# - Every failed attempt cost minutes. How likely each was to fail can be known beforehand: `calibration` shows how well.
# - The goal (`rto`) is the measure, not the number of attempts.

# %%
lost = float(attempts.loc[attempts["verdict"] == "ineffective", "total_s"].sum())
outage_s = (incident["closed_at"] - incident["opened_at"]).total_seconds()
summary = pd.Series(
    {
        "outage": f"{outage_s / 60:.0f} min",
        "until the first attempt": f"{(attempts['intended_at'].min() - incident['opened_at']).total_seconds() / 60:.1f} min",
        "in attempts that did not help": f"{lost / 60:.0f} min",
        "goal (rto)": f"{policy.rto_s / 60:.0f} min",
        "kept": bool(outage_s <= policy.rto_s),
    }
)
assert len(attempts) == len(recording.attempts()) >= 3
assert 0 < lost < outage_s
assert not problems
summary.to_frame("")
