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
    "test_package.py",
    "test_agent_heals.py",
    "test_tutorial.py",
    "test_docs.py",
    "test_parallel.py",
)
"""Begun first: one that begins last is waited for by everybody."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server of this worker's own."""
    cluster = Cluster.create(in_memory=True)
    yield cluster
    cluster.remove()
