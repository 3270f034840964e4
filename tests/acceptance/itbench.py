"""ITBench's SRE scenarios (fault -> expected alerts -> accepted commands) as policies.

A scenario's solutions are one list a fault, all of which are needed; each is a list of alternatives, of which one is
enough; an alternative is a sequence of commands. So: `steps` of `try` of `steps`. A command becomes a `command` action
with an argument list; what a person edits or does by hand becomes a `manual` step.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = "itbench.homeostat.yaml"
REPORTED = "reported"
"""People say that something is wrong: many faults raise no alert."""

SAFE_VERBS = frozenset({"get", "annotate"})
_TEMPLATE = re.compile(r"\{\{ *args\.([A-Za-z0-9_.]+) *\}\}")


@dataclass(frozen=True)
class Act:
    """One command or task. `argv` is None for what people do by hand."""

    text: str
    argv: tuple[str, ...] | None
    target: str

    @property
    def words(self) -> str:
        """The same for the same act, in whatever policy: what an actuator is told to do."""
        return self.text if self.argv is None else shlex.join(self.argv)


Solution = tuple[tuple[Act, ...], ...]
"""Alternatives, each a sequence."""


@dataclass(frozen=True)
class Scenario:
    """One fault, or two at once. `alerts` is empty where none is expected."""

    id: int
    alerts: frozenset[str]
    faults: tuple[str, ...]
    solutions: tuple[Solution, ...]


def read_scenarios(path: Path) -> list[Scenario]:
    """Read `scenarios.jsonl`."""
    return [_scenario(json.loads(line)) for line in path.read_text().splitlines()]


def _scenario(row: Mapping[str, Any]) -> Scenario:
    solutions = []
    for number, alternatives in enumerate(row["solutions"]):
        arguments = row["faults"][min(number, len(row["faults"]) - 1)]["args"]
        solutions.append(tuple(tuple(_act(act, arguments) for act in sequence) for sequence in alternatives))
    faults = tuple(json.dumps([fault["id"], fault["args"]], sort_keys=True) for fault in row["faults"])
    return Scenario(row["id"], frozenset(row["alerts"]), faults, tuple(solutions))


def _act(act: Mapping[str, Any], arguments: Mapping[str, Any]) -> Act:
    command = _TEMPLATE.sub(lambda match: str(_looked_up(arguments, match[1])), act["command"] or "")
    argv = tuple(shlex.split(command))
    if not argv:
        return Act(act["text"], None, "cluster/all")
    target = _target(argv)
    by_hand = "edit" in argv
    return Act(f"{act['text']} ({command})" if by_hand else act["text"], None if by_hand else argv, target)


def _looked_up(arguments: Mapping[str, Any], path: str) -> object:
    found: Any = arguments
    for key in path.split("."):
        found = found[key]
    return found


def _target(argv: Sequence[str]) -> str:
    """What a kubectl command is about: kind/name, or its namespace."""
    words = [word for word in argv[1:] if not word.startswith("-")]
    namespace = argv[argv.index("-n") + 1] if "-n" in argv else "cluster"
    rest = [word for word in words if word != namespace]
    objects = [word for word in rest if word not in {"rollout", "restart", "undo", "get", "edit", "delete", "annotate"}]
    if objects and "/" in objects[0]:
        return objects[0]
    return "/".join(objects[:2]) if len(objects) > 1 and "=" not in objects[1] else f"namespace/{namespace}"


class Writer:
    """Writes one policy file, and collects the actions that its steps need."""

    def __init__(self) -> None:
        self.actions: dict[str, dict[str, Any]] = {}
        self._names: dict[tuple[str, ...], str] = {}
        self._ids = 0

    def scenario(self, scenario: Scenario, well: str) -> dict[str, Any]:
        """The accepted solutions as one step; `well` is the condition that proves the last one."""
        last = len(scenario.solutions) - 1
        parts = [
            {
                "id": self._id("fault"),
                "try": [self._sequence(sequence, well if number == last else None) for sequence in alternatives],
            }
            for number, alternatives in enumerate(scenario.solutions)
        ]
        return {"id": self._id("scenario"), "steps": parts}

    def _sequence(self, sequence: Sequence[Act], well: str | None) -> dict[str, Any]:
        steps = [self._step(act, well if act is sequence[-1] else None) for act in sequence]
        return {"id": self._id("way"), "steps": steps}

    def _step(self, act: Act, well: str | None) -> dict[str, Any]:
        verify: object = "none" if well is None else {"if": well, "for": "1m", "within": "10m"}
        if act.argv is None:
            return {
                "id": self._id("manual"),
                "manual": act.text,
                "check": f"it is done: {act.text}"[:1000],
                "target": act.target,
                "timeout": "30m",
                **({} if well is None else {"verify": verify}),
            }
        return {"id": self._id("do"), "do": self._action(act.argv), "target": act.target, "verify": verify}

    def _action(self, argv: tuple[str, ...]) -> str:
        if argv not in self._names:
            words = [word for word in argv[1:] if not word.startswith("-") and argv[argv.index(word) - 1] != "-n"]
            name = f"kubectl.{words[0]}.{len(self._names) + 1}"
            self._names[argv] = name
            effect = "safe" if words[0] in SAFE_VERBS else "unsafe"
            self.actions[name] = {"actuator": "command", "effect": effect, "timeout": "2m", "argv": list(argv)}
        return self._names[argv]

    def _id(self, stem: str) -> str:
        self._ids += 1
        return f"{stem}-{self._ids}"


def signal_of(alert: str) -> str:
    """The name of the signal that is 1 while the alert fires."""
    return f"alert_{alert}"


def _signals(alerts: Sequence[str]) -> dict[str, str]:
    firing = {
        signal_of(alert): f'max(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)' for alert in alerts
    }
    return {**firing, REPORTED: "max(incident_reported) or vector(0)"}


def _file(name: str, alerts: Sequence[str], steps: list[dict[str, Any]], actions: Mapping[str, Any]) -> str:
    names = [*map(signal_of, alerts), REPORTED]
    return json.dumps(
        {
            "policy": name,
            "owner": "sre",
            "review_by": "2030-01-01",
            "signals": _signals(alerts),
            "actions": dict(actions),
            "trigger": {"if": " or ".join(f"{name} == 1" for name in names), "for": "1m"},
            "resolved": {"if": " and ".join(f"{name} == 0" for name in names), "for": "1m", "within": "10m"},
            "escalate": {"to": "sre-on-call"},
            "timeout": "12h",
            "steps": steps,
        }
    )


def policy_of_scenario(scenario: Scenario) -> str:
    """A policy with every accepted way to end one scenario; people are called where none is accepted."""
    alerts = sorted(scenario.alerts)
    well = " and ".join(f"{name} == 0" for name in [*map(signal_of, alerts), REPORTED])
    writer = Writer()
    steps = [writer.scenario(scenario, well)] if scenario.solutions else [{"escalate": {"message": "no known cure"}}]
    if not writer.actions:  # a catalogue has at least one action
        writer.actions["kubectl.get"] = {"actuator": "command", "effect": "safe", "argv": ["kubectl", "get", "events"]}
    return _file(f"itbench-{scenario.id}", alerts, steps, writer.actions)


@dataclass(frozen=True)
class Known:
    """What the data say of one set of alerts: every fault behind it, and every distinct list of solutions."""

    alerts: frozenset[str]
    scenarios: tuple[Scenario, ...]

    @property
    def solutions(self) -> set[tuple[Solution, ...]]:
        """Distinct ones; an empty list is that of a scenario without a cure."""
        return {scenario.solutions for scenario in self.scenarios}

    @property
    def ambiguous(self) -> bool:
        """Whether acting would be guessing."""
        return len(self.solutions) > 1 or not all(self.solutions)


def by_alerts(scenarios: Sequence[Scenario]) -> list[Known]:
    """The map from alert sets to faults, sorted by alerts."""
    sets = sorted({scenario.alerts for scenario in scenarios}, key=sorted)
    return [Known(alerts, tuple(one for one in scenarios if one.alerts == alerts)) for alerts in sets]


def policy_of_alerts(scenarios: Sequence[Scenario]) -> str:
    """One policy for all: it tells the fault by the exact set of alerts, and calls people where that does not do."""
    alerts = sorted(frozenset().union(*(scenario.alerts for scenario in scenarios)))
    well = " and ".join(f"{name} == 0" for name in [*map(signal_of, alerts), REPORTED])
    writer = Writer()
    branches: list[dict[str, Any]] = []
    for known in by_alerts(scenarios):
        exactly = " and ".join(f"{signal_of(alert)} == {int(alert in known.alerts)}" for alert in alerts)
        if known.ambiguous:
            said = f"{len(known.scenarios)} faults look like this: {', '.join(sorted(known.alerts)) or 'no alert'}"
            branches.append({"if": exactly, "escalate": {"message": said}})
        else:
            branches.append({"if": exactly, **writer.scenario(known.scenarios[0], well)})
    branches.append({"else": {"escalate": {"message": "no known fault raises just these alerts"}}})
    return _file("itbench", alerts, [{"id": "fault", "decide": branches}], writer.actions)


def acts_of(solutions: Sequence[Solution]) -> Iterator[Act]:
    """Every act of every alternative."""
    for alternatives in solutions:
        for sequence in alternatives:
            yield from sequence
