"""What tests of several rooms share: servers, and the cores."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from tests.postgres_cluster import MEMORY, Cluster, has_room_in_memory

# The test workers share the cores already: commands and libraries that would take one process a core take one.
# Tests of several processes say how many.
os.environ["LOKY_MAX_CPU_COUNT"] = "1"

# Hundreds of programs are started; where no bytecode is kept, each compiles all modules anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Journals synchronise as always, but do not wait for a disk. Programs are put there, too, and have to start.
if has_room_in_memory() and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

LONG = (
    "test_readme.py",
    "test_agent_heals.py",
    "test_parallel.py",
    "test_rig.py",
    "test_docs.py",
    "test_console.py",
    "test_tutorial.py",
    "test_local_drill.py",
    "test_package.py",
    "test_many_agents.py",
)
"""Begun first: one that begins last is waited for by everybody.

A worker has its part of the tests in one piece, so these begin on one, which mostly waits while the others calculate.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONG)))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server of this worker's own."""
    cluster = Cluster.create(in_memory=True)
    yield cluster
    cluster.remove()
