"""Homeostat's own learning: `fit_node` as incidents come, `decide.ranking.rank` at every choice."""

from __future__ import annotations

from copy import copy

import numpy as np
from benchmarks.learning.stream import Incident
from benchmarks.learning.worlds import ESCALATION_S, VERIFY_FAILED_S, VERIFY_OK_S, Context, Facts

from homeostat.decide.ranking import rank
from homeostat.decide.scoring import feature_columns, interval, logit_sds, success_probabilities
from homeostat.learn.costs import Cost
from homeostat.learn.fitting import Declared, fit_node
from homeostat.learn.foretelling import Memory
from homeostat.learn.members.member import Member
from homeostat.learn.members.registry import MEMBERS
from homeostat.learn.samples import Samples
from homeostat.model.entries import Option
from homeostat.model.ranking import Feature, NodeRanking
from homeostat.model.signals import Value

PATTERN = "pattern"
CALIBRATED_AT = 1_000
EVERY_INCIDENT_UP_TO = 300
THEN_EVERY = 5
"""Fits: one more incident in hundreds changes little, and a bench of ten seeds is to end."""

_CAPACITY = 4_096


class Homeostat:
    """Scales signals by the monitoring's quartiles, as every method here may, and reads categories as text signals."""

    def __init__(self, members: tuple[Member, ...] = MEMBERS) -> None:
        self._members = members

    def begin(self, seed: int, facts: Facts) -> None:  # noqa: ARG002 # a `Method`; nothing is drawn
        self._features = features_of(facts)
        self._facts = facts
        self._declared = tuple(
            Declared(name, Cost(run_s + VERIFY_OK_S, run_s + VERIFY_FAILED_S), ESCALATION_S)
            for name, run_s in zip(facts.candidates, facts.declared_s, strict=True)
        )
        self._history = _History(sum(feature.width for feature in self._features), len(facts.candidates))
        self._memory = Memory()
        self.node: NodeRanking | None = None
        self.calibrated: NodeRanking | None = None
        self._fit()

    def choose(self, context: Context, failed: tuple[int, ...], eligible: tuple[int, ...], *, frozen: bool) -> int:  # noqa: ARG002 # a `Method`
        names = self._facts.candidates
        options = [Option(id=names[each], eligible=True) for each in eligible]
        ranked, _ = rank(self.node, options, self._values(context), [names[each] for each in failed])
        return names.index(ranked[0].id)

    def learn(self, incident: Incident) -> None:
        self._history.add(incident, feature_columns(self._features, self._values(incident.context)))
        if self._history.incidents <= EVERY_INCIDENT_UP_TO or self._history.incidents % THEN_EVERY == 0:
            self._fit()
        if self._history.incidents == CALIBRATED_AT:
            self.calibrated = self.node

    def frozen_for_calibration(self) -> Homeostat:
        """The same with what it had learnt after `CALIBRATED_AT` incidents."""
        earlier = copy(self)
        earlier.node = self.calibrated
        return earlier

    def foretell(self, context: Context, failed: tuple[int, ...]) -> list[tuple[float, float, float]]:
        """See `calibration.Foretells`."""
        node = self.node
        if node is None or node.uncertainty is None:
            return []
        columns = feature_columns(node.features, self._values(context))
        chances = success_probabilities(node, columns, failed)
        sds = logit_sds(node.uncertainty, columns)
        return [(chance, *interval(chance, sd)) for chance, sd in zip(chances, sds, strict=True)]

    def _fit(self) -> None:
        self.node = fit_node(
            self._history.samples(),
            self._features,
            self._declared,
            previous=self.node,
            memory=self._memory,
            members=self._members,
        )

    def _values(self, context: Context) -> dict[str, Value]:
        numbers = zip(self._facts.numbers, context.numbers.tolist(), strict=True)
        values: dict[str, Value] = {name: None if np.isnan(value) else value for name, value in numbers}
        values |= {f"category{place}": level for place, level in enumerate(context.categories)}
        values[PATTERN] = context.pattern
        return values


def features_of(facts: Facts) -> tuple[Feature, ...]:
    """What the columns of a world mean."""
    low, median, high = facts.quartiles
    numbers = [
        Feature(name, float(middle), float(spread) or 1.0)
        for name, middle, spread in zip(facts.numbers, median, high - low, strict=True)
    ]
    texts = [Feature(f"category{place}", categories=levels) for place, levels in enumerate(facts.categories)]
    return (*numbers, *texts, Feature(PATTERN, categories=facts.patterns))


class _History:
    """All trials so far, in arrays that double when they are full."""

    def __init__(self, columns: int, candidates: int) -> None:
        self._rows = self.incidents = 0
        self._all = Samples(
            columns=np.zeros((_CAPACITY, columns)),
            failed=np.zeros((_CAPACITY, candidates), dtype=bool),
            candidate=np.zeros(_CAPACITY, dtype=np.intp),
            succeeded=np.zeros(_CAPACITY, dtype=bool),
            weight=np.ones(_CAPACITY),
            incident=np.zeros(_CAPACITY, dtype=np.intp),
            seconds=np.zeros(_CAPACITY),
            verified=np.zeros(_CAPACITY, dtype=bool),
            harmful=np.zeros(_CAPACITY, dtype=bool),
            candidates=candidates,
        )

    def add(self, incident: Incident, columns: list[float]) -> None:
        failed: list[int] = []
        for attempt in incident.attempts:
            if self._rows == len(self._all):
                self._all = self._all.take(np.r_[: self._rows, : self._rows])
            row, trials = self._rows, self._all
            trials.columns[row] = columns
            trials.failed[row] = False
            trials.failed[row, failed] = True
            trials.candidate[row] = attempt.candidate
            trials.succeeded[row] = trials.verified[row] = attempt.worked
            trials.incident[row] = self.incidents
            trials.seconds[row] = attempt.runs_s + attempt.verifies_s
            trials.harmful[row] = attempt.harmed
            failed.append(attempt.candidate)
            self._rows += 1
        self.incidents += 1

    def samples(self) -> Samples:
        return self._all.take(slice(0, self._rows))
