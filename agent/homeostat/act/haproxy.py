"""The `haproxy` actuator: the state or the weight of one server, by haproxy's Runtime API.

Parameters: `socket` (the stats socket: an absolute path, or HOST:PORT on loopback, since it asks for no credentials),
`server` (BACKEND/SERVER; text, `{target: ...}` or `{with: ...}`), `operation` (`drain`, `maint`, `ready` or `weight`),
`weight` (for `weight` alone: 0 to 256, or a share of the configured one like `50%`, which must not come to 0),
`wait_idle` (after `drain` or `maint`: wait until no session is left on it).

Each operation sets a state, so that doing it twice is the same as doing it once: `effect: safe`.
https://docs.haproxy.org/2.6/management.html#9.3
"""

from __future__ import annotations

from typing import Any

from homeostat.act.detached import DetachedActuator
from homeostat.act.substitution import RefusedError, as_text
from homeostat.act.values import timeout_of
from homeostat.model.commands import StartAction
from homeostat.model.haproxy_names import WEIGHT_MAX, is_server, is_socket, is_weight

OPERATIONS = ("drain", "maint", "ready", "weight")


class HaproxyActuator(DetachedActuator):
    """Sets a server's state or weight. Cancelled while it waits for idleness, it leaves the state as it has set it."""

    def job(self, command: StartAction) -> dict[str, Any]:
        """See `DetachedActuator.job`."""
        parameters = command.action.parameters
        address, operation = parameters.get("socket"), parameters.get("operation")
        if not isinstance(address, str) or not is_socket(address):
            raise RefusedError(f"socket is an absolute path, or HOST:PORT on loopback, not {address!r}")
        if operation not in OPERATIONS:
            raise RefusedError(f"operation is one of {', '.join(OPERATIONS)}, not {operation!r}")
        server = as_text(parameters.get("server"), command)
        if not is_server(server):
            raise RefusedError(f"server reads BACKEND/SERVER, not {server!r}")
        given = parameters.get("weight")
        weight = None if given is None else str(given) if type(given) is int else as_text(given, command)
        if (operation == "weight") != (weight is not None) or (weight is not None and not is_weight(weight)):
            raise RefusedError(
                f"weight, 0 to {WEIGHT_MAX} or a share like 50%, goes with operation: weight, not {given!r}"
            )
        waits = parameters.get("wait_idle", False)
        if not isinstance(waits, bool) or (waits and operation not in ("drain", "maint")):
            raise RefusedError("wait_idle is true or false, and goes with drain and maint")
        return {
            "kind": "haproxy",
            "resumable": True,
            "socket": address,
            "server": server,
            "operation": operation,
            "weight": weight,
            "wait_idle": waits,
            "values": {},
            "timeout_s": timeout_of(command),
        }
