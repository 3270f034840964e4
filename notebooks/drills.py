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
# # Drills: rehearse a plan before it is needed
#
# A recovery plan that was never rehearsed is a guess. This page rehearses the shipped policy twice, against the goal that
# it states itself (`rto`): in a simulated world with many incidents, and in the embedded payments plant, where faults
# strike a running system and the real loop, sensor, journal and executor deal with them.
#
# What it is not: a drill with your own people, or on real servers. `homeostat drill run` breaks the plant of this page
# (`--sandbox`), processes (`--local`) or a rig of real servers (`--rig`) by a fault with a verdict, and the journal keeps it.

# %%
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd

from homeostat import plot
from homeostat.learn.dataset import attempts_frame, incidents_frame, journal_records
from homeostat.policy.load import load_policy
from homeostat.record.memory import MemoryJournal
from homeostat.simulate.bench.trial import run_trials
from homeostat.simulate.bench.world import load_world
from homeostat.simulate.sandbox.faults import MIX, draw_named
from homeostat.simulate.world import sandbox

workspace = Path("..") if Path("../history").is_dir() else Path()
policy = load_policy(workspace / "policies" / "payments-5xx.homeostat.yaml")
print(f"goal: recovered within {policy.rto_s / 60:.0f} minutes")

# %% [markdown]
# ## Many incidents in a simulated world
#
# `policies/payments-5xx.world.yaml` says what can go wrong, how often, and what cures it. The policy is run through it in
# virtual time. For a goal that is easily kept the question is how much of it is used up.

# %%
world = load_world(workspace / "policies" / "payments-5xx.world.yaml", [policy])
trials = pd.DataFrame(
    [
        {"cause": trial.cause, "fate": str(trial.fate), "recovered_s": trial.recovered_s, "actions": trial.actions}
        for trial in run_trials(policy, world, 120, seed=11)
    ]
)
acted = trials[trials["fate"].isin(["recovered", "escalated", "unknown"])]
plot.recovery_times_compared(
    acted.rename(columns={"cause": "way", "recovered_s": "mttr_s"})[["way", "mttr_s"]].query(
        "way in ['auth_down', 'leak', 'bad_release']"
    )
)

# %% [markdown]
# ## Scored against the goal
#
# The share that recovered within the goal, with a 90% interval (Wilson 1927): a rehearsal of ten incidents proves little,
# and the interval says so. An incident that was handed to people has not kept the goal by itself.

# %%
Z = 1.6448536269514722


def wilson(kept, count):
    """Bounds of a share."""
    share = kept / count
    middle = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z * np.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2)) / (1 + Z**2 / count)
    return middle - half, middle + half


score = acted.assign(kept=acted["recovered_s"] <= policy.rto_s).groupby("cause").agg(
    incidents=("kept", "size"),
    kept=("kept", "sum"),
    median_min=("recovered_s", lambda times: times.median() / 60),
    worst_min=("recovered_s", lambda times: times.max() / 60),
    actions=("actions", "mean"),
)
score["at least"], score["at most"] = zip(*map(wilson, score["kept"], score["incidents"]), strict=True)
score.style.format({"median_min": "{:.0f}", "worst_min": "{:.0f}", "actions": "{:.1f}", "at least": "{:.0%}", "at most": "{:.0%}"})

# %% [markdown]
# ## A fault of each kind in the running plant
#
# The plant is a queueing model of a payment service behind a Prometheus API on loopback. Nothing is scripted: symptoms
# follow from the fault, and remedies work or do not.


# %%
class Witness:
    """Fails the rehearsal on anything that goes wrong beside it."""

    def ticked(self, now, snapshot, open_incidents):
        """A tick is complete."""

    def appended(self, stream, entries):
        """Entries are durable."""

    def failed(self, what, error):
        """Something went wrong."""
        raise error


journal, generator = MemoryJournal(), Random(4)
rehearsed = {}
with sandbox({policy.name: policy}, journal, Witness(), seed=4) as plant:
    plant.start("rehearsal")
    for fault in MIX:
        rehearsed[fault] = plant.strike(draw_named(fault, generator))

incidents = incidents_frame(journal_records(journal)).set_index("incident")
attempts = attempts_frame(journal_records(journal), policy)
tried = attempts.groupby("incident")["node"].agg(" > ".join)
card = pd.DataFrame(
    {
        "result": {fault: incidents["result"].get(name, "not noticed") for fault, name in rehearsed.items()},
        "minutes": {fault: incidents["mttr_s"].get(name, np.nan) / 60 for fault, name in rehearsed.items()},
        "tried": {fault: tried.get(name, "nothing") for fault, name in rehearsed.items()},
    }
)
card["of the goal"] = card["minutes"] * 60 / policy.rto_s
card.style.format({"minutes": "{:.0f}", "of the goal": "{:.0%}"}, na_rep="")

# %% [markdown]
# ## What to take from it
#
# - A blip must end with nothing done: acting on it would be the mistake.
# - Where most of the goal is used up, the written order is the reason more often than the remedies are: look at `tried`.
# - One strike of each fault shows that a way exists. How often it holds is what the simulated world was for.

# %%
assert set(card.index) == set(MIX)
assert not (card["minutes"] * 60 > policy.rto_s).any()
assert card.loc["blip", "tried"] == "nothing"
assert score["kept"].sum() / score["incidents"].sum() > 0.7
assert Counter(trials["fate"])["unknown"] <= 6
card["of the goal"].max()
