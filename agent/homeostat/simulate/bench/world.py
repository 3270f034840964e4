"""Load `*.world.yaml`: every problem at once with its place, or a world with nothing left to look up."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from homeostat.model.errors import PolicyError, Position, Problem
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import Policy
from homeostat.model.signals import SignalSpec, SignalType
from homeostat.policy.fields import ValidationContext, shown
from homeostat.policy.schema_errors import validated
from homeostat.policy.sources import FolderSources, SourceError
from homeostat.policy.yaml_tree import Document, Path, read_yaml
from homeostat.simulate.bench.names import known_names
from homeostat.simulate.bench.series import Series, parse_series
from homeostat.simulate.bench.world_schema import CauseFields, WorldActionFields, WorldFields

SUFFIX = ".world.yaml"
FOREVER_S = 1e12
"""The age of a sample that never gets too old."""

Sets = Mapping[str, Series]
"""What signals take, by name."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One way to break, its series read."""

    fields: CauseFields
    sets: Sets
    effects: Mapping[str, Sets]


@dataclass(frozen=True, slots=True)
class Change:
    """What is otherwise than the world has it, under a name of an action or step.

    Attributes:
        takes_times: what all its durations are multiplied by.
        takes_s: its mean duration instead, its scatter as it was.
        cures_times: what its chances to cure are multiplied by, to at most 1.
        cures: its chance to cure instead, where it has any.
    """

    takes_times: float = 1.0
    takes_s: float | None = None
    cures_times: float = 1.0
    cures: float | None = None


NO_CHANGE = Change()


@dataclass(frozen=True, slots=True)
class World:
    """A world with everything looked up.

    Attributes:
        effects: by the name of an action, what it sets.
        changes: by the name of an action or a step.
    """

    name: str
    fields: WorldFields
    healthy: Sets
    causes: tuple[Cause, ...]
    effects: Mapping[str, Sets]
    changes: Mapping[str, Change] = field(default_factory=dict)

    def names_not_shared(self, policies: Iterable[Policy]) -> list[str]:
        """In words: what the world names and no policy does, and signals that policies read and it does not have."""
        policies = list(policies)
        known = {name for policy in policies for name in known_names(policy)}
        named = dict.fromkeys(self.fields.actions)
        for cause in self.causes:
            named |= dict.fromkeys((*cause.fields.cures, *cause.fields.actions))
        told = [f"no policy here does '{name}'{did_you_mean(name, known)}" for name in named if name not in known]
        read = dict.fromkeys(signal for policy in policies for signal in policy.signals)
        absent = [signal for signal in read if signal not in self.healthy]
        return told + [
            f"the world has no signal '{name}': it is always missing{did_you_mean(name, self.healthy)}"
            for name in absent
        ]


def load_world(path: pathlib.Path, policies: Iterable[Policy]) -> World:
    """Load a world for policies, which say what type a signal has.

    Raises:
        PolicyError: every problem found, each with its position.
    """
    try:
        text = FolderSources(path.parent).read(path.name)
    except SourceError as error:
        raise PolicyError([Problem(Position(str(path), 1, 1), "E100", str(error))]) from None
    return world_of(text, str(path), policies)


def world_of(text: str, file: str, policies: Iterable[Policy]) -> World:
    """Read a world from its text; `file` is how its problems call it. Arguments and errors as for `load_world`."""
    document = read_yaml(text, file)
    if document.problems:
        raise PolicyError(document.problems)
    texts = {name for policy in policies for name, spec in policy.signals.items() if spec.type is SignalType.TEXT}
    return _Reader(document, texts).read()


class _Reader:
    def __init__(self, document: Document, text: set[str]) -> None:
        self._document = document
        self._text = text
        self._problems: list[Problem] = []

    def read(self) -> World:
        data = self._document.data
        signals = data.get("signals") if isinstance(data, dict) else None
        healthy = dict(self._healthy(signals)) if isinstance(signals, dict) else {}
        specs = {
            name: SignalSpec(name, name, FOREVER_S, SignalType.TEXT if name in self._text else SignalType.NUMBER)
            for name in healthy
        }
        fields = validated(WorldFields, data, self._document, (), ValidationContext(specs))
        if isinstance(fields, list):
            raise PolicyError([*self._problems, *fields])
        causes = tuple(self._cause(cause, healthy, ("causes", index)) for index, cause in enumerate(fields.causes))
        effects = dict(self._effects(fields.actions, healthy, ("actions",)))
        names = [cause.name for cause in fields.causes]
        for index, name in enumerate(names):
            if name in names[:index]:
                self._wrong(("causes", index, "name"), "E140", f"another cause is named '{name}' already")
        lying = fields.faults.lying
        for index, name in enumerate(lying.signals or () if lying is not None else ()):
            if name not in healthy:
                self._unknown_signal(("faults", "lying", "signals", index), name, healthy)
        if self._problems:
            raise PolicyError(self._problems)
        return World(fields.world, fields, healthy, causes, effects)

    def _wrong(self, path: Path, code: str, message: str, *, at_key: bool = False) -> None:
        position = self._document.key_at(path) if at_key else self._document.at(path)
        self._problems.append(Problem(position, code, message))

    def _unknown_signal(self, path: Path, name: str, healthy: Sets, *, at_key: bool = False) -> None:
        hint = did_you_mean(name, healthy) or "; give it a healthy value in 'signals'"
        self._wrong(path, "E121", f"unknown signal {shown(name)}{hint}", at_key=at_key)

    def _healthy(self, signals: Mapping[str, object]) -> Iterator[tuple[str, Series]]:
        """Healthy values; a signal that no policy knows is a number where it looks like one."""
        for name, written in signals.items():
            try:
                yield name, parse_series(written, is_text=name in self._text)
            except ValueError as error:
                if isinstance(written, str) and name not in self._text and written.replace("_", "").isalpha():
                    self._text.add(name)
                    yield name, parse_series(written, is_text=True)
                else:
                    self._wrong(("signals", name), "E190", f"'{name}': {error}")

    def _cause(self, fields: CauseFields, healthy: Sets, path: Path) -> Cause:
        sets = dict(self._sets(fields.sets, healthy, (*path, "sets")))
        return Cause(fields, sets, dict(self._effects(fields.actions, healthy, (*path, "actions"))))

    def _effects(
        self, actions: Mapping[str, WorldActionFields], healthy: Sets, path: Path
    ) -> Iterator[tuple[str, Sets]]:
        for name, fields in actions.items():
            if fields.sets is not None:
                yield name, dict(self._sets(fields.sets, healthy, (*path, name, "sets")))

    def _sets(self, sets: Mapping[str, object], healthy: Sets, path: Path) -> Iterator[tuple[str, Series]]:
        for name, written in sets.items():
            if name not in healthy:
                self._unknown_signal((*path, name), name, healthy, at_key=True)
                continue
            try:
                yield name, parse_series(written, is_text=name in self._text)
            except ValueError as error:
                self._wrong((*path, name), "E190", f"'{name}': {error}")
