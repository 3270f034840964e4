"""What an author says of their systems, checked: names, who needs whom, how long each takes to bring back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from homeostat.model.errors import UsageError
from homeostat.model.nearest import did_you_mean
from homeostat.policy.bounds import longest_chain_s, needed_first
from homeostat.policy.units import format_seconds, parse_duration

SYSTEMS_MAX = 40
TAKES_S = 900.0
"""How long a system is taken to need where nobody says."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,29}", re.ASCII)


class Team(StrEnum):
    """How used a team is to automatic recovery."""

    BEGINNER = "beginner"
    INTERMEDIATE = "intermediate"
    ADVANCED = "advanced"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the advice rests on.

    Attributes:
        takes_s: seconds to bring each system back, in the order the systems were named.
        needs: for each system, those that must be back before it.
        assumed: systems whose time nobody gave.
        signals: how many metrics tell what is wrong.
        causes_known: whether the symptoms tell the cause; None where nobody says.
    """

    takes_s: Mapping[str, float]
    needs: Mapping[str, tuple[str, ...]]
    team: Team = Team.INTERMEDIATE
    rto_s: float | None = None
    signals: int = 0
    causes_known: bool | None = None
    changes_often: bool = False
    assumed: tuple[str, ...] = field(default=())

    @property
    def systems(self) -> tuple[str, ...]:
        """The systems, in the order they were named."""
        return tuple(self.takes_s)

    @property
    def order(self) -> list[str]:
        """The systems, each after all it needs."""
        return needed_first(self.systems, self.needs)

    @property
    def sequential_s(self) -> float:
        """Seconds to bring all back one after the other."""
        return sum(self.takes_s.values())

    @property
    def critical_path_s(self) -> float:
        """Seconds to bring all back, each as soon as what it needs is back."""
        return longest_chain_s(self.takes_s, self.needs)


def read_systems(text: str) -> tuple[str, ...]:
    """Read `web,app,db`.

    Raises:
        UsageError: a name will not do, stands twice, or there are none or too many.
    """
    names = _listed(text)
    for name in names:
        if _NAME.fullmatch(name) is None:
            raise UsageError(
                f"--systems: {name!r} will not do: lower-case letters, digits, '-' and '_', at most 30, a letter first"
            )
        if names.count(name) > 1:
            raise UsageError(f"--systems: '{name}' is there twice")
    if len({name.replace("-", "_") for name in names}) < len(names):
        raise UsageError("--systems: two names differ only in '-' and '_'")
    if not 1 <= len(names) <= SYSTEMS_MAX:
        raise UsageError(f"--systems: 1 to {SYSTEMS_MAX} systems are wanted, like web,app,db; not {len(names)}")
    return tuple(names)


def read_needs(text: str, systems: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read `app:db,web:app`: app needs db, web needs app.

    Raises:
        UsageError: a system is unknown, a pair is no pair, or systems wait for each other.
    """
    needs: dict[str, tuple[str, ...]] = dict.fromkeys(systems, ())
    for pair in _listed(text):
        system, colon, needed = (part.strip() for part in pair.partition(":"))
        if not colon:
            raise UsageError(f"--depends: {pair!r} is not a pair; write app:db where app needs db")
        for name in (system, needed):
            if name not in needs:
                raise UsageError(f"--depends: {_unknown(name, systems)}")
        if needed not in needs[system]:
            needs[system] = (*needs[system], needed)
    waiting = set(systems) - set(needed_first(tuple(systems), needs))
    if waiting:
        cycle = _cycle(needs, waiting)
        raise UsageError(f"--depends: these wait for each other: {' -> '.join(cycle)}")
    return needs


def read_takes(text: str, systems: Sequence[str]) -> dict[str, float]:
    """Read `db=45m,cache=15m` as seconds; a system that is not named takes `TAKES_S`.

    Raises:
        UsageError: a system is unknown, or a duration is none.
    """
    takes_s = dict.fromkeys(systems, TAKES_S)
    for pair in _listed(text):
        system, equals, duration = (part.strip() for part in pair.partition("="))
        if not equals:
            raise UsageError(f"--takes: {pair!r} will not do; write db=45m")
        if system not in takes_s:
            raise UsageError(f"--takes: {_unknown(system, systems)}")
        takes_s[system] = read_duration("--takes", duration)
    return takes_s


def named_in(text: str) -> set[str]:
    """The systems that `db=45m,cache=15m` names."""
    return {pair.partition("=")[0].strip() for pair in _listed(text)}


def read_duration(option: str, text: str) -> float:
    """Read a duration longer than 0. Raises UsageError."""
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
    if seconds <= 0:
        raise UsageError(f"{option}: it must be longer than 0")
    return seconds


def read_signals(text: str) -> int:
    """Read a number of signals, or their names: `7`, or `http_5xx,db_pool_used`. Raises UsageError."""
    names = _listed(text)
    if len(names) == 1 and names[0].lstrip("+-").isdecimal():
        number = int(names[0]) if len(names[0]) < 6 else -1
        if not 0 <= number <= 10_000:
            raise UsageError(f"--signals: a number from 0 to 10000 or names are wanted, not {names[0][:20]!r}")
        return number
    return len(set(names))


def mermaid(facts: Facts) -> str:
    """Draw who needs whom, what must be back first on the left."""
    lines = ["flowchart LR"]
    lines += [f'    {_node(name)}["{name} {format_seconds(seconds)}"]' for name, seconds in facts.takes_s.items()]
    lines += [f"    {_node(need)} --> {_node(name)}" for name in facts.systems for need in facts.needs[name]]
    return "\n".join(lines)


def _node(name: str) -> str:
    """An id that is none of Mermaid's own words, such as `end`."""
    return f"s_{name.replace('-', '_')}"


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _unknown(name: str, systems: Sequence[str]) -> str:
    nearest = did_you_mean(name, systems) or f"; the systems are {', '.join(systems)}"
    return f"there is no system {name[:40]!r}{nearest}"


def _cycle(needs: Mapping[str, tuple[str, ...]], waiting: set[str]) -> list[str]:
    """Follow what waits until a name comes back. What waits needs at least one other that waits."""
    path = [min(waiting)]
    while path.count(path[-1]) < 2:
        path.append(next(need for need in needs[path[-1]] if need in waiting))
    return path[path.index(path[-1]) :]
