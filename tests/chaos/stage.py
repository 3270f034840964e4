"""What a scenario does to its agents and their store, each deed noted with its time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from tests.chaos.agents import AgentProcess
from tests.chaos.evidence import keep
from tests.chaos.field import Field
from tests.chaos.hosts import Cut, Link
from tests.chaos.plans import Plan
from tests.chaos.promises import Findings, Sight, judge
from tests.chaos.store import Store
from tests.chaos.takeovers import Fault
from tests.chaos.watcher import Watcher
from tests.postgres_cluster import PASSWORD

from homeostat.model.streams import policy_stream

TTL_S = 3.0
POLL_INTERVAL_S = 0.5

_UNFINISHED = """
SELECT count(*) FROM incident WHERE closed_at IS NULL AND NOT EXISTS (
    SELECT FROM journal WHERE journal.stream = incident.stream AND type = 'incident.escalated')
"""
_INCIDENTS_OF = "SELECT count(DISTINCT policy) FROM incident WHERE policy = ANY (%s)"
_BLOCKED_INTENTS = """
SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%%homeostat_append%%'
"""

_TRIGGER = """
CREATE TABLE IF NOT EXISTS chaos_hold (seconds float8 NOT NULL);
CREATE OR REPLACE FUNCTION chaos_intent() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM pg_notify('chaos_intent', NEW.stream);
    PERFORM pg_sleep(seconds) FROM chaos_hold;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER chaos_intent AFTER INSERT ON journal FOR EACH ROW
WHEN (NEW.type = 'action.intent') EXECUTE FUNCTION chaos_intent();
"""


def store_settings(folder: Path) -> str:
    """The agents' part of `homeostat.toml` about the store; the password goes into a file in `folder`."""
    password = folder / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    return f'[store]\nlease_ttl_s = {TTL_S}\npassword = "file:{password}"\n'


class Stage:
    """One scenario on its field.

    Attributes:
        faults: what was done, in order.
        random: seeded; the only chance there is.
    """

    def __init__(self, field: Field, watcher: Watcher, store: Store, database: str, seed: int) -> None:
        self.field = field
        self.watcher = watcher
        self.store = store
        self.database = database
        self.random = random.Random(seed)
        self.faults: list[Fault] = []
        self._fresh = iter(field.plans)

    @property
    def agents(self) -> list[AgentProcess]:
        return self.field.agents

    def fresh(self, *, unsafe: bool | None = None) -> Plan:
        """A policy that nothing has happened to yet."""
        return next(plan for plan in map(self.field.plans.__getitem__, self._fresh) if unsafe in (None, plan.unsafe))

    def watched_by(self, agent: AgentProcess) -> list[Plan]:
        """Policies without a breakdown so far, that this agent watches now."""
        broken = {one.policy for one in self.field.seen("fault")}
        found = []
        for plan in self.field.plans.values():
            holder = self.watcher.holder(policy_stream(plan.name))
            if plan.name not in broken and holder is not None and holder.pid == agent.pids[-1]:
                found.append(plan)
        return found

    def await_shared(self) -> None:
        """Wait until every policy is watched, and every agent that runs watches some."""
        streams = [policy_stream(name) for name in self.field.plans]
        running = {agent.pids[-1] for agent in self.agents if agent.running}

        def shared() -> bool:
            holders = [self.watcher.holder(stream) for stream in streams]
            return None not in holders and running <= {holder.pid for holder in holders if holder}

        self.field.wait_for("the policies to be shared out", shared)

    def break_down(self, *plans: Plan) -> None:
        self.field.break_down(*(plan.name for plan in plans))

    def await_begin(self, plan: Plan) -> AgentProcess:
        """Wait for an action to take effect; its agent."""
        self.field.wait_for(f"an effect on {plan.name}", lambda: bool(self.field.seen("begin", plan.name)))
        return self.field.agent_of(self.field.seen("begin", plan.name)[-1])

    def _note(
        self, kind: str, agent: AgentProcess | None = None, *, silences: bool = False, blinds: bool = False
    ) -> Fault:
        name, pids = (agent.name, tuple(agent.pids)) if agent else ("", ())
        fault = Fault(kind, time.time(), name, pids, silences, blinds)
        self.faults.append(fault)
        return fault

    def kill(self, agent: AgentProcess) -> Fault:
        agent.kill()
        return self._note("kill -9", agent, silences=True)

    def restart(self, agent: AgentProcess, fault: Fault) -> None:
        """Start a killed agent again, on its old state folder, without waiting until it is up."""
        fault.ended_at = time.time()
        agent.start()

    def suspend(self, agent: AgentProcess, moment: str, *, with_all: bool = False) -> Fault:
        """SIGSTOP, of the agent alone or with everything it started."""
        agent.suspend(with_all=with_all)
        whom = " with its runners" if with_all else ""
        return self._note(f"SIGSTOP{whom} {moment}", agent, silences=True)

    def resume(self, agent: AgentProcess, fault: Fault) -> None:
        """SIGCONT."""
        fault.ended_at = time.time()
        agent.resume()

    def cut(self, agent: AgentProcess, link: Link, how: Cut) -> Fault:
        """Cut a link."""
        agent.host.cut(link, how)
        is_store = link is Link.STORE
        return self._note(f"{link} cut, {how}", agent, silences=is_store, blinds=not is_store)

    def heal(self, agent: AgentProcess, link: Link, fault: Fault) -> None:
        """Mend a link."""
        fault.ended_at = time.time()
        agent.host.heal(link)

    def stop_server(self, kind: str, stop: Callable[[], None]) -> Fault:
        """Take the server away."""
        fault = self._note(f"server: {kind}")
        stop()
        return fault

    def start_server(self, fault: Fault) -> None:
        """Bring it back."""
        self.store.start()
        fault.ended_at = time.time()

    @contextmanager
    def intents_told(self, *, hold_s: float | None = None) -> Iterator[Callable[[], None]]:
        """Give a function that returns at the next intent: as it commits, or while the server holds it `hold_s`.

        The server tells the harness by NOTIFY in the very moment in which it answers the agent.
        """
        with psycopg.connect(self.store.local_url(self.database), autocommit=True) as connection:
            connection.execute(_TRIGGER)
            connection.execute("TRUNCATE chaos_hold")
            if hold_s is not None:
                connection.execute("INSERT INTO chaos_hold VALUES (%s)", (hold_s,))
            connection.execute("LISTEN chaos_intent")

            def told() -> None:
                if hold_s is None:
                    for _ in connection.notifies(timeout=60.0, stop_after=1):
                        return
                    raise TimeoutError("no intent was written")
                self.field.wait_for("an intent in flight", lambda: self._count(_BLOCKED_INTENTS) > 0)

            try:
                yield told
            finally:
                connection.execute("DROP TRIGGER IF EXISTS chaos_intent ON journal")
                connection.execute("DROP TABLE IF EXISTS chaos_hold")

    def _count(self, query: str, *arguments: object) -> int:
        try:
            with psycopg.connect(self.store.local_url(self.database), autocommit=True) as connection:
                row = connection.execute(query, arguments or None).fetchone()
        except psycopg.OperationalError:
            return -1
        return int(row[0]) if row else -1

    def settle(self, within_s: float = 120.0) -> None:
        """Wait until every breakdown has an incident, and every incident is closed or with people."""
        broken = sorted({one.policy for one in self.field.seen("fault")})
        self.field.wait_for(
            "every incident to end",
            lambda: self._count(_INCIDENTS_OF, broken) == len(broken) and self._count(_UNFINISHED) == 0,
            within_s,
        )

    @property
    def store_url(self) -> str:
        """The store as the first agent's machine sees it."""
        return self.store.url(self.agents[0].host.address(Link.STORE), self.database)

    def sight(self) -> Sight:
        """All that was seen so far."""
        seen = self.field.seen()
        return Sight(
            self.field.plans,
            seen,
            self.faults,
            self.watcher.terms(),
            self.watcher.acquired(),
            processes={agent.name: agent.pids for agent in self.agents},
            machine_of={one.folder: self.field.agent_of(one).name for one in seen if one.folder},
        )

    def judge(self, evidence: Path | None = None) -> Findings:
        """Hold everything that happened to every promise; write what was seen into the folder `evidence`."""
        sight = self.sight()
        with self.store.journal(self.database) as journal:
            if evidence is not None:
                keep(evidence, sight, journal, self.agents)
            findings = judge(sight, journal, TTL_S)
        audited = self.agents[0].ask("audit", "verify", "--store", self.store_url)
        if audited.returncode != 0:
            findings.broken.append(f"audit verify: {audited.stdout}{audited.stderr}".strip())
        return findings
