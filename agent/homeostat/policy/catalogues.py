"""The two catalogues a policy refers to: its signals and its actions, in files of their own or inline."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from homeostat.model.errors import Problem
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import MANUAL, ActionSpec, Effect
from homeostat.model.signals import SignalSpec, SignalType
from homeostat.policy.action_fields import COMMON_KEYS, ActionFields, ParameterFields
from homeostat.policy.action_schema import BUILT_IN_ACTUATORS
from homeostat.policy.arguments import ArgumentError, fit
from homeostat.policy.fields import NAME_PATTERN, SIGNAL_NAME_PATTERN, ValidationContext, shown
from homeostat.policy.parameter_values import arguments_used
from homeostat.policy.parts import UndoFields
from homeostat.policy.schema import SignalFields
from homeostat.policy.schema_errors import validated
from homeostat.policy.yaml_tree import PROBLEMS_MAX, Document, Path

PROMQL_SQUARES_MAX = 20_000_000
"""Sum over a catalogue of its expressions' squared lengths: five of the longest, or 200 of 300 characters."""

ENTRIES_MAX = 1000
TIMEOUT_S = 300.0
"""An action's time-out where nobody gives one."""

_RESERVED_SIGNALS = frozenset({"abs", "min", "max", "known", "and", "or", "not", "true", "false", "null", "none"})
_NO_CONTEXT = ValidationContext(signals=None)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What both catalogues know of themselves.

    Attributes:
        document, base: where the entries are written.
        inline: whether that is the policy file itself.
    """

    document: Document
    base: Path
    inline: bool


@dataclass(frozen=True, slots=True)
class Signals(Catalogue):
    """Signals by name."""

    specs: Mapping[str, SignalSpec] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Action:
    """One action, the arguments it takes, whether its author gave it a time-out, and what takes it back.

    Attributes:
        destructive: None: its author said nothing. sets: names of signals that it writes itself.
        probe: as written; it is read where a step uses the action, since the catalogue has no signals.
    """

    spec: ActionSpec
    parameters: Mapping[str, ParameterFields]
    has_timeout: bool
    undo: UndoFields | None = None
    destructive: bool | None = None
    sets: tuple[str, ...] = ()
    probe: object = None


@dataclass(frozen=True, slots=True)
class Actions(Catalogue):
    """Actions by name. `broken` are those that are there but wrong."""

    actions: Mapping[str, Action] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()


def read_signals(data: object, document: Document, base: Path, *, inline: bool) -> tuple[Signals, list[Problem]]:
    """Read signals; those that are wrong are left out and reported."""
    entries, problems = _entries(data, document, base, "a mapping of signals, like {db_up: 'up{job=\"db\"}'}")
    specs: dict[str, SignalSpec] = {}
    if sum(_characters(entry) ** 2 for entry in entries.values()) > PROMQL_SQUARES_MAX:
        # The parser's time grows with the square of an expression's length.
        return Signals(document, base, inline, {}), [
            Problem(document.at(base), "E104", "the expressions are too long in all; use recording rules for some")
        ]
    for name, entry in entries.items():
        path = (*base, name)
        if len(problems) > PROBLEMS_MAX:
            specs[name] = SignalSpec(name, "", 0.0)
            continue
        fault = _signal_name_fault(name)
        if fault is not None:
            problems.append(Problem(document.key_at(path), "E112", fault))
            continue
        fields = validated(
            SignalFields, {"expr": entry} if isinstance(entry, str) else entry, document, path, _NO_CONTEXT
        )
        if isinstance(fields, list):
            problems.extend(fields)
            # Its name is right: conditions on it need no second complaint.
            is_text = isinstance(entry, dict) and entry.get("type") == "text"
            specs[name] = SignalSpec(name, "", 0.0, SignalType.TEXT if is_text else SignalType.NUMBER)
        else:
            specs[name] = SignalSpec(name, fields.expr.strip(), fields.max_age, fields.type, fields.label)
    return Signals(document, base, inline, specs), problems


def read_actions(data: object, document: Document, base: Path, *, inline: bool) -> tuple[Actions, list[Problem]]:
    """Read actions; those that are wrong are reported and named in `broken`.

    There may be none: a policy of manual steps alone declares `actions: {}`.
    """
    if data == {}:
        return Actions(document, base, inline), []
    entries, problems = _entries(
        data, document, base, "a mapping of actions, like {db.restart: {actuator: command, ...}}"
    )
    actions: dict[str, Action] = {}
    broken: set[str] = set()
    for name, entry in entries.items():
        if len(problems) > PROBLEMS_MAX:
            broken.add(name)
            continue
        action = _action(name, entry, document, (*base, name))
        if isinstance(action, list):
            problems.extend(action)
            broken.add(name)
        else:
            actions[name] = action
    return Actions(document, base, inline, actions, frozenset(broken)), problems


def _entries(data: object, document: Document, base: Path, wanted: str) -> tuple[dict[str, object], list[Problem]]:
    if not isinstance(data, dict) or not data:
        return {}, [Problem(document.at(base), "E112", f"{wanted} is wanted, not {shown(data)}")]
    if len(data) > ENTRIES_MAX:
        return {}, [Problem(document.at(base), "E104", f"{len(data)} entries; at most {ENTRIES_MAX} are allowed")]
    return data, []


def _characters(entry: object) -> int:
    """How long a signal's expression is."""
    expression = entry.get("expr") if isinstance(entry, dict) else entry
    return len(expression) if isinstance(expression, str) else 0


def _signal_name_fault(name: str) -> str | None:
    if re.fullmatch(SIGNAL_NAME_PATTERN, name, re.ASCII) is None:
        return f"{shown(name)} cannot name a signal: letters, digits and '_', at most 64, and no digit first"
    if name.lower() in _RESERVED_SIGNALS:
        return f"'{name}' cannot name a signal: it means something in conditions"
    return None


def _action(name: str, entry: object, document: Document, path: Path) -> Action | list[Problem]:
    if re.fullmatch(NAME_PATTERN, name, re.ASCII) is None:
        message = f"{shown(name)} cannot name an action: letters, digits, '_', '.' and '-', at most 64"
        return [Problem(document.key_at(path), "E112", message)]
    actuator = entry.get("actuator") if isinstance(entry, dict) else None
    schema = BUILT_IN_ACTUATORS.get(actuator, ActionFields) if isinstance(actuator, str) else ActionFields
    fields = validated(schema, entry, document, path, _NO_CONTEXT)
    if isinstance(fields, list) or not isinstance(entry, dict):
        return fields if isinstance(fields, list) else []
    parameters = {key: value for key, value in entry.items() if key not in COMMON_KEYS}
    problems = _parameter_problems(fields.parameters, document, path)
    if fields.actuator == MANUAL:
        message = "people's work is written where it is done, as a step {manual: what to do, check: what to look at}"
        problems.append(Problem(document.at((*path, "actuator")), "E133", message))
    if schema is not ActionFields:
        problems += _use_problems(parameters, fields.parameters, document, path)
    if fields.probe is not None and fields.effect is not Effect.PROBE:
        message = f"the effect is '{fields.effect}': only one that is 'probe' is probed"
        problems.append(Problem(document.key_at((*path, "probe")), "E136", message))
    if problems:
        return problems
    timeout_s = TIMEOUT_S if fields.timeout is None else fields.timeout
    spec = ActionSpec(name, fields.actuator, parameters, fields.effect, timeout_s, fields.takes)
    return Action(
        spec,
        fields.parameters,
        fields.timeout is not None,
        fields.undo,
        fields.destructive,
        tuple(fields.sets),
        entry.get("probe"),
    )


def _parameter_problems(declared: Mapping[str, ParameterFields], document: Document, path: Path) -> list[Problem]:
    problems = []
    for key, parameter in declared.items():
        at = document.key_at((*path, "with", key))
        if re.fullmatch(SIGNAL_NAME_PATTERN, key, re.ASCII) is None:
            problems.append(Problem(at, "E112", f"{shown(key)} cannot name an argument: letters, digits and '_'"))
        if parameter.default is not None:
            try:
                fit(parameter.default, parameter)
            except ArgumentError as error:
                problems.append(Problem(at, "E133", f"the default of '{key}' will not do: {error}"))
            if parameter.required:
                problems.append(Problem(at, "E133", f"'{key}' is required and has a default; leave out one of them"))
    return problems


def _use_problems(
    parameters: Mapping[str, object], declared: Mapping[str, ParameterFields], document: Document, path: Path
) -> list[Problem]:
    """What the actuator is to fill in must be declared, and must always have a value."""
    problems = []
    for used in dict.fromkeys(arguments_used(dict(parameters))):
        parameter = declared.get(used)
        if parameter is None:
            message = f"{{with: {used}}} is not declared in this action's 'with'{did_you_mean(used, declared)}"
            problems.append(Problem(document.key_at(path), "E133", message))
        elif parameter.default is None and not parameter.is_required:
            message = f"{{with: {used}}} may have no value; give '{used}' a default or make it required"
            problems.append(Problem(document.key_at(path), "E133", message))
    return problems
