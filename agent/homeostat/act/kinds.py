"""The kinds of jobs that a runner carries out, beside commands and requests. Standard library only.

The module of a kind has `run(files, job, values, output, bell) -> Ending`, and where a job says `resumable: true` also
`resume` with the same arguments: it takes the place of a runner that was killed after `begun`, finds out what became of
the action, and never starts it again.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "haproxy": "homeostat.act.run_haproxy",
        "jenkins": "homeostat.act.run_jenkins",
        "kubernetes": "homeostat.act.run_kubernetes",
        "rundeck": "homeostat.act.run_rundeck",
        "sql": "homeostat.act.run_sql",
    }
)
"""Kind of a job -> the module that the runner imports for it, and only then."""


class DoubtError(Exception):
    """What became of an action that has begun cannot be found out; the message says what is known."""


def module_of(kind: str) -> Any:
    """The module of a kind. Raises KeyError for one that is not known."""
    return importlib.import_module(KINDS[kind])
