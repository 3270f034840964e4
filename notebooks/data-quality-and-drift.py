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
# # Data quality and drift
#
# A learnt order rests on two things that change without telling: that the signals are there, and that the remedies work
# as they did. This page looks at both over a season of 240 incidents. Two things were arranged in that season: exporters
# went down for days, and after two thirds of it the standby site's health check began to fail, so that shifting traffic
# there hardly ever worked any more. Neither was told to the agent.

# %%
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd

import homeostat
from homeostat import plot
from homeostat.learn.drift import SHIFT_LOGIT, THRESHOLD

workspace = Path("..") if Path("../history").is_dir() else Path()
with homeostat.open(workspace / "history" / "season.jsonl.gz") as history:
    incidents, decisions = history.incidents(), history.decisions("payments-5xx")
    changes = history.rankings_history()
choices = decisions.query("kind == 'choose' and chosen.notna()").sort_values("at")
len(choices)

# %% [markdown]
# ## Which signals were missing when they were needed
#
# Only the moments of decisions count here: a gap that nobody decided in does no harm. A missing signal makes conditions
# on it unknown, and unknown never triggers anything; in the learnt order it is a fact of its own, with its own weight.

# %%
signals = [name for name in choices if name.startswith("signal:")]
missing = choices.assign(day=choices["at"].dt.floor("D")).groupby("day")[signals].agg(lambda known: known.isna().mean())
days = pd.date_range(choices["at"].min().floor("D"), choices["at"].max().floor("D"), freq="D")
shares = missing.reindex(days).T.rename(index=lambda name: name.removeprefix("signal:"))
plot.missing_signals(shares)

# %% [markdown]
# ## Did it matter?
#
# Decisions with every signal, and decisions without one: how often the first choice worked.

# %%
first = choices[choices["position"] == 0].assign(
    signals=lambda rows: np.where(rows[signals].isna().any(axis="columns"), "one or more missing", "all there")
)
first.groupby("signals").agg(decisions=("succeeded", "size"), worked=("succeeded", "mean"))

# %% [markdown]
# The numbers are few, and the days differ in more than their exporters: a difference here is a reason to look, no proof.
#
# ## Does every remedy still work as it was learnt?
#
# Before each trial the ranking foretold its chance of success $p$. If the remedy had become much worse, the chance would
# be $q$, with $\mathrm{logit}\,q = \mathrm{logit}\,p - 2.5$. Each outcome speaks for one or the other; the sum of the log
# likelihood ratios, never below zero, is a CUSUM (Page 1954). Bad luck raises it a little and good outcomes take it back.
# Above 7 the evidence is a thousand to one.
#
# A line above the limit says that the forecasts are wrong. It does not say why: the remedy may have changed, or the
# ranking that rules may have learnt it wrongly from too little.

# %%
def cusum(rows):
    """The running sum over one candidate's trials."""
    logit = np.log(rows["foretold"] / (1 - rows["foretold"]))
    worse = 1 / (1 + np.exp(SHIFT_LOGIT - logit))
    ratio = np.where(
        rows["succeeded"], np.log(worse / rows["foretold"]), np.log((1 - worse) / (1 - rows["foretold"]))
    )
    total, sums = 0.0, []
    for step in ratio:
        total = max(0.0, total + step)
        sums.append(total)
    return pd.Series(sums, index=rows.index)


trials = choices.assign(foretold=choices["probability"], candidate=choices["chosen"])
trials = trials[trials["foretold"].between(0, 1, inclusive="neither") & (trials["weight"] > 0)]
trials["cusum"] = pd.concat([cusum(rows) for _, rows in trials.groupby("candidate")])
plot.changes(trials, limit=THRESHOLD)

# %% [markdown]
# ## When it was found, and what had been lost by then
#
# The change came after incident 160. `shift` was found a few trials later. `restart` is the other kind: the order that
# ruled had been learnt from 30 incidents, believed in it, and was wrong from the beginning.
#
# The agent runs the same sum whenever it trains: what a remedy did before a change that was found hardly counts any more.
# Whether the new order then rules is the gate's business.

# %%
changed_at = incidents["opened_at"].iloc[160]
found = trials[trials["cusum"] > THRESHOLD].groupby("candidate").agg(found_at=("at", "min"))
found["trials_until_found"] = [
    int(((trials["candidate"] == candidate) & trials["at"].between(changed_at, at)).sum())
    for candidate, at in found["found_at"].items()
]
found

# %%
before, after = trials[trials["at"] < changed_at], trials[trials["at"] >= changed_at]
by_candidate = pd.DataFrame(
    {
        "foretold, before": before.groupby("candidate")["foretold"].mean(),
        "worked, before": before.groupby("candidate")["succeeded"].mean(),
        "foretold, after": after.groupby("candidate")["foretold"].mean(),
        "worked, after": after.groupby("candidate")["succeeded"].mean(),
    }
).sort_values("worked, after")
by_candidate.style.format("{:.2f}", na_rep="never tried")

# %% [markdown]
# ## What the agent made of it
#
# The last entries about rankings. As long as the gate refuses a new order, the old one rules, and so does its belief in a
# remedy that no longer works. Here a person took it back. Half a day later an order that had learnt of the change was
# surely better than the written one, and was promoted.

# %%
for row in changes[["at", "event", "version", "actor", "why"]].tail(4).fillna("").itertuples():
    print(f"{row.at:%d %b %H:%M}  {row.event} {row.version[:8]} {row.actor}")
    print(textwrap.fill(row.why, 100, initial_indent="    ", subsequent_indent="    "))

# %%
plot.recovery_times(incidents, changes)

# %% [markdown]
# ## What to do
#
# - A signal that is missing for a day: mend the exporter, and look which conditions were unknown meanwhile.
# - A remedy that crossed the line: no ranking mends it. Have it repaired, or take it out of the policy until it is.
# - A ranking that still leads with it: roll it back, and say why.

# %%
assert "shift" in found.index
assert found.loc["shift", "found_at"] > changed_at
assert found.loc["shift", "trials_until_found"] <= 15
assert shares.loc["standby_room"].max() == 1.0
assert shares.loc["http_5xx"].max() == 0.0
assert (found.drop("shift")["found_at"] < changed_at).all()
assert changes.query("event == 'rolled_back'")["actor"].tolist() == ["payments-sre"]
found
