"""Names for new incidents, derived from the injected clock and seed."""

from __future__ import annotations

import hashlib
from uuid import UUID

from homeostat.model.incident import Incident
from homeostat.model.policy import Policy


def dormant_incident(policy: Policy, now: float, seed: int) -> Incident:
    """The incident that `step` would open for `policy` now; until then it exists nowhere else.

    Its id is a UUIDv7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then bits drawn from the seed, so that
    ids sort by time and the same seed gives the same id.
    """
    drawn = hashlib.sha256(f"{seed}/{policy.dedup_key}/{now!r}".encode()).digest()
    milliseconds = int(now * 1000) & ((1 << 48) - 1)
    bits = (milliseconds << 80) | (int.from_bytes(drawn[:10], "big") & ((1 << 80) - 1))
    bits = bits & ~(0xF << 76) | (0x7 << 76)
    bits = bits & ~(0x3 << 62) | (0x2 << 62)
    own_seed = int.from_bytes(drawn[10:16], "big")
    return Incident(str(UUID(int=bits)), policy.name, policy.hash, policy.dedup_key, own_seed)
