"""The console as a process: one worker, bounded connections, a graceful end."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

import uvicorn

from homeostat.app.settings import Settings
from homeostat.console.app import console
from homeostat.model.errors import UsageError

CONNECTIONS_MAX = 300
KEEP_ALIVE_S = 15
SHUTDOWN_S_MAX = 5
MESSAGE_BYTES_MAX = 4096
NICENESS = 10
"""Where the processors are short, the agent beside it comes first (nice(2))."""


def serve_console(settings: Settings, address: str, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: of the workspace.
        address: HOST:PORT on loopback.
        ready: told the URL once it listens.

    Raises:
        UsageError: the address cannot be had.
    """
    host, _, port = address.rpartition(":")
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, int(port)))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise UsageError(f"cannot listen on {address}: {error.strerror}; see console.listen and --listen") from error
    os.nice(NICENESS)
    with listening:
        server = server_on(settings, listening.getsockname()[1])
        ready(f"http://{host}:{listening.getsockname()[1]}/")
        server.run(sockets=[listening])


def server_on(settings: Settings, port: int) -> uvicorn.Server:
    """The server of a workspace's console, to be run on a socket that listens at this port of loopback.

    Raises:
        UsageError: see `console`.
    """
    own = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})
    configuration = uvicorn.Config(
        console(settings, lambda: own),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_S_MAX,
        ws_max_size=MESSAGE_BYTES_MAX,
        ws="websockets-sansio",
    )
    return uvicorn.Server(configuration)
