"""Policies with one thing wrong: what the tests shipped beside them must notice.

Mutants are made of the parsed YAML: a branch is flipped, an `if`, a verification, an approval or another safeguard is
dropped, an order is swapped. A mutant that no longer loads, or means the same as before, is none.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from homeostat.policy.load import SUFFIX, read_draft
from homeostat.policy.sources import FolderSources, Sources
from homeostat.policy.yaml_tree import Document, read_yaml
from homeostat.simulate.bench.case import run_case
from homeostat.simulate.bench.expectations import judge
from homeostat.simulate.bench.suite import load_suite

DROPPED = ("if", "approval", "cooldown", "retry", "undo", "fallback", "needs", "concurrency", "mode")
"""Safeguards of a step that a mutant goes without."""

GUARDS = ("rates", "blast_radius", "storm", "recurrence", "maintenance", "telemetry")
WINDOW_OF_PROOF = "drop for of verify"
CHILDREN = ("steps", "dag", "try", "choose", "decide")


@dataclass(frozen=True)
class Mutant:
    """One thing wrong with one file."""

    what: str
    file: str
    text: str

    @property
    def is_of_window(self) -> bool:
        """Whether only the window of a proof is shorter: the mildest thing that may be wrong."""
        return self.what.startswith(WINDOW_OF_PROOF)


class Overlay(Sources):
    """A folder in which one file reads otherwise."""

    def __init__(self, folder: Path, mutant: Mutant) -> None:
        self._folder = FolderSources(folder)
        self._mutant = mutant

    def read(self, name: str) -> str:
        return self._mutant.text if name == self._mutant.file else self._folder.read(name)

    def display(self, name: str) -> str:
        return self._folder.display(name)


@dataclass
class Hunt:
    """What became of a policy's mutants."""

    policy: str
    killed: int = 0
    survivors: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.killed + len(self.survivors)

    def __str__(self) -> str:
        alive = "".join(f"\n  survives: {what}" for what in self.survivors)
        return f"{self.policy}: {self.killed} of {self.total} mutants caught{alive}"


def _data(folder: Path, name: str) -> Any:
    document: Document = read_yaml((folder / name).read_text(), name)
    assert not document.problems, document.problems
    return document.data


def _nodes(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _nodes(inner, (*path, key))


def _changed(data: Any, path: tuple[str | int, ...], change: Callable[[Any], None]) -> str:
    changed = copy.deepcopy(data)
    value = changed
    for part in path:
        value = value[part]
    change(value)
    return json.dumps(changed)


def _where(path: tuple[str | int, ...], node: Any) -> str:
    name = node.get("id") or node.get("do") if isinstance(node, dict) else None
    return f"{'.'.join(map(str, path))}{f' ({name})' if name else ''}"


def mutants_of(folder: Path, name: str) -> Iterator[Mutant]:
    """Every mutant of a policy, and of the guards beside it."""
    data = _data(folder, name)
    for path, node in _nodes(data):
        if path and path[0] in ("signals", "actions", "parameters", "environments"):
            continue
        if isinstance(node, dict):
            for what, change in _of_mapping(path, node):
                yield Mutant(f"{what} at {_where(path, node)}", name, _changed(data, path, change))
        if isinstance(node, list) and path and path[-1] in CHILDREN and path[-1] != "dag":
            for what, change in _of_list(node):
                yield Mutant(f"{what} at {_where(path, node)}", name, _changed(data, path, change))


def _of_list(children: list[Any]) -> Iterator[tuple[str, Callable[[Any], None]]]:
    for index in range(len(children) - 1):
        if "else" not in children[index + 1]:
            yield f"swap {index} and {index + 1}", _swap(index)
        if "if" in children[index] and "if" in children[index + 1]:
            yield f"flip the conditions of {index} and {index + 1}", _flip(index)


def guard_mutants(folder: Path, name: str) -> Iterator[Mutant]:
    """Guards files with one guard missing."""
    data = _data(folder, name)
    for key in GUARDS:
        if isinstance(data.get(key), list):
            for index in range(len(data[key])):
                yield Mutant(f"drop {key} {index}", name, _changed(data, (key,), _without_item(index)))
        elif key in data:
            yield Mutant(f"drop {key}", name, _changed(data, (), _without(key)))


def _of_mapping(path: tuple[str | int, ...], node: dict[str, Any]) -> Iterator[tuple[str, Callable[[Any], None]]]:
    """What may be wrong with one mapping of a policy."""
    condition = node.get("if")
    inside = path[-1] if path else ""
    if isinstance(condition, str):
        yield "negate if", _with("if", f"not ({condition})")
    if inside in ("trigger", "resolved", "verify") or "wait" in path[-1:]:
        if node.get("for"):
            yield f"drop for of {inside}", _without("for")
        return
    if "steps" in node and "policy" in node:
        for key in ("harm", "attempts_max", "mode", "timeout"):
            if key in node:
                yield f"drop {key}", _without(key)
        return
    if not any(kind in node for kind in (*CHILDREN, "do", "manual", "wait", "use", "escalate")):
        return
    for key in DROPPED:
        if key in node:
            yield f"drop {key}", _without(key)
    if isinstance(node.get("verify"), dict):
        yield "drop verify", _with("verify", "none") if "manual" not in node else _without("verify")
    if isinstance(node.get("decide"), list) and len(node["decide"]) > 1:
        yield "take the last branch away", _shorten("decide")


def _with(key: str, value: Any) -> Callable[[Any], None]:
    return lambda node: node.update({key: value})


def _without(key: str) -> Callable[[Any], None]:
    return lambda node: node.pop(key)


def _without_item(index: int) -> Callable[[Any], None]:
    return lambda items: items.pop(index)


def _shorten(key: str) -> Callable[[Any], None]:
    return lambda node: node[key].pop()


def _swap(index: int) -> Callable[[Any], None]:
    def swap(items: Any) -> None:
        items[index], items[index + 1] = items[index + 1], items[index]

    return swap


def _flip(index: int) -> Callable[[Any], None]:
    def flip(branches: Any) -> None:
        one, other = branches[index], branches[index + 1]
        one["if"], other["if"] = other["if"], one["if"]

    return flip


def is_caught(suites: list[Path], mutant: Mutant) -> bool | None:
    """Whether any test fails on a mutant; None where it is no mutant: it does not load, or nothing has changed."""
    folder = suites[0].parent
    overlay = Overlay(folder, mutant)
    if mutant.file.endswith(SUFFIX):
        draft = read_draft(overlay, mutant.file)
        original = read_draft(FolderSources(folder), mutant.file)
        if draft.policy is None or draft.problems or (original.policy and draft.policy.hash == original.policy.hash):
            return None
    for path in suites:
        suite = load_suite(path, overlay)
        if suite.problems:
            return True  # a test names what is no longer there
        for case in suite.cases:
            if judge(case, run_case(case)):
                return True
    return False


def hunt(policy: Path, suites: list[Path], mutants_max: int, *, windows: bool) -> Hunt:
    """Let a policy's tests hunt its mutants, a fair sample of them where there are more than `mutants_max`.

    Args:
        windows: hunt shorter windows of proof, or everything else.
    """
    mutants = list(mutants_of(policy.parent, policy.name))
    guards = policy.parent / "guards.yaml"
    if guards.exists() and any("guards" in suite.read_text() for suite in suites):
        mutants += guard_mutants(policy.parent, guards.name)
    random.Random(policy.name).shuffle(mutants)
    hunted = Hunt(policy.name)
    for mutant in mutants:
        if hunted.total >= mutants_max:
            break
        if mutant.is_of_window is not windows:
            continue
        caught = is_caught(suites, mutant)
        if caught:
            hunted.killed += 1
        elif caught is False:
            hunted.survivors.append(mutant.what)
    return hunted
