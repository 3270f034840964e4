"""Mutated policies, catalogues, guards and conditions, and what must hold of every one of them.

Shared by the tests and by `benchmarks/fuzz.py`. All randomness comes from the generator that is handed in.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from tests.unit.policy.fuzz_corpus import CONDITIONS, EVERY_KIND, GUARDS, KEYS, VALUES, WORDS

from homeostat.model.errors import PolicyError, Position, Problem
from homeostat.model.signals import SignalSpec, SignalType
from homeostat.policy.condition_parser import parse_condition
from homeostat.policy.condition_scanner import ConditionFaults
from homeostat.policy.conditions import condition_from
from homeostat.policy.guards_file import FILE_NAME, load_guards
from homeostat.policy.lint import lint
from homeostat.policy.load import SUFFIX, load_policy_sources, read_draft
from homeostat.policy.sources import GivenSources
from homeostat.policy.yaml_tree import read_yaml

ROOT = Path(__file__).resolve().parents[3]
TODAY = dt.date(2026, 11, 27)
CASE_CPU_S_MAX = 1.0

SIGNALS = {
    **{name: SignalSpec(name, name, 60.0) for name in ("http_5xx", "payments_rps", "auth_up", "restarts_5m", "a", "b")},
    "phase": SignalSpec("phase", "info", 60.0, type=SignalType.TEXT, label="phase"),
}
CONSTANTS: Mapping[str, float | str] = {"limit": 0.05, "market": "open"}


@dataclass(frozen=True)
class Seed:
    """Texts that belong together, by name; `main` is the one that is mutated most."""

    main: str
    texts: Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """What came of a case: accepted or rejected, and in how many seconds of CPU."""

    accepted: bool
    cpu_s: float


class Broken(AssertionError):
    """A case broke a promise."""


def corpus() -> list[Seed]:
    """Every shipped policy with what stands beside it, one with every kind of step, and a guards file."""
    seeds = [Seed(f"every{SUFFIX}", {f"every{SUFFIX}": EVERY_KIND}), Seed(FILE_NAME, {FILE_NAME: GUARDS})]
    for path in sorted((ROOT / "policies").rglob(f"*{SUFFIX}")):
        beside = {other.name: other.read_text() for other in path.parent.glob("*.yaml")}
        named = {name: text for name, text in beside.items() if name == path.name or not name.endswith(SUFFIX)}
        above = {f"../{other.name}": other.read_text() for other in path.parent.parent.glob("*.yaml")}
        texts = {**named, **{name: text for name, text in above.items() if name in path.read_text()}}
        seeds.append(Seed(path.name, {name: text for name, text in texts.items() if not name.endswith(".test.yaml")}))
    return seeds


def mutated(seed: Seed, random: Random) -> Seed:
    """Change one of the seed's texts, in one to four places."""
    name = seed.main if len(seed.texts) == 1 or random.random() < 0.7 else random.choice(sorted(seed.texts))
    text = seed.texts[name]
    if random.random() < 0.45:
        text = _mutate_data(text, name, random)
    for _ in range(random.choice((0, 1, 1, 2, 4)) if text != seed.texts[name] else random.choice((1, 1, 2, 4))):
        text = mutate_text(text, random)
    # A file holds no lone surrogate: its bytes would not be UTF-8, and are refused before they are text.
    return Seed(seed.main, {**seed.texts, name: text.encode(errors="replace").decode()})


def mutate_text(text: str, random: Random) -> str:
    """Change a text in one place, as a slip of the hand or of an editor would."""
    at = random.randrange(len(text) + 1)
    end = min(len(text), at + random.choice((1, 1, 2, 5, 20, 80)))
    lines = text.split("\n")
    line = random.randrange(len(lines))
    words = list(re.finditer(r"[\w.%/-]+", text))
    match random.randrange(9):
        case 0:
            return text[:at] + text[end:]
        case 1:
            return text[:at] + random.choice(WORDS) + text[at:]
        case 2:
            return text[:at] + text[at:end] * 2 + text[end:]
        case 3:
            del lines[line]
        case 4:
            lines.insert(random.randrange(len(lines) + 1), lines[line])
        case 5:
            lines[line] = random.choice(("", " ", "  ", "- ", "\t")) + lines[line].lstrip(random.choice((" ", "- ")))
        case 6 | 7 if words:
            word = random.choice(words)
            other = random.choice(WORDS) if random.random() < 0.6 else random.choice(words).group()
            return text[: word.start()] + other + text[word.end() :]
        case _:
            return text[:at]
    return "\n".join(lines)


def _mutate_data(text: str, name: str, random: Random) -> str:
    """Change a value in the tree, and write the tree as JSON, which is YAML."""
    data: Any = read_yaml(text, name).data
    places = list(_places(data))
    if not places:
        return text
    holder, key = random.choice(places)
    match random.randrange(5):
        case 0:
            del holder[key]
        case 1:
            other_holder, other_key = random.choice(places)
            holder[key] = json.loads(json.dumps(other_holder[other_key]))
        case 2 if isinstance(holder, list):
            holder.insert(key, json.loads(json.dumps(holder[key])))
        case 3 if isinstance(holder, dict):
            holder[random.choice([*KEYS, *map(str, holder)])] = holder.pop(key)
        case _:
            holder[key] = random.choice(VALUES)
    return json.dumps(data, indent=random.choice((None, 1)), ensure_ascii=random.random() < 0.5)


def _places(data: Any) -> Any:
    """Every (collection, key) below a value."""
    pending = [data]
    while pending:
        holder = pending.pop()
        if isinstance(holder, dict | list):
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            for key in keys:
                yield holder, key
                pending.append(holder[key])


def check(seed: Seed, folder: Path) -> Outcome:
    """Load, and lint what can be loaded. Raises Broken, or whatever a bug raises."""
    began = time.process_time()
    accepted = _check_guards(seed, folder) if seed.main == FILE_NAME else _check_policy(seed, folder)
    return _in_time(accepted, time.process_time() - began)


def _in_time(accepted: bool, cpu_s: float) -> Outcome:
    if cpu_s > CASE_CPU_S_MAX:
        raise Broken(f"took {cpu_s:.2f} s of CPU")
    return Outcome(accepted, cpu_s)


def _check_policy(seed: Seed, folder: Path) -> bool:
    draft = read_draft(GivenSources(seed.texts), seed.main, None)
    check_positions(draft.problems, seed.texts)
    if draft.policy is None or draft.problems:
        if not draft.problems:
            raise Broken("refused without a word")
        try:
            load_policy_sources(seed.texts, seed.main)
        except PolicyError:
            return False
        raise Broken("the draft has problems, and the policy loads")
    _lint_files(seed, folder)
    return True


def _lint_files(seed: Seed, folder: Path) -> None:
    if any("\r" in text or "/" in name for name, text in seed.texts.items()):
        return  # a file's line ends, and folders above, are another test's business
    for old in folder.glob("*.yaml"):
        old.unlink()
    for name, text in seed.texts.items():
        (folder / name).write_text(text)
    report = lint(folder / seed.main, today=TODAY)
    texts = {str(folder / name): text for name, text in seed.texts.items()}
    check_positions([finding.problem for finding in report.findings], texts)
    if report.worst_case is None:
        raise Broken("it loads, and lint knows no worst case")


def _check_guards(seed: Seed, folder: Path) -> bool:
    (folder / FILE_NAME).write_bytes(seed.texts[FILE_NAME].encode(errors="surrogatepass"))
    try:
        load_guards(folder)
    except PolicyError as error:
        if not error.problems:
            raise Broken("refused without a word") from error
        check_positions(error.problems, {str(folder / FILE_NAME): seed.texts[FILE_NAME]})
        return False
    return True


def check_positions(problems: Sequence[Problem], texts: Mapping[str, str]) -> None:
    """Every problem is at a place that is in one of the texts."""
    lines = {file: text.splitlines() or [""] for file, text in texts.items()}
    for problem in problems:
        if problem.position.file not in texts:
            raise Broken(f"{problem} is in no file")
        if not is_inside(problem.position, lines[problem.position.file]):
            raise Broken(f"{problem} is outside of its text")
        if not problem.message or not problem.message.isprintable():
            raise Broken(f"{problem!r} cannot be shown")


def is_inside(position: Position, lines: Sequence[str]) -> bool:
    """Whether a position is a character of the text, or the place right behind a line or behind the last line."""
    if position.line == len(lines) + 1:
        return position.column == 1
    return 1 <= position.line <= len(lines) and 1 <= position.column <= len(lines[position.line - 1]) + 1


def check_condition(text: str) -> Outcome:
    """Compile a condition, and evaluate what compiles on nothing known and on numbers. Raises as `check`."""
    began = time.process_time()
    try:
        condition = condition_from(text, parse_condition(text, SIGNALS, CONSTANTS))
    except ConditionFaults as error:
        if not error.faults:
            raise Broken("refused without a word") from error
        for fault in error.faults:
            if not 0 <= fault.column <= len(text):
                raise Broken(f"{fault} is outside of the text") from error
        return _in_time(False, time.process_time() - began)
    for value in (None, 0.0, -1.0, 1e308):
        condition.evaluate({name: value for name in SIGNALS if name != "phase"} | {"phase": None})
    return _in_time(True, time.process_time() - began)


def mutated_condition(random: Random) -> str:
    """One of the conditions, changed in one to six places."""
    text = random.choice(CONDITIONS)
    for _ in range(random.choice((1, 1, 2, 3, 6))):
        text = mutate_text(text, random)
    return text
