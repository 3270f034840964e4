"""What members would have foretold of every trial before its outcome was known.

From `FIRST_INCIDENTS` on, members are fitted whenever the history has grown by `GROWTH`, or an action has changed, to
what was known by then, and soon again after such a change. They foretell the trials up to the next fit (prequential;
Dawid, JRSS A 147, 1984). The mixture
of members, its calibration and the CUSUM rest on this: nothing is judged by a model that has seen it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from homeostat.learn.drift import OLD_WEIGHT, Change, Cusum
from homeostat.learn.features import Floats
from homeostat.learn.members.member import Member
from homeostat.learn.samples import Ints, Samples
from homeostat.learn.scoring import member_logits
from homeostat.learn.stacking import equal_shares, fit_stack, mixed_logits
from homeostat.model.ranking import MemberModel, Stack

FIRST_INCIDENTS = 20
GROWTH = 1.1
AFTER_CHANGE_INCIDENTS = 5
AFTER_CHANGE_GROWTH = 0.5
"""After an action has changed the next fit is due after so many incidents, or this share of those since then."""

INCIDENTS_MAX = 6_000
"""The newest so many are foretold; time is bounded."""

HALF_LIFE_INCIDENTS = 1_000
HALF_LIFE_SHARE = 0.25
"""An incident counts half after so many others, or after this share of the history if that is longer."""


@dataclass(frozen=True, slots=True)
class Foretold:
    """How far foretelling has come.

    Attributes:
        rows: so many trials are behind; the models were fitted to them.
        models: of the members, in their order; none before `FIRST_INCIDENTS`.
        stack: how they are mixed.
        logits: (rows, members), NaN where nothing was foretold.
        changes: in the order in which they were noticed.
    """

    rows: int
    models: tuple[MemberModel, ...]
    stack: Stack
    logits: Floats
    changes: tuple[Change, ...] = ()
    cusum: Cusum = field(default_factory=Cusum)


@dataclass(slots=True)
class Memory:
    """What an earlier call found, so that the next need not find it again; without it the same is found, slower."""

    digest: bytes = b""
    foretold: Foretold | None = None


def foretell(samples: Samples, members: Sequence[Member], memory: Memory) -> Foretold:
    """Foretell all trials; `rows` and `models` are those of the last fit, `logits` and `changes` of all trials."""
    foretold = memory.foretold
    if foretold is None or _digest(samples, foretold.rows) != memory.digest:
        foretold = Foretold(0, (), equal_shares(len(members)), np.zeros((0, len(members))))
    starts = np.flatnonzero(np.r_[True, samples.incident[1:] != samples.incident[:-1]]) if len(samples) else np.zeros(0)
    while True:
        ahead, complete = _look_ahead(samples, starts.astype(np.intp), foretold)
        if not complete:
            memory.foretold, memory.digest = foretold, _digest(samples, foretold.rows)
            return replace(ahead, rows=foretold.rows)
        foretold = _fitted(samples, members, ahead)


def row_weights(samples: Samples, changes: Sequence[Change]) -> Floats:
    """How much each row counts now: by its own weight, its age, and whether its action has changed since."""
    if not len(samples):
        return samples.weight
    age = samples.incident[-1] - samples.incident
    half_life = max(HALF_LIFE_INCIDENTS, HALF_LIFE_SHARE * float(age[0] + 1))
    weight: Floats = samples.weight * np.exp2(-age / half_life)
    rows = np.arange(len(samples))
    outdated = np.zeros(len(samples), dtype=bool)
    for change in changes:
        outdated |= (samples.candidate == change.candidate) & (rows < change.since)
    weight[outdated] *= OLD_WEIGHT
    return weight


def weighted(samples: Samples, changes: Sequence[Change]) -> Samples:
    """The same samples as they count now."""
    return replace(samples, weight=row_weights(samples, changes))


def _look_ahead(samples: Samples, starts: Ints, foretold: Foretold) -> tuple[Foretold, bool]:
    """Foretell up to the next fit, a change, or the end; whether a fit is due there."""
    target = _next_fit(starts, foretold)
    complete = target <= len(starts)
    end = int(starts[target]) if target < len(starts) else len(samples)
    logits = _logits_of(foretold, samples, foretold.rows, end)
    cusum, changes = foretold.cusum.copy(), foretold.changes
    if foretold.models:
        mixed = mixed_logits(foretold.stack, logits)
        change = cusum.first_change(samples, foretold.rows, end, mixed)
        if change is not None:
            after = int(np.searchsorted(starts, change.noticed, side="right"))
            end = int(starts[after]) if after < len(starts) else len(samples)
            logits, changes, complete = logits[: end - foretold.rows], (*changes, change), True
    rows = np.concatenate([foretold.logits, logits])
    return Foretold(end, foretold.models, foretold.stack, rows, changes, cusum), complete


def _next_fit(starts: Ints, foretold: Foretold) -> int:
    """How many incidents there must be for the next fit.

    What is known since an action changed is a short history of its own, so fits start afresh from there.
    """
    begun = int(np.searchsorted(starts, foretold.rows))
    grown = max(FIRST_INCIDENTS, begun + 1, int(GROWTH * begun))
    if not foretold.changes:
        return grown
    since = begun - int(np.searchsorted(starts, foretold.changes[-1].noticed))
    return min(grown, begun + max(AFTER_CHANGE_INCIDENTS, int(AFTER_CHANGE_GROWTH * since)))


def _logits_of(foretold: Foretold, samples: Samples, start: int, end: int) -> Floats:
    if not foretold.models:
        return np.full((end - start, foretold.logits.shape[1]), np.nan)
    chosen = (np.arange(end - start), samples.candidate[start:end])
    columns, failed = samples.columns[start:end], samples.failed[start:end]
    return np.column_stack([member_logits(model, columns, failed)[chosen] for model in foretold.models])


def _fitted(samples: Samples, members: Sequence[Member], ahead: Foretold) -> Foretold:
    """Fit members and mixture to all that is behind."""
    behind = weighted(samples.take(slice(0, ahead.rows)), ahead.changes)
    before: Sequence[MemberModel | None] = ahead.models or [None] * len(members)
    models = tuple(member.fit(behind, model) for member, model in zip(members, before, strict=True))
    return replace(ahead, models=models, stack=stack_of(behind, ahead.logits))


def stack_of(samples: Samples, logits: Floats) -> Stack:
    """The mixture that suits what was foretold."""
    known = ~np.isnan(logits[:, 0])
    if not known.any():
        return equal_shares(logits.shape[1])
    return fit_stack(logits[known], samples.succeeded[known], samples.weight[known])


def _digest(samples: Samples, rows: int) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    arrays = (samples.columns, samples.failed, samples.candidate, samples.succeeded, samples.weight, samples.incident)
    for array in arrays:
        digest.update(array[:rows].tobytes())
    return digest.digest()
