"""The payments plant: time passes, requests are served or lost, faults strike, samples are written.

    traffic -> edge router -> payments (four processes) -> connection pool -> database
                    |                   `-> auth, called while a connection is held
                    `-> standby site

A request holds its connection while it waits for auth, for row locks and for the database; whatever makes one
of them slow uses up the pool, so that several faults look alike from outside.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from random import Random

from homeostat.model.errors import InvariantError
from homeostat.simulate.sandbox.chance import binomial, poisson, stream
from homeostat.simulate.sandbox.damage import strike
from homeostat.simulate.sandbox.exporter import Counters, Exporter, Gauges, Samples
from homeostat.simulate.sandbox.faults import Fault
from homeostat.simulate.sandbox.primary import Service, age_connections, serve
from homeostat.simulate.sandbox.processes import PROCESSES
from homeostat.simulate.sandbox.state import Configuration, PlantState, Release
from homeostat.simulate.sandbox.traffic import STANDBY_RATE_MAX, Weather, standby_served_share

LOST_SHARE_MAX = 0.01
"""The users are content while fewer of their requests than this are lost ..."""
VIEW_SCRAPES = 6
"""... over this many scrapes."""
STANDBY_LATENCY_S = 0.3
SCRAPE_FAILS_SHARE = 0.002
HOUR_S = 3_600.0
DEPLOYS_PER_S = 1.0 / (4.0 * HOUR_S)
PUSHES_PER_S = 1.0 / (12.0 * HOUR_S)
CRASHES_PER_S = 1.0 / (12.0 * HOUR_S)
SCRAPE_OUTAGES_PER_S = 1.0 / (24.0 * HOUR_S)
SCRAPE_OUTAGE_S = 1.2 * HOUR_S
MISREPORTED_SHARE_MAX = 0.5
STARVED_OVERLOAD = 1.3
"""From this overload on health checks starve, and the supervisor kills a process now and then."""
STARVED_KILLS_PER_S = 1.0 / 90.0


def _tell_nobody(_at: float) -> None:
    """Nobody watches."""


class Plant:
    """A simulated payments service in virtual time. The same seed and the same calls give the same samples.

    Attributes:
        now: Unix seconds (virtual) up to which everything has happened.
        shift: how often `reset` was called.
        state: what faults and remedies change.
        scraped: told the time after every scrape.
    """

    def __init__(self, store: Samples, seed: int, start_at: float, scrape_interval_s: float = 5.0) -> None:
        self.seed = seed
        self.now = start_at
        self.shift = 0
        self.state = PlantState.sound(stream(seed, "processes"), start_at)
        self.scraped: Callable[[float], None] = _tell_nobody
        self._interval_s = scrape_interval_s
        self._start_at = start_at
        self._scrapes = 0
        self._weather = Weather(seed)
        self._noise: Random = stream(seed, "noise")
        self._operations: Random = stream(seed, "operations")
        self._counters = Counters()
        self._exporter = Exporter(store)
        self._timeline: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._causes: list[str] = []
        self._view: deque[tuple[int, int]] = deque(maxlen=VIEW_SCRAPES)
        self._crashes_seen = 0
        self._auth_restarts_seen = 0
        self._begin_shift()

    @property
    def healthy(self) -> bool:
        """The users' view of the last half minute. Without traffic there is no proof of health."""
        requests = sum(requests for requests, _ in self._view)
        lost = sum(lost for _, lost in self._view)
        return requests > 0 and lost < LOST_SHARE_MAX * requests

    @property
    def cause(self) -> str | None:
        """Hidden truth, for tests and reports: the faults since the last reset, joined by `+`."""
        return "+".join(self._causes) or None

    @property
    def served(self) -> int:
        """Requests answered well since the beginning."""
        return self._counters.requests["200"]

    @property
    def lost(self) -> int:
        """Requests lost since the beginning, those of the standby site's own users included."""
        return self._counters.lost

    def advance(self, to: float) -> None:
        """Let everything happen up to and including `to` (Unix seconds), samples and all.

        Raises:
            InvariantError: `to` lies in the past.
        """
        self._refuse_past(to, "advance")
        while True:
            scrape_at = self._start_at + self._scrapes * self._interval_s
            if self._timeline and self._timeline[0][0] <= min(scrape_at, to):
                self.now, _, happen = heapq.heappop(self._timeline)
                happen()
            elif scrape_at <= to:
                self.now = scrape_at
                self._scrape(scrape_at)
            else:
                break
        self.now = to

    def inject(self, fault: Fault, at: float) -> None:
        """Let `fault` strike at `at` (Unix seconds).

        Raises:
            InvariantError: `at` lies in the past.
        """

        def happen() -> None:
            self._causes.append(fault.NAME)
            strike(fault, self.state, at)

        self.schedule(at, happen)

    def schedule(self, at: float, happen: Callable[[], None]) -> None:
        """Call `happen` when time reaches `at`; calls for one moment keep their order.

        Raises:
            InvariantError: `at` lies in the past.
        """
        self._refuse_past(at, "schedule")
        heapq.heappush(self._timeline, (at, next(self._order), happen))

    def reset(self) -> None:
        """Bring the plant to normal where it stands, as the next shift would: damage and remedies are undone.

        Counters go on, and no deploy is made. Remedies still running come to nothing.
        """
        self.shift += 1
        self._causes.clear()
        self.state.make_sound(self.now)
        self._begin_shift()

    def _begin_shift(self) -> None:
        rng = stream(self.seed, f"shift {self.shift}")
        self.state.misreported_share = rng.uniform(0.0, MISREPORTED_SHARE_MAX)

    def _refuse_past(self, at: float, verb: str) -> None:
        if at < self.now:
            raise InvariantError(f"cannot {verb} to {at:.3f}: the plant's time is {self.now:.3f} and runs forward")

    def _scrape(self, at: float) -> None:
        seconds = self._interval_s if self._scrapes else 0.0
        self._scrapes += 1
        state = self.state
        if seconds:
            self._weather.advance(seconds, at)
        state.processes.advance(at)
        shifted_rate = self._weather.rate * state.shifted_share
        service = serve(state, self._weather.rate - shifted_rate, at)
        if seconds:
            self._count(service, shifted_rate, seconds)
            self._operate(service, seconds, at)
            crashes = state.processes.crashes
            age_connections(state, service.served_share, crashes - self._crashes_seen, seconds, at)
            self._crashes_seen = crashes
        self._exporter.scrape(at, self._counters, self._gauges(service, shifted_rate, at))
        self.scraped(at)

    def _count(self, service: Service, shifted_rate: float, seconds: float) -> None:
        """Turn rates into whole requests of this scrape interval."""
        rng, counters, state = self._noise, self._counters, self.state
        rate = self._weather.rate
        standby_lost_share = 1.0 - standby_served_share(shifted_rate, self._weather.room)
        failed_share = service.failed_rate / rate
        refused_share = (service.refused_rate + shifted_rate * standby_lost_share) / rate
        total = poisson(rng, rate * seconds)
        failed = binomial(rng, total, failed_share)
        refused = binomial(rng, total - failed, refused_share / max(1.0 - failed_share, refused_share))
        cut = min(total - failed - refused, poisson(rng, state.cut_requests))
        state.cut_requests = 0.0
        lost = failed + refused + cut
        if standby_lost_share > 0.0:
            own_rate = (1.0 - self._weather.room) * STANDBY_RATE_MAX
            lost += poisson(rng, own_rate * standby_lost_share * seconds)
        counters.requests["200"] += total - failed - refused - cut
        counters.requests["500"] += failed
        counters.requests["503"] += refused + cut
        counters.lost += lost
        counters.duration_s += seconds * ((rate - shifted_rate) * service.latency_s + shifted_rate * STANDBY_LATENCY_S)
        if state.auth_restarts != self._auth_restarts_seen:
            self._auth_restarts_seen = state.auth_restarts
            counters.auth = dict.fromkeys(counters.auth, 0)
        counters.auth["ok"] += poisson(rng, service.auth_ok_rate * seconds)
        counters.auth["error"] += poisson(rng, service.auth_error_rate * seconds)
        state.busy = service.busy
        self._view.append((total, lost))

    def _operate(self, service: Service, seconds: float, at: float) -> None:
        """Let happen what happens anyway: a rare crash or scrape outage, and outside incidents deploys and pushes."""
        state = self.state
        chance = self._operations.random() / seconds
        if self._operations.random() / seconds < SCRAPE_OUTAGES_PER_S:
            state.auth_unscraped_until = at + SCRAPE_OUTAGE_S
        index = int(self._operations.random() * PROCESSES)
        if service.overload > STARVED_OVERLOAD and chance < STARVED_KILLS_PER_S:
            state.leaked *= 1.0 - 1.0 / PROCESSES
            state.processes.kill_one(index, at)
        elif chance < CRASHES_PER_S:
            state.processes.kill_one(index, at)
        elif self._causes:
            return
        elif chance < CRASHES_PER_S + DEPLOYS_PER_S:
            state.deploy(Release(state.next_version()), at)
        elif chance < CRASHES_PER_S + DEPLOYS_PER_S + PUSHES_PER_S:
            state.push_configuration(Configuration(state.next_version()), at)

    def _gauges(self, service: Service, shifted_rate: float, at: float) -> Gauges:
        rng, state, processes = self._noise, self.state, self.state.processes
        busy = service.busy if service.waiting >= 1.0 else poisson(rng, service.busy)
        return Gauges(
            pool_in_use=min(state.pool_size, round(busy + state.leaked + state.orphaned)),
            pool_size=state.pool_size,
            pool_waiting=poisson(rng, service.waiting),
            deployed_at=state.deployed_at,
            restarts=processes.restarts,
            config_version=state.configuration.version,
            process_started_at=processes.started_at[0],
            standby_room=max(0.0, self._weather.room - shifted_rate / STANDBY_RATE_MAX),
            payments_up=processes.is_alive(0) and rng.random() >= SCRAPE_FAILS_SHARE,
            auth_up=rng.random() >= SCRAPE_FAILS_SHARE and state.auth.scraped and at > state.auth_unscraped_until,
        )
