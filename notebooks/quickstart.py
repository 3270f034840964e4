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
# probabilities, what was done, and what came of it. This notebook reads one into tidy frames, looks at the time to
# recovery, trains a ranking on it, and asks whether the promotion gate would let it rule.
#
# It starts from the recorded incidents in `history/`. For your own journal, replace the next cell's `journal` by
# `SqliteJournal(Path("../state/journal.sqlite"), read_only=True)` from `homeostat.record.sqlite`; it may be read while
# the agent writes it.

# %%
from pathlib import Path

import matplotlib.pyplot as plt

from homeostat.app.recordings import journal_of_recordings
from homeostat.learn.dataset import attempts_frame, incidents_frame, journal_records
from homeostat.learn.explain import describe
from homeostat.learn.retrain import retrain
from homeostat.policy.load import load_policy

workspace = Path("..") if Path("../history").is_dir() else Path()
journal = journal_of_recordings(workspace / "history")
policy = load_policy(workspace / "policies" / "payments-5xx.homeostat.yaml")

# %% [markdown]
# ## Incidents
#
# One row an incident. `mttr_s` runs from the first sign to the recovery; an incident that was handed to people or
# dismissed has none.

# %%
incidents = incidents_frame(journal_records(journal))
incidents.groupby("result", observed=True).size()

# %%
recovered = incidents[incidents["mttr_s"].notna()]
figure, axes = plt.subplots(figsize=(8, 3.2))
axes.bar(range(len(recovered)), recovered["mttr_s"] / 60, color="tab:blue")
axes.axhline(recovered["mttr_s"].mean() / 60, color="tab:orange", label="mean")
axes.set_xlabel("incident")
axes.set_ylabel("minutes to recovery")
axes.set_title("Time to recovery in the written order")
axes.legend()
figure.tight_layout()

# %% [markdown]
# ## Attempts
#
# One row an attempt, with the signals as they were known when it was decided. Some verdicts teach nothing: their weight
# is 0.

# %%
attempts = attempts_frame(journal_records(journal), policy)
attempts.pivot_table(
    index="candidate", columns="verdict", values="number", aggfunc="count", fill_value=0, observed=True
)

# %% [markdown]
# ## What would be learnt
#
# `retrain` reads the journal and changes nothing. The gate says in a sentence whether the order may rule, and why.

# %%
now = float(incidents["closed_at"].max().timestamp()) + 86_400
retrained = retrain(journal, policy, now, actor="notebook")
print(retrained.verdict.text)
for description in describe(retrained.ranking, policy):
    print(description)

# %%
(description,) = describe(retrained.ranking, policy)
rows = description.rows[::-1]
figure, axes = plt.subplots(figsize=(8, 3.2))
axes.barh([row.candidate for row in rows], [1000 * row.probability / row.cost_s for row in rows], color="tab:green")
axes.set_xlabel("index at typical signals: chance of success per 1,000 s")
axes.set_title("The learnt order, best on top")
for place, row in enumerate(rows):
    told = f"{row.successes:g}/{row.attempts:g} worked" if row.attempts else "never tried"
    axes.annotate(f" {told}", (0, place), va="center")
figure.tight_layout()

# %% [markdown]
# The order is conditional: these are the numbers at the median of every signal. In an incident the agent scores the
# candidates on the signals of that moment, and again after each failure, given what has failed.

# %%
written = [child.id for child in next(node for node in policy.nodes() if node.id == "remedy").children]
learnt = [row.candidate for row in description.rows]
assert len(incidents) >= 30
assert recovered["mttr_s"].between(60, 4 * 3600).all()
assert sorted(learnt) == sorted(written)
assert learnt != written
assert retrained.ranking.attempts == sum(row.attempts for row in description.rows)
retrained.ranking.attempts
