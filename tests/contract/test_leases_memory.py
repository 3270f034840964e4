from __future__ import annotations

from collections.abc import Iterable

import pytest
from tests.contract.leases_contract import TTL_S, LeasesContract, SharingAgent

from homeostat.record.memory_leases import SharedMemory


class StoppedClock:
    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at

    def wait(self, seconds: float) -> bool:
        self.at += seconds
        return False


class TestMemoryLeases(LeasesContract):
    @pytest.fixture(autouse=True)
    def shared(self) -> None:
        self._clock = StoppedClock()
        self._shared = SharedMemory(self._clock, ttl_s=TTL_S)

    def agent(self, name: str) -> SharingAgent:
        journal, leases = self._shared.as_agent(name)
        leases.ticked(blind=False)
        return SharingAgent(name, journal, leases)

    def kill(self, agent: SharingAgent) -> None:
        agent.alive = False

    def passes(self, seconds: float, agents: Iterable[SharingAgent]) -> None:
        agents, end = [agent for agent in agents if agent.alive], self._clock.at + seconds
        while self._clock.at < end:
            self._clock.at = min(end, self._clock.at + 0.05)
            for agent in agents:
                agent.leases.ticked(blind=agent.blind)
