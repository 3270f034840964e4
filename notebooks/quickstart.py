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
# # Quickstart: from the journal to a ranking
#
# Every incident that the agent dealt with is in its journal: what was seen, what was decided and with which
# probabilities, what was done, and what came of it. `homeostat.open` shows it as tidy frames, one row an observation.
#
# This page reads a season of 240 incidents of the embedded payments plant, in which the agent began with the written
# order and learnt. For your own, give `homeostat.open` your workspace, your state folder, or the URL of your shared
# journal. It only reads, and may do so while agents write.

# %%
from pathlib import Path

import pandas as pd

import homeostat
from homeostat import plot
from homeostat.learn.trends import share

workspace = Path("..") if Path("../history").is_dir() else Path()
with homeostat.open(workspace / "history" / "season.jsonl.gz") as history:
    incidents = history.incidents()
    attempts = history.attempts("payments-5xx")
    options = history.options("payments-5xx")
    changes = history.rankings_history()

# %% [markdown]
# ## Incidents
#
# One row an incident. `mttr_s` runs from the first sign to the recovery, in seconds. An incident that was handed to
# people (`escalated`) has none, and neither has one that was over before it was confirmed (`dismissed`).

# %%
incidents.groupby("result", observed=True).agg(
    incidents=("incident", "size"), median_s=("mttr_s", "median"), longest_s=("mttr_s", "max")
).style.format("{:.0f}", na_rep="-")

# %%
plot.recovery_times(incidents, changes)

# %% [markdown]
# The lines are the moments from which a new order ruled; each cross is an incident that was handed to people, and a
# median of times to recovery leaves it out. The agent trains on what it has seen every two days here, and a gate decides
# whether the new order may rule. `reviewing-a-ranking-change` shows how to look over its shoulder. In the last third a
# remedy stopped working, and a person took the order back; the crosses stand where signals were missing:
# `data-quality-and-drift` tells that part.
#
# ## Attempts
#
# One row an attempt, with the signals as they were known when it was decided. `succeeded` is the label, and `weight` says
# how much it counts: verdicts that teach nothing have 0. A share of so few attempts is not exact; beside it stands its
# 95% interval (Wilson 1927).


# %%
def worked(rows):
    """How many of some attempts worked, and between which bounds the share may lie."""
    found = share(int(rows["succeeded"].sum()), len(rows))
    return pd.Series({"attempts": found.count, "worked": found.value, "at least": found.low, "at most": found.high})


rates = attempts[attempts["weight"] > 0].groupby("node")[["succeeded"]].apply(worked)
rates.style.format({"attempts": "{:.0f}", "worked": "{:.0%}", "at least": "{:.0%}", "at most": "{:.0%}"})

# %% [markdown]
# These are no ranks. A remedy that is tried early meets every cause, one that is tried late only what the others left.
#
# ## What was learnt
#
# An order goes by the chance of success per time: a remedy that works a little less often and is much quicker comes first.
# The bars hold the chance nine times in ten: a wide one means that little is known. Every decision is in the journal with
# the numbers it was made by, one row an option; here are the eligible ones of incident 160, with nothing tried yet.
# (`history.rankings()`: what rules now.)

# %%
scored = options.query("node == 'remedy' and probability.notna()")
scored = scored[scored["at"] == scored.groupby("incident")["at"].transform("min")]
moment = scored.loc[scored["opened_at"] <= incidents["opened_at"].iloc[159], "at"].max()
order = scored[scored["at"] == moment].sort_values("index", ascending=False).rename(columns={"option": "candidate"})
plot.ranking(order)

# %% [markdown]
# The order is conditional: in the next incident the numbers are others. The agent scores the candidates on the signals of
# the moment, and again after each failure, given what has failed.
#
# ## What it came to
#
# The time before the first learnt order beside the time from then until the plant changed, after incident 160. The mean
# is of those that recovered, so it is read together with how many did not. The share counts all: handed to people is not
# recovered.

# %%
QUICK_MIN = 10


def season_part(rows):
    """How a part of the season went: incidents that were acted on."""
    acted = rows[rows["result"].isin(["recovered", "escalated"])]
    minutes = acted["mttr_s"] / 60
    quick = share(int((minutes <= QUICK_MIN).sum()), len(acted))
    return {
        "incidents": len(acted),
        "handed to people": int(minutes.isna().sum()),
        "mean minutes": minutes.mean(),
        f"within {QUICK_MIN} min": quick.value,
        "at least": quick.low,
        "at most": quick.high,
    }


learnt_at = changes.loc[changes["event"] == "promoted", "at"].min()
since = incidents["opened_at"] >= learnt_at
parts = pd.DataFrame(
    {"as written": season_part(incidents[~since]), "as learnt": season_part(incidents[:160][since[:160]])}
).T
parts.style.format("{:.0%}").format("{:.0f}", subset=["incidents", "handed to people"]).format(
    "{:.1f}", subset=["mean minutes"]
)

# %% [markdown]
# The learnt order is quicker. It does not keep incidents from being handed to people: the four of its time fell on the
# days on which the exporter of `standby_room` was down, so that one remedy could not be tried.
#
# To ask the same of your own journal, change the first cell. What next: `calibration` (can these chances be believed),
# `reviewing-a-ranking-change` (may this order rule), `data-quality-and-drift` (does it still hold).

# %%
assert len(incidents) == 240
assert {"promoted"} <= set(changes["event"])
assert order["probability"].between(order["probability_low"], order["probability_high"]).all()
written, learnt = parts.loc["as written"], parts.loc["as learnt"]
assert learnt["mean minutes"] < 0.8 * written["mean minutes"]
assert learnt["at least"] > written[f"within {QUICK_MIN} min"]
assert (written["handed to people"], learnt["handed to people"]) == (0, 4)
print(
    f"mean time to recovery: {written['mean minutes']:.1f} min as written, {learnt['mean minutes']:.1f} min as learnt;"
    f" handed to people {written['handed to people']:.0f} and {learnt['handed to people']:.0f}"
)
