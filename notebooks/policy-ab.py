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
# # Policy A or B? Recorded incidents, and what they cannot say
#
# Before a policy is changed, the change can be replayed over incidents that really happened: the same decisions, on the
# same signals. This page compares three changes with the shipped policy on the 40 recordings of `history/`, and is strict
# about one thing: **where a change would have done something that was not done then, nobody knows how it would have
# ended.** Such an incident is UNKNOWN. It is never counted as a success.

# %%
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import homeostat
from homeostat import plot
from homeostat.policy.load import load_policy

workspace = Path("..") if Path("../history").is_dir() else Path()
written = (workspace / "policies" / "payments-5xx.homeostat.yaml").read_text()


def variant(*changes):
    """The shipped policy with some of its text replaced."""
    text = written
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(workspace / "policies", folder, dirs_exist_ok=True)
        path = Path(folder) / "payments-5xx.homeostat.yaml"
        path.write_text(text)
        return load_policy(path)


policies = {
    "A: as shipped": variant(),
    "B: confirm after 1 min": variant(
        ("trigger: {if: http_5xx > 5%, for: 2m}", "trigger: {if: http_5xx > 5%, for: 1m}")
    ),
    "C: give up a check after 3 min": variant(("for: 2m, within: 5m", "for: 2m, within: 3m")),
    "D: rollback first": variant(
        ("    - {id: rollback, do: deploy.rollback, target: deploy/pay, if: deploy_age < 30d}\n", ""),
        (
            "    choose:\n",
            "    choose:\n    - {id: rollback, do: deploy.rollback, target: deploy/pay, if: deploy_age < 30d}\n",
        ),
    ),
}

# %%
with homeostat.open(workspace / "history") as history:
    replays = pd.concat(
        [history.simulate(policy, with_rankings=False).assign(way=name) for name, policy in policies.items()],
        ignore_index=True,
    )
replays["minutes"] = replays["duration_s"] / 60
incidents = replays["incident"].nunique()
counts = replays.pivot_table(
    index="way", columns="verdict", values="incident", aggfunc="count", fill_value=0, observed=True
)
counts

# %% [markdown]
# ## Read the UNKNOWN column first
#
# A is the policy that was running, so every incident is known. B acts a minute earlier, which the recordings can follow:
# an action that starts up to two minutes early is believed to end as it did. C gives up two minutes earlier on a check
# that failed then, and that can be followed too. D begins with what was not tried first, in most incidents.
#
# Why an incident is UNKNOWN, and how it ended in fact (`recorded`; `dismissed`: it passed before it was confirmed, and
# nothing was done):

# %%
reasons = replays.query("verdict == 'UNKNOWN'").assign(
    why=lambda rows: rows["why"].str.split(",").str[0], recorded=lambda rows: rows["recorded"].astype(str)
)
reasons.groupby(["way", "recorded", "why"]).size().rename("incidents").to_frame()

# %% [markdown]
# That is B's price. Of the incidents that passed by themselves it would have acted in these:

# %%
dismissed = replays[replays["recorded"] == "dismissed"].assign(acts=lambda rows: rows["verdict"] == "UNKNOWN")
dismissed.groupby("way").agg(passed_by_themselves=("acts", "size"), would_act=("acts", "sum"))

# %% [markdown]
# ## Bounds instead of a guess
#
# What is unknown can be anything. The share that recovered (or passed by itself) lies between "none of the unknown ones
# would have" and "all of them would have". Where these bounds are wide apart, the recordings do not answer the question,
# whatever the mean of the known ones says.

# %%
known = counts.reindex(columns=["RECOVERED", "ESCALATED", "UNKNOWN"], fill_value=0)
bounds = pd.DataFrame(
    {
        "known": (known["RECOVERED"] + known["ESCALATED"]) / incidents,
        "at least": known["RECOVERED"] / incidents,
        "at most": (known["RECOVERED"] + known["UNKNOWN"]) / incidents,
    }
)
bounds.style.format("{:.0%}")

# %% [markdown]
# ## What B and C would gain
#
# Pairs only: the incidents in which something was done and that recovered under both, each against itself. Incidents that
# are quicker or slower anyway then do not blur the difference. The interval holds 90%, by a bootstrap over incidents. B
# saves the same minute each time, so it has none; C saves two minutes for every check that failed.

# %%
recovered = replays.query("verdict == 'RECOVERED' and recorded != 'dismissed'")
wide = recovered.pivot_table(index="incident", columns="way", values="minutes")
generator = np.random.default_rng(7)


def gain_of(way):
    """Mean minutes saved against A, with a 90% interval."""
    saved = (wide["A: as shipped"] - wide[way]).dropna().to_numpy()
    means = generator.choice(saved, (2000, len(saved))).mean(axis=1)
    low, high = np.quantile(means, [0.05, 0.95])
    return {"way": f"{way} ({len(saved)} pairs)", "gain": saved.mean(), "gain_low": low, "gain_high": high}


gains = pd.DataFrame([gain_of(way) for way in ("B: confirm after 1 min", "C: give up a check after 3 min")])
plot.gain(gains, over="A, as shipped")

# %% [markdown]
# ## What to answer
#
# - B: a minute for every incident that needs help, and an action in all four that did not. Where the first step is
#   harmless that may be worth it; else keep two minutes. Four are few: let an observing agent count first
#   (`homeostat run --mode observe`).
# - C: worth trying. It loses wherever a check would have come true after three minutes. None did in these 40 incidents, so
#   up to about 3 in 40 may (the rule of three). Watch for it in `attempts`.
# - D: the recordings do not answer. It is a question of order, replay cannot follow it, and the promotion gate does not
#   use replay for that reason: it imputes what was not tried, from everything seen in that incident, and says how sure it
#   is (`reviewing-a-ranking-change`). `homeostat evaluate payments-5xx --order rollback` asks it about this very order.

# %%
B = "B: confirm after 1 min"
needless = dismissed[dismissed["way"] == B]["acts"]
saved = gains.set_index(gains["way"].str.rsplit(" (", n=1).str[0])["gain"]
answers = bounds.assign(minutes_saved=saved)
assert incidents == 40
assert counts.loc["A: as shipped", "UNKNOWN"] == 0
assert (needless.sum(), len(needless)) == (4, 4)
assert counts.loc["C: give up a check after 3 min"].equals(counts.loc["A: as shipped"])
assert counts.loc["D: rollback first", "UNKNOWN"] > incidents / 2
assert bounds.loc["D: rollback first", "at most"] - bounds.loc["D: rollback first", "at least"] > 0.5
assert (gains["gain_low"] > 0.5).all()
answers.style.format("{:.0%}").format("{:.1f}", subset=["minutes_saved"], na_rep="-")
