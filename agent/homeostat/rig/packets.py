"""The kernel's packet filter: one table of the rig's own, for one port on loopback. Root only."""

from __future__ import annotations

import os
import subprocess

from homeostat.model.errors import ActuatorError
from homeostat.rig.layout import Layout, program

TIMEOUT_S = 10.0


def why_not() -> str | None:
    """Why it cannot be used on this machine; None if it can."""
    if os.geteuid() != 0:
        return "dropping packets needs root"
    if program("nft") is None:
        return "programs are missing; on Debian: apt-get install nftables"
    try:
        _nft("list", "tables")
    except ActuatorError as error:
        return f"the kernel's packet filter cannot be used: {error}"
    return None


def _table(layout: Layout) -> str:
    return f"homeostat_rig_{layout.ports['primary']}"


def drop(layout: Layout, name: str) -> None:
    """Drop what goes to one of the rig's ports."""
    table = _table(layout)
    _nft("add", "table", "inet", table)
    _nft("add", "chain", "inet", table, "out", "{ type filter hook output priority 0 ; }")
    _nft("add", "rule", "inet", table, "out", "oifname", "lo", "tcp", "dport", str(layout.ports[name]), "drop")


def clear(layout: Layout) -> None:
    """Remove the rig's table, if there is one."""
    if why_not() is None and f"table inet {_table(layout)}" in _nft("list", "tables").splitlines():
        _nft("delete", "table", "inet", _table(layout))


def _nft(*arguments: str) -> str:
    try:
        done = subprocess.run(
            [program("nft") or "nft", *arguments], capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
    except OSError as error:
        raise ActuatorError(f"nft: {error}") from error
    if done.returncode != 0:
        raise ActuatorError(f"nft {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
