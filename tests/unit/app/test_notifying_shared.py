"""Several agents on one PostgreSQL: one of them tells people, and another goes on where it ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from prometheus_client import CollectorRegistry
from tests.postgres_cluster import Cluster
from tests.unit.app.test_notifying import Noted, Paper
from tests.unit.notify.stories import ROUTING, escalated, suspected

from homeostat.app.notifying import Notifying
from homeostat.model import entries as e
from homeostat.model.ports import Batch
from homeostat.model.streams import NOTIFY_STREAM
from homeostat.record.postgres import PostgresJournal
from homeostat.record.postgres_leases import PostgresLeases


class Teller:
    """One agent, as far as it tells people."""

    def __init__(self, url: str, name: str) -> None:
        self.journal = PostgresJournal(url, agent=name, spool=name, lease_ttl_s=2.0)
        self.leases = PostgresLeases(self.journal, failed=lambda _what, _error: None)
        self.leases.watch([NOTIFY_STREAM])
        self.pager = Paper()
        self.engine = Notifying(
            lambda: closing(PostgresJournal(url, agent=f"{name} reads", spool="", read_only=True)),
            replace(ROUTING, gather_s=0.0),
            {"pager": self.pager},
            attempts_max=3,
            may_send=lambda: NOTIFY_STREAM in self.leases.held(),
            now=time.time,
            observer=Noted(),
            registry=CollectorRegistry(),
        )
        self.engine.start()

    def turn(self) -> None:
        """What the loop does at a tick."""
        self.leases.ticked(blind=False)
        entries = list(self.engine.collect(time.time()))
        if entries:
            self.journal.append([Batch(NOTIFY_STREAM, None, entries)])
        self.engine.settled(None)

    def close(self) -> None:
        self.engine.stop()
        self.turn()
        self.leases.release()
        self.journal.close()


def until(tellers: list[Teller], what: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 60.0
    while not what():
        assert time.monotonic() < give_up_at
        for teller in tellers:
            teller.turn()
        time.sleep(0.05)


def test_one_agent_tells_and_the_next_goes_on_where_it_ended(cluster: Cluster) -> None:
    url = cluster.database()
    tellers = [Teller(url, "one"), Teller(url, "two")]
    until(tellers, lambda: any(teller.leases.held() for teller in tellers))
    first, second = sorted(tellers, key=lambda teller: not teller.leases.held())
    with closing(PostgresJournal(url, agent="writer", spool="writer", lease_ttl_s=30.0)) as writer:
        writer.append([Batch("i", 0, [*suspected("i", time.time()), escalated(time.time())])])
        until(tellers, lambda: bool(list(writer.read(NOTIFY_STREAM))))
        assert (len(first.pager.taken), len(second.pager.taken)) == (1, 0)
        first.close()
        until([second], lambda: NOTIFY_STREAM in second.leases.held())
        writer.append([Batch("i", 3, [e.IncidentAcknowledged(at=time.time(), by="dana", answer="a")])])
        until([second], lambda: len(list(writer.read(NOTIFY_STREAM))) == 2)
        assert [message.topic.value for message in second.pager.taken] == ["acknowledged"]
        second.close()
