"""Several agents, as their command line starts them, on one PostgreSQL; `make chaos` does much more of this."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.chaos.field import Field
from tests.chaos.plans import make_plans
from tests.chaos.stage import POLL_INTERVAL_S, Stage, store_settings
from tests.chaos.store import Store
from tests.chaos.watcher import Watcher
from tests.postgres_cluster import Cluster

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("prometheus_binary"), pytest.mark.timeout(120)]


@pytest.fixture
def stage(cluster: Cluster) -> Iterator[Stage]:
    """Two agents and six policies."""
    store = Store(cluster)
    database = store.create_database()
    # Not tmp_path: the names of Unix sockets are short.
    with tempfile.TemporaryDirectory(prefix="many-") as name:
        field = Field(
            Path(name) / "field",
            make_plans(6),
            agents=2,
            store=lambda host: store.url(host, database),
            poll_interval_s=POLL_INTERVAL_S,
            settings=store_settings(Path(name)),
        )
        with field, Watcher(store.local_url(database)) as watcher:
            yield Stage(field, watcher, store, database, seed=1)


def test_an_agent_killed_in_mid_action_is_taken_over_from_and_its_action_runs_once(stage: Stage) -> None:
    stage.await_shared()
    plan = stage.fresh(unsafe=True)
    stage.break_down(plan)
    agent = stage.await_begin(plan)
    fault = stage.kill(agent)
    incident = stage.field.seen("begin", plan.name)[0].incident
    stage.field.wait_for("a takeover", lambda: incident in {stream for _, stream in stage.watcher.acquired()})
    stage.restart(agent, fault)
    stage.settle()

    findings = stage.judge()
    assert findings.broken == []
    assert [one.kind for one in stage.field.seen(policy=plan.name)] == ["fault", "begin", "end"]
    assert findings.takeovers_s
    assert dict(findings.results) == {"recovered": 1}
