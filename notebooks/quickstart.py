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

import homeostat
from homeostat import plot

workspace = Path("..") if Path("../history").is_dir() else Path()
with homeostat.open(workspace / "history" / "season.jsonl.gz") as history:
    incidents = history.incidents()
    attempts = history.attempts("payments-5xx")
    options = history.options("payments-5xx")
    changes = history.rankings_history()

# %% [markdown]
# ## Incidents
#
# One row an incident. `mttr_s` runs from the first sign to the recovery; an incident that was handed to people, or that
# was over before it was confirmed, has none.

# %%
incidents.groupby("result", observed=True).agg(incidents=("incident", "size"), median_s=("mttr_s", "median"))

# %%
plot.recovery_times(incidents, changes)

# %% [markdown]
# The marks are the moments from which a new order ruled. The agent trains on what it has seen every two days here, and a
# gate decides whether the new order may rule. `reviewing-a-ranking-change` shows how to look over its shoulder. In the
# last third a remedy stopped working, and a person took the order back: `data-quality-and-drift` tells that part.
#
# ## Attempts
#
# One row an attempt, with the signals as they were known when it was decided. Some verdicts teach nothing: their weight
# is 0.

# %%
attempts.pivot_table(
    index="node", columns="verdict", values="number", aggfunc="count", fill_value=0, observed=True
)

# %% [markdown]
# ## What was learnt
#
# An order goes by the chance of success per time: a remedy that works a little less often and is much quicker comes first.
# A wide interval means little is known. Every decision is in the journal with the numbers it was made by, one row an
# option; here are the eligible ones of incident 160, with nothing tried yet. (`history.rankings()`: what rules now.)

# %%
scored = options.query("node == 'remedy' and probability.notna()")
scored = scored[scored["at"] == scored.groupby("incident")["at"].transform("min")]
moment = scored.loc[scored["opened_at"] <= incidents["opened_at"].iloc[159], "at"].max()
order = scored[scored["at"] == moment].sort_values("index", ascending=False).rename(columns={"option": "candidate"})
plot.ranking(order)

# %% [markdown]
# The order is conditional: in the next incident the numbers are others. The agent scores the candidates on the signals of
# the moment, and again after each failure, given what has failed.

# %%
first, last = incidents["mttr_s"].dropna().head(20).mean(), incidents["mttr_s"].iloc[100:160].dropna().mean()
assert len(incidents) == 240
assert {"promoted"} <= set(changes["event"])
assert order["probability"].between(order["probability_low"], order["probability_high"]).all()
assert last < 0.8 * first
print(f"mean time to recovery: first 20 incidents {first / 60:.1f} min, incidents 100 to 160 {last / 60:.1f} min")
