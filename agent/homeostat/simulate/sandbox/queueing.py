"""How a pool of connections serves a stream of requests: a fluid, many-server queue in its steady state."""

from __future__ import annotations

import math
from dataclasses import dataclass

UTILISATION_MAX = 0.97
"""Share of a pool's time that can be sold: handing a connection over takes a moment."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What becomes of a stream of requests at a pool.

    Attributes:
        served_rate: requests a second that get a connection; the others give up waiting.
        busy: connections held by requests, on average.
        waiting: requests in the queue, on average.
        wait_s: mean wait of a request that is served.
    """

    served_rate: float
    busy: float
    waiting: float
    wait_s: float


NO_FLOW = Flow(served_rate=0.0, busy=0.0, waiting=0.0, wait_s=0.0)


def pool_flow(rate: float, hold_s: float, connections: float, patience_s: float) -> Flow:
    """Serve `rate` requests a second that hold a connection `hold_s` each and wait at most `patience_s` for it.

    Below saturation the queue's length is Sakasegawa's approximation for M/M/c, rho^sqrt(2(c+1)) / (1 - rho)
    ("An approximation formula Lq = alpha rho^beta / (1 - rho)", 1977). At saturation every request waits as long
    as it is willing to, so that by Little's law rate x patience wait, and what exceeds the pool's rate gives up.
    """
    if rate <= 0.0:
        return NO_FLOW
    queue_max = rate * patience_s
    if connections < 1.0:
        return Flow(served_rate=0.0, busy=0.0, waiting=queue_max, wait_s=patience_s)
    utilisation = rate * hold_s / connections
    if utilisation >= UTILISATION_MAX:
        return Flow(connections * UTILISATION_MAX / hold_s, connections, queue_max, patience_s)
    waiting = min(queue_max, utilisation ** math.sqrt(2.0 * (connections + 1.0)) / (1.0 - utilisation))
    return Flow(rate, rate * hold_s, waiting, waiting / rate)
