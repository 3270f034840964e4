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
# # Calibration and confidence
#
# The learnt order puts first what works soonest: chance of success over expected seconds. It is only as good as the
# chances are. This page holds every chance that was foretold against what came of it, over a season of 240 incidents.
#
# Each forecast was written to the journal *before* its outcome, by the ranking that ruled then. So nothing here is
# measured on what was trained on.

# %%
from pathlib import Path

import numpy as np
import pandas as pd

import homeostat
from homeostat import plot
from homeostat.learn.reliability import expected_calibration_error, reliability_of_decisions, reliability_table

workspace = Path("..") if Path("../history").is_dir() else Path()
with homeostat.open(workspace / "history" / "season.jsonl.gz") as history:
    incidents, decisions = history.incidents(), history.decisions("payments-5xx")

choices = decisions.query("kind == 'choose' and mature and weight > 0")
foretold = choices.dropna(subset=["probability"])
changed_at = incidents["opened_at"].iloc[160]
before, after = foretold[foretold["at"] < changed_at], foretold[foretold["at"] >= changed_at]
print(f"{len(foretold)} forecasts with an outcome that counts, {len(before)} of them before the change in the plant")

# %% [markdown]
# ## Reliability
#
# Forecasts in groups of equal size: the mean of what was foretold against the share that worked, with its 90% interval
# (Wilson 1927). A well calibrated forecast lies on the diagonal, as far as so few trials can tell. `history.calibration()`
# gives the same table of a whole journal.

# %%
table = reliability_of_decisions(before, groups=6)
plot.reliability(table)

# %% [markdown]
# ## One number, and its luck
#
# The expected calibration error (ECE) is the mean distance from the diagonal, weighted by trials. Even perfect forecasts
# have one above zero, because a share of twenty trials is never exact. So it is compared with what perfect forecasts
# would show: outcomes drawn with just the chances that were foretold. An error below what 95 in 100 such draws stay below
# is no evidence against the forecasts; one above it is.

# %%
generator = np.random.default_rng(3)


def row(forecasts):
    """The error, and what perfect forecasts of the same chances would show: the mean, and what 95% stay below."""
    predicted = forecasts["probability"].to_numpy()
    draws = generator.random((100, len(predicted))) < predicted
    lucky = [expected_calibration_error(reliability_table(predicted, outcomes, 6)) for outcomes in draws]
    seen = expected_calibration_error(reliability_of_decisions(forecasts, groups=6))
    return {"trials": len(predicted), "ECE": seen, "by luck": np.mean(lucky), "95% below": np.quantile(lucky, 0.95)}


errors = pd.DataFrame({"before the change": row(before), "after it": row(after)}).T
errors.style.format({"trials": "{:.0f}", "ECE": "{:.3f}", "by luck": "{:.3f}", "95% below": "{:.3f}"})

# %% [markdown]
# ## Calibrated is not yet useful
#
# Saying the plain success rate every time is perfectly calibrated and tells nothing. A forecast is worth something when
# it is calibrated and *sharp*. The Brier score (mean squared error of the chance) counts both; the skill says how much
# of the plain rate's score is gone, with a 95% bootstrap interval. Whole incidents are drawn, since the trials of one
# incident share its cause. Both rates are taken in hindsight from these very outcomes, which a forecast cannot do.


# %%
def scores_of(counts):
    """Brier scores where each trial counts so many times; `counts` has a row a draw and a column a trial."""
    total, worked = counts.sum(axis=1, keepdims=True), counts * succeeded
    rates = {
        "success rate of all": worked.sum(axis=1, keepdims=True) / total,
        "success rate of each candidate": (worked @ is_of / np.maximum(counts @ is_of, 1)) @ is_of.T,
        "foretold": before["probability"].to_numpy(),
    }
    return pd.DataFrame(
        {name: (counts * (rate - succeeded) ** 2).sum(axis=1) / total[:, 0] for name, rate in rates.items()}
    )


succeeded = before["succeeded"].to_numpy(dtype=float)
is_of = pd.get_dummies(before["chosen"]).to_numpy(dtype=float)
scores = scores_of(np.ones((1, len(before)))).iloc[0]
number, names = pd.factorize(before["incident"])
draws = generator.integers(len(names), size=(500, len(names)))
drawn = scores_of(np.stack([np.bincount(draw, minlength=len(names)) for draw in draws])[:, number].astype(float))
skill = 1 - drawn.div(drawn["success rate of all"], axis="index")
skills = pd.DataFrame(
    {
        "Brier score": scores,
        "skill": 1 - scores / scores.iloc[0],
        "at least": skill.quantile(0.025),
        "at most": skill.quantile(0.975),
    }
)
skills.style.format("{:.3f}")

# %% [markdown]
# ## After the change
#
# After incident 160 the standby site refused traffic. The forecasts went on to believe in it for a while: too high, below
# the diagonal, in the group of the highest chances. `data-quality-and-drift` shows how it is found.

# %%
plot.reliability(reliability_of_decisions(after, groups=4))

# %%
shifts = after[after["chosen"] == "shift"]
told = pd.DataFrame(
    {
        "trials": [len(shifts), len(after) - len(shifts)],
        "foretold": [shifts["probability"].mean(), after.drop(shifts.index)["probability"].mean()],
        "worked": [shifts["succeeded"].mean(), after.drop(shifts.index)["succeeded"].mean()],
    },
    index=["shift", "all others"],
)
told.style.format({"trials": "{:.0f}", "foretold": "{:.0%}", "worked": "{:.0%}"})

# %% [markdown]
# The fault is in one remedy. The others are as good as foretold, so the whole is not to be thrown away for it.
#
# ## What to take from it
#
# - Before the change the error is no larger than luck makes it: nothing speaks against these chances. That they tell
#   situations apart is likely, but so few trials do not show it: the interval of the skill just reaches zero.
# - After it they cannot: the error is more than luck makes. Look at it by candidate before anything is done about it.
# - What this page cannot tell: whether a chance is right *in your situation*. A group mixes many. It also says nothing of
#   remedies that were not chosen, because nobody saw what they would have done; the gate imputes that
#   (`reviewing-a-ranking-change`).
# - With fewer than about a hundred forecasts luck alone makes an error of 0.1: wait before you judge your own journal.

# %%
calm, changed = errors.loc["before the change"], errors.loc["after it"]
assert len(before) >= 100
assert calm["ECE"] <= calm["95% below"]
assert changed["ECE"] > changed["95% below"]
assert skills.loc["foretold", "skill"] > 0.05
assert abs(skills.loc["foretold", "at least"]) < 0.05
assert told.loc["shift", "foretold"] > told.loc["shift", "worked"] + 0.2
assert abs(told.loc["all others", "foretold"] - told.loc["all others", "worked"]) < 0.1
print(f"calibration error {calm['ECE']:.3f} before the change (luck: up to {calm['95% below']:.3f}),", end=" ")
print(f"{changed['ECE']:.3f} after it (luck: up to {changed['95% below']:.3f})")
