"""What drill files can do to the plant: its faults by name with their parameters, and what is no fault of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from homeostat.model.nearest import did_you_mean
from homeostat.simulate.sandbox.faults import AuthDown, BadDeploy, Blip, CrashLoop, PoolLeak, StuckThreads
from homeostat.simulate.sandbox.plant import Plant

FOLDER = Path(__file__).parent / "drills"
"""The shipped drill files."""


@dataclass(frozen=True, slots=True)
class UnscrapeAuth:
    """Prometheus cannot reach auth for `lasts_s`, whatever auth's state: monitoring fails, and nothing else."""

    lasts_s: float


Injection = PoolLeak | AuthDown | BadDeploy | CrashLoop | StuckThreads | Blip | UnscrapeAuth
_FAULTS = (PoolLeak, AuthDown, BadDeploy, CrashLoop, StuckThreads, Blip)


def inject(plant: Plant, injection: Injection) -> None:
    """Let it happen now."""
    if isinstance(injection, UnscrapeAuth):
        plant.state.auth_unscraped_until = plant.now + injection.lasts_s
    else:
        plant.inject(injection, plant.now)


def _read(kind: type[Any], what: object) -> Injection:
    """The injection with these parameters. Raises ValueError."""
    if not isinstance(what, Mapping):
        raise ValueError(f"{what!r} is no mapping of parameters")  # noqa: TRY004 - files' readers expect ValueError
    known = [field.name for field in fields(kind)]
    for name in what:
        if name not in known:
            raise ValueError(f"no parameter {name!r}{did_you_mean(str(name), known)}")
    try:
        injection: Injection = TypeAdapter(kind).validate_python(dict(what))
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{first['loc'][-1]}: {first['msg']}") from None
    return injection


VERBS: Mapping[str, Callable[[object], Injection]] = {
    **{kind.NAME: partial(_read, kind) for kind in _FAULTS},
    "unscrape_auth": partial(_read, UnscrapeAuth),
}
"""Name -> how its parameters are read, as a mapping; ValueError says what is wrong with them."""
