"""haproxy's admin socket."""

from __future__ import annotations

import socket

from homeostat.model.errors import ActuatorError
from homeostat.rig.layout import Layout

TIMEOUT_S = 2.0


def weights(layout: Layout, a: int, b: int) -> None:
    """Share the users between payments `a` and `b`.

    Raises:
        ActuatorError: refused. The socket reports errors as text; empty is success.
    """
    for name, weight in (("a", a), ("b", b)):
        try:
            with socket.socket(socket.AF_UNIX) as admin:
                admin.settimeout(TIMEOUT_S)
                admin.connect(str(layout.folder / "haproxy.sock"))
                admin.sendall(f"set weight payments/{name} {weight}\n".encode())
                said = admin.recv(4096).decode(errors="replace").strip()
        except OSError as error:
            raise ActuatorError(f"haproxy's socket: {error}") from error
        if said:
            raise ActuatorError(f"haproxy: {said}")
