"""Start what answers over the network, until it does."""

from __future__ import annotations

from collections.abc import Callable

from homeostat.rig import processes
from homeostat.rig.layout import Layout
from homeostat.rig.web import fetch

READY_S_MAX = 15.0


def start_module(
    layout: Layout,
    name: str,
    module: str,
    *arguments: str,
    path: str = "/",
    ready: Callable[[int, float], bool] | None = None,
) -> None:
    """Start a process of this package, until it answers 200 on `path`, or until `ready(port, seconds)`."""
    processes.start_module(layout, name, module, *arguments)
    if ready is None:
        wait_for_web(layout, name, name, path)
    else:
        processes.wait_until(layout, name, lambda: ready(layout.ports[name], 0.5), READY_S_MAX)


def wait_for_web(layout: Layout, name: str, port: str, path: str, *, status: int = 200) -> None:
    """Wait until it answers `status` on `path`. Raises ActuatorError."""
    url = layout.url(port, path)
    processes.wait_until(layout, name, lambda: fetch(url, timeout_s=0.9) == status, READY_S_MAX)
