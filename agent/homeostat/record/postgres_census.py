"""Which agents share a PostgreSQL journal, for people who look."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from homeostat.record.postgres_connection import Server

_ASK = """
SELECT a.agent, a.spool, a.version, a.blind,
       extract(epoch FROM clock_timestamp() - a.seen_at)::float8,
       count(l.stream) FILTER (WHERE l.stream NOT LIKE 'policy/%' AND l.stream <> 'agent'),
       count(l.stream) FILTER (WHERE l.stream LIKE 'policy/%')
FROM agent_process a LEFT JOIN lease l ON l.owner = a.owner AND l.expires_at > clock_timestamp()
WHERE a.seen_at > clock_timestamp() - make_interval(days => 1)
GROUP BY a.owner ORDER BY a.agent, a.started_at"""


@dataclass(frozen=True, slots=True)
class AgentSeen:
    """One agent process that was there within the last day and has not said goodbye.

    Attributes:
        spool: the id of its state folder.
        blind: whether it cannot see the telemetry source.
        silent_s: seconds since it was last heard of, by the server's clock.
        incidents, policies: how many it answers for now; none once its leases have run out.
    """

    agent: str
    spool: str
    version: str
    blind: bool
    silent_s: float
    incidents: int
    policies: int


def agents_seen(server: Server) -> list[AgentSeen]:
    """Every agent of the last day, by name. Raises JournalError."""
    try:
        with server.connect("homeostat agents", writing=False) as connection:
            return [AgentSeen(*row) for row in connection.execute(_ASK)]
    except psycopg.Error as error:
        raise server.unreachable(error) from error
