"""Servers that tests of several rooms share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.postgres_cluster import Cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server of this worker's own."""
    cluster = Cluster.create(in_memory=True)
    yield cluster
    cluster.remove()
