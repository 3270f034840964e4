"""Machines for agents: network and host-name namespaces with two links each, one to the store and one to the telemetry.

The harness itself runs in a network namespace (`tests/chaos/__main__.py`), so that no address of the machine is used
and nothing stays behind: a namespace is gone with the last process in it. See network_namespaces(7), veth(4).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path


class Link(StrEnum):
    """What a machine is connected to."""

    STORE = "store"
    TELEMETRY = "telemetry"


class Cut(StrEnum):
    """How a link is cut. None of them tells either side: no RST, no ICMP from beyond.

    SILENT: packets vanish both ways. NO_ANSWERS: requests arrive and are carried out, answers vanish.
    NO_WAY: the machine's own interface is down; it is told at once that it cannot send.
    """

    SILENT = "silent"
    NO_ANSWERS = "no answers"
    NO_WAY = "no way"


_WRONG_MAC = "02:00:00:00:00:99"
_SUBNETS = {Link.STORE: "10.88", Link.TELEMETRY: "10.89"}
_TOOLS = ("ip", "nsenter", "unshare", "hostname")


def missing_for_namespaces() -> str | None:
    """Why this process cannot make namespaces; None when it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    absent = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if absent:
        return f"not on the PATH: {', '.join(absent)}; on Debian: apt-get install iproute2 util-linux hostname"
    tried = subprocess.run(["unshare", "--net", "--uts", "true"], check=False, capture_output=True, timeout=10)
    return None if tried.returncode == 0 else f"unshare --net: {tried.stderr.decode().strip()}"


class Host:
    """One machine: where an agent and its actions run.

    Args:
        number: from 1; names the machine `agent-<number>`.
        isolated: whether it is a namespace; else it is this very machine, and cannot be cut off.
    """

    def __init__(self, number: int, *, isolated: bool) -> None:
        self.number = number
        self.name = f"agent-{number}"
        self.isolated = isolated
        self._holder: subprocess.Popen[bytes] | None = None
        self.cuts: dict[Link, Cut] = {}
        if isolated:
            self._holder = subprocess.Popen(["unshare", "--net", "--uts", "sleep", "infinity"])
            self._await_namespace()
            self._inside("hostname", self.name)
            self._inside("ip", "link", "set", "lo", "up")
            for link in Link:
                self._connect(link)

    def address(self, link: Link) -> str:
        """Where the machine reaches what is at the other end of a link."""
        return f"{_SUBNETS[link]}.{self.number}.1" if self.isolated else "127.0.0.1"

    def command(self, argv: Sequence[str]) -> list[str]:
        """Give the arguments that run a program on this machine; the process keeps its id."""
        return [*self._prefix(), *argv] if self.isolated else list(argv)

    def cut(self, link: Link, how: Cut) -> None:
        """Cut a link; what was sent before may still arrive."""
        self.heal(link)
        self.cuts[link] = how
        match how:
            case Cut.SILENT:
                _run("ip", "link", "set", self._near(link), "down")
            case Cut.NO_ANSWERS:
                self._misdirect("replace", link, "lladdr", _WRONG_MAC, "nud", "permanent")
            case Cut.NO_WAY:
                self._inside("ip", "link", "set", link.value, "down")

    def heal(self, link: Link) -> None:
        """Mend a link, if it was cut."""
        match self.cuts.pop(link, None):
            case Cut.SILENT:
                _run("ip", "link", "set", self._near(link), "up")
            case Cut.NO_ANSWERS:
                self._misdirect("del", link)
            case Cut.NO_WAY:
                self._inside("ip", "link", "set", link.value, "up")

    def close(self) -> None:
        """Give the namespace up; it ends with the last process in it."""
        if self._holder is not None:
            self._holder.kill()
            self._holder.wait()

    def _near(self, link: Link) -> str:
        return f"{link.value}{self.number}"

    def _far_address(self, link: Link) -> str:
        return f"{_SUBNETS[link]}.{self.number}.2"

    def _connect(self, link: Link) -> None:
        assert self._holder is not None
        near = self._near(link)
        _run("ip", "link", "add", near, "type", "veth", "peer", "name", link.value, "netns", str(self._holder.pid))
        _run("ip", "address", "add", f"{self.address(link)}/30", "dev", near)
        _run("ip", "link", "set", near, "up")
        self._inside("ip", "address", "add", f"{self._far_address(link)}/30", "dev", link.value)
        self._inside("ip", "link", "set", link.value, "up")

    def _misdirect(self, verb: str, link: Link, *how: str) -> None:
        _run("ip", "neighbour", verb, self._far_address(link), "dev", self._near(link), *how)

    def _prefix(self) -> list[str]:
        assert self._holder is not None
        return ["nsenter", "--target", str(self._holder.pid), "--net", "--uts", "--"]

    def _inside(self, *argv: str) -> None:
        _run(*self._prefix(), *argv)

    def _await_namespace(self) -> None:
        """The holder has its namespaces when it has become `sleep`."""
        assert self._holder is not None
        deadline = time.monotonic() + 5.0
        while Path(f"/proc/{self._holder.pid}/comm").read_text().strip() != "sleep":
            if self._holder.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("no namespace came up")
            time.sleep(0.01)


def _run(*argv: str) -> None:
    done = subprocess.run(argv, check=False, capture_output=True, timeout=10)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.decode().strip()}")
