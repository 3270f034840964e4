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
# # Reviewing a ranking change
#
# A gate judges every newly trained order before it may rule. With `promote = "review"` it only judges, and a person
# decides. This page is for that person: what changes, where it would matter, what the evidence is, and what to answer.
#
# The journal is an export of a season in which the agent began with the written order. The change under review is the
# first one: from the order as it was written to the first that was learnt.

# %%
import textwrap
from pathlib import Path

import pandas as pd

from homeostat import plot
from homeostat.decide.ranking import rank
from homeostat.learn.dataset import decisions_frame, incidents_frame, journal_records
from homeostat.learn.gate import judge
from homeostat.learn.ranking_frames import rankings_frame, rankings_history_frame
from homeostat.model.entries import Option, RankingPromoted, RankingTrained
from homeostat.policy.load import load_policy
from homeostat.record.exported import read_export

workspace = Path("..") if Path("../history").is_dir() else Path()
policy = load_policy(workspace / "policies" / "payments-5xx.homeostat.yaml")
journal = read_export(workspace / "history" / "season.jsonl.gz")
entries = [record.entry for record in journal.read("policy/payments-5xx")]
rankings_history_frame({"payments-5xx": entries})[["at", "event", "version", "incidents", "attempts", "why"]].assign(
    version=lambda rows: rows["version"].str[:8]
).head(6)

# %%
trained = {entry.ranking.version: entry.ranking for entry in entries if isinstance(entry, RankingTrained)}
promotion = next(entry for entry in entries if isinstance(entry, RankingPromoted))
learnt = trained[promotion.version]
until = [entry for entry in entries if entry.at <= promotion.at]
candidates = rankings_frame({"payments-5xx": until})
remedy = next(node for node in policy.nodes() if node.id == "remedy")
written = pd.DataFrame({"candidate": [child.id for child in remedy.children]})

# %% [markdown]
# ## What changes
#
# At typical signals, with nothing tried yet.

# %%
plot.order_change(written, candidates, names=("as written", "as learnt"))

# %% [markdown]
# ## Why
#
# The order goes by chance of success per time. Up and to the left is early. Intervals that overlap say that the two might
# as well change places: such a move needs no discussion, it costs little either way.

# %%
plot.success_and_seconds(candidates)

# %%
plot.ranking(candidates)

# %% [markdown]
# ## Where it matters
#
# The learnt order depends on the signals, so one picture is not all of it. Here it is asked in every situation that was
# really met until then: which candidate would each order have begun with?

# %%
decisions = decisions_frame(journal_records(journal), policy)
signals = [name for name in decisions if name.startswith("signal:")]
met = decisions.query("node == 'remedy' and position == 0 and chosen.notna()")
met = met[met["at"] < pd.Timestamp(promotion.at, unit="s", tz="UTC")]


def first_of(row):
    """What the learnt order begins with in a situation."""
    values = {name.removeprefix("signal:"): None if pd.isna(row[name]) else row[name] for name in signals}
    options = [Option(id=name, eligible=True) for name in row["eligible"]]
    return rank(learnt.nodes["remedy"], options, values, ())[1]


moves = met.assign(learnt=met.apply(first_of, axis="columns"), written=met["chosen"])
pd.crosstab(moves["written"].rename("begins as written"), moves["learnt"].rename("begins as learnt"))

# %% [markdown]
# ## What it would gain
#
# The gate follows each order through every incident that was logged. What was tried then is a fact; what was not is
# imputed from everything that was seen in that incident. The interval is a bootstrap over incidents, with the imputing
# model fitted anew each time. It all rests on one assumption, which every report states: that an outcome does not depend
# on its place in the order.
#
# Here is each order that was trained in the first two weeks, judged on what was known when it was trained, against the
# order as written.

# %%
def gain_of(entry):
    """One row for `plot.gain`: minutes saved an incident, against the order as written."""
    known = decisions[decisions["closed_at"] < pd.Timestamp(entry.at, unit="s", tz="UTC")]
    figures = judge(entry.ranking, known, policy).figures["remedy"]
    seconds = {"gain": figures.gain_s, "gain_low": figures.gain_low_s, "gain_high": figures.gain_high_s}
    day = pd.Timestamp(entry.at, unit="s", tz="UTC").strftime("%d %b")
    return {"way": f"{day}, {figures.incidents} incidents"} | {name: value / 60 for name, value in seconds.items()}


trainings = [entry for entry in entries if isinstance(entry, RankingTrained)]
gains = pd.DataFrame([gain_of(entry) for entry in trainings[:7:3]])
plot.gain(gains, over="the order as written")

# %% [markdown]
# The same of the change under review, in the gate's own words as the journal has them.

# %%
verdict = next(entry.gate for entry in entries if isinstance(entry, RankingTrained) and entry.ranking is learnt)
print(textwrap.fill(verdict, 110))

# %% [markdown]
# ## What came of it
#
# A reviewer cannot know this part. The season went on, so here it can be looked up: times to recovery before the change,
# and in as many incidents after it.

# %%
incidents = incidents_frame(journal_records(journal))
at = pd.Timestamp(promotion.at, unit="s", tz="UTC")
earlier = incidents[incidents["opened_at"] < at]
later = incidents[incidents["opened_at"] >= at].head(max(60, len(earlier)))
times = pd.concat(
    [
        rows[rows["result"].isin(["recovered", "escalated"])][["mttr_s"]].assign(way=name)
        for name, rows in (("as written", earlier), ("as learnt", later))
    ]
)
plot.recovery_times_compared(times)

# %% [markdown]
# ## What to answer
#
# - Promote when the gate passed, the moves have a reason that you can say aloud, and no candidate with a wide interval
#   has come first in many situations.
# - Ask for more incidents when the intervals of the first two overlap widely *and* one of them can do harm.
# - Whatever you answer is an entry in the journal, and can be taken back: `homeostat rankings history` shows all of it.

# %%
means = times.groupby("way", sort=False)["mttr_s"].mean() / 60
assert gains["gain"].iloc[-1] > 0
assert gains["gain_low"].iloc[-1] > 0
changed = float((moves["learnt"] != moves["written"]).mean())
assert sorted(candidates["candidate"]) == sorted(written["candidate"])
assert list(candidates["candidate"]) != list(written["candidate"])
assert changed > 0.2
assert means["as learnt"] < means["as written"]
print(f"begins differently in {changed:.0%} of the situations; mean time to recovery {means.round(1).to_dict()} minutes")
