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
# first one: from the order as it was written to the first that was learnt and passed. Two days before it another one had
# been refused; that, and what came after, is in the history of rankings (`incidents` and `attempts`: what it was trained
# on; `why`: the first words of the gate).

# %%
import textwrap
from pathlib import Path

import pandas as pd

from homeostat import plot
from homeostat.decide.ranking import rank
from homeostat.learn.dataset import decisions_frame, incidents_frame, journal_records
from homeostat.learn.gate import judge
from homeostat.learn.ranking_frames import rankings_frame, rankings_history_frame
from homeostat.learn.trends import share
from homeostat.model.entries import Option, RankingPromoted, RankingTrained
from homeostat.policy.load import load_policy
from homeostat.record.exported import read_export

workspace = Path("..") if Path("../history").is_dir() else Path()
policy = load_policy(workspace / "policies" / "payments-5xx.homeostat.yaml")
journal = read_export(workspace / "history" / "season.jsonl.gz")
entries = [record.entry for record in journal.read("policy/payments-5xx")]
history = rankings_history_frame({"payments-5xx": entries})[["at", "event", "version", "incidents", "attempts", "why"]]
history.assign(version=history["version"].str[:8], why=history["why"].str.split(":", n=2).str[:2].str.join(":")).head(
    6
).style.format({"at": "{:%d %b %H:%M}"}, na_rep="").hide()

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
# The order goes by chance of success per time. Up and to the left is early. The bars hold the chance nine times in ten.
# Where those of two candidates overlap widely the data do not say which should come first; what the move costs when it is
# wrong is the time of a trial, and the harm it may do.

# %%
plot.success_and_seconds(candidates)

# %%
plot.ranking(candidates)

# %% [markdown]
# Look at the counts. `shift` now leads, on 3 trials of which 3 worked: its interval is nearly as wide as can be. The
# chances are for typical signals, so they need not be the plain shares beside them: `auth_restart` worked in 7 of 30, mostly
# where auth was down, which is not typical.
#
# ## Where it matters
#
# The learnt order depends on the signals, so one picture is not all of it. Here it is asked in every situation that was
# really met until then: which candidate would each order have begun with? Beside it stand the medians of the release's age
# in hours and of `auth_up`, which is 0 where auth is down.

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
moves.assign(release_age_h=moves["signal:deploy_age"] / 3600).groupby(["written", "learnt"]).agg(
    situations=("incident", "size"), release_age_h=("release_age_h", "median"), auth_up=("signal:auth_up", "median")
).style.format({"release_age_h": "{:.1f}", "auth_up": "{:.2f}"})

# %% [markdown]
# ## What it would gain
#
# The gate follows each order through every incident that was logged. What was tried then is a fact; what was not is
# imputed from everything that was seen in that incident. The interval is a bootstrap over incidents, with the imputing
# model fitted anew each time. It all rests on one assumption, which every report states: that an outcome does not depend
# on its place in the order.
#
# Here are the order that was refused and the change under review, each judged on what was known when it was trained, with
# bounds that hold nine times in ten.


# %%
def judged(entry):
    """What the gate says of an order, on what was known when it was trained."""
    return judge(entry.ranking, decisions[decisions["closed_at"] < pd.Timestamp(entry.at, unit="s", tz="UTC")], policy)


def gain_of(entry, figures):
    """One row for `plot.gain`: minutes saved an incident, against the order as written."""
    seconds = {"gain": figures.gain_s, "gain_low": figures.gain_low_s, "gain_high": figures.gain_high_s}
    day = pd.Timestamp(entry.at, unit="s", tz="UTC").strftime("%d %b")
    return {"way": f"{day}, {figures.incidents} incidents"} | {name: value / 60 for name, value in seconds.items()}


trainings = [entry for entry in entries if isinstance(entry, RankingTrained)]
reviewed = next(place for place, entry in enumerate(trainings) if entry.ranking is learnt)
verdicts = [judged(entry) for entry in trainings[: reviewed + 1]]
gains = pd.DataFrame(
    [gain_of(entry, verdict.figures["remedy"]) for entry, verdict in zip(trainings, verdicts, strict=False)]
)
plot.gain(gains, over="the order as written")

# %% [markdown]
# The same of the change under review, in the gate's own words.

# %%
print(textwrap.fill(verdicts[-1].text, 110))

# %% [markdown]
# Read three things in it. The *lower bound* of the gain is above zero: that is why it passed, and why the other was
# refused. The *check*, a model of another kind, foretells much less; it only has to not contradict. And
# *harm*: no attempt had done any yet, so the 0.2 says how little is known of it, not that this order is worse.

# %% [markdown]
# ## What came of it
#
# A reviewer cannot know this part. The season went on, so here it can be looked up: times to recovery before the change,
# and in the next 60 incidents. A line that ends below 1 says that people were called for the rest.

# %%
incidents = incidents_frame(journal_records(journal))
at = pd.Timestamp(promotion.at, unit="s", tz="UTC")
earlier = incidents[incidents["opened_at"] < at]
later = incidents[incidents["opened_at"] >= at].head(60)
times = pd.concat(
    [
        rows[rows["result"].isin(["recovered", "escalated"])][["mttr_s"]].assign(way=name)
        for name, rows in (("as written", earlier), ("as learnt", later))
    ]
)
plot.recovery_times_compared(times)

# %%
QUICK_MIN = 15
rows = {}
for way, minutes in (times["mttr_s"] / 60).groupby(times["way"], sort=False):
    quick = share(int((minutes <= QUICK_MIN).sum()), len(minutes))
    rows[way] = {
        "incidents": len(minutes),
        "handed to people": int(minutes.isna().sum()),
        "mean minutes of the others": minutes.mean(),
        f"within {QUICK_MIN} min": quick.value,
        "at least": quick.low,
        "at most": quick.high,
    }
outcome = pd.DataFrame(rows).T
outcome.style.format("{:.0f}").format("{:.1f}", subset=["mean minutes of the others"]).format(
    "{:.0%}", subset=[f"within {QUICK_MIN} min", "at least", "at most"]
)

# %% [markdown]
# Quicker, as foretold; and four were handed to people, where none had been. All four fell on days on which `standby_room`
# was not known and `shift`, which this order leads with, could not be tried: `data-quality-and-drift` has that. Nor are
# these two the same weeks. A comparison of before and after says what happened, not what the order did.
#
# ## What to answer
#
# - Promote when the gate passed, the moves have a reason that you can say aloud, and no candidate with a wide interval
#   has come first in many situations.
# - Ask for more incidents when the intervals of the first two overlap widely *and* one of them can do harm.
# - Whatever you answer is an entry in the journal, and can be taken back: `homeostat rankings history` shows all of it.
#
# Here the gate passed, and "`auth_restart` first only where auth is down" is a reason to say aloud. `shift` first, in more
# than a third of the situations and on three trials, is not: a careful reviewer asks for more incidents, or promotes and
# watches `shift`. To let it rule: `homeostat rankings promote payments-5xx VERSION --why TEXT`.

# %%
changed = float((moves["learnt"] != moves["written"]).mean())
led_by_shift = float((moves["learnt"] == "shift").mean())
shift = candidates.set_index("candidate").loc["shift"]
assert [verdict.passed for verdict in verdicts] == [False, True]
assert gains["gain_low"].iloc[0] < 0 < gains["gain_low"].iloc[-1]
assert trainings[reviewed].gate.startswith("Passed"), "as the gate of that day said"
assert sorted(candidates["candidate"]) == sorted(written["candidate"])
assert (shift["place"], shift["attempts"]) == (1, 3)
assert changed > 0.5
assert led_by_shift > 1 / 3
assert moves.groupby("learnt")["signal:auth_up"].median()["auth_restart"] == 0
assert outcome.loc["as learnt", "mean minutes of the others"] < outcome.loc["as written", "mean minutes of the others"]
assert outcome["handed to people"].tolist() == [0, 4]
print(f"begins differently in {changed:.0%} of the situations, with shift in {led_by_shift:.0%}")
