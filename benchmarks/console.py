"""Milliseconds of an agent's tick while nobody looks at the console, and while fifty people do.

The agent watches fifty quiet policies and one whose incident opens and is dismissed every second, so that there is
always something new. `homeostat serve` runs beside it all the time. The clients are in a process of their own, which
takes no time from the others, as browsers elsewhere would take none: each holds a WebSocket and fetches its page anew
when it is told to, after the pause that the page's script makes. Cases take turns, so that other work on the machine
disturbs both alike.

    python -m benchmarks.console [--rounds 6] [--seconds 10]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks.retrain_beside import POLICIES, QUIET, Quiet, ticks_ms
from websockets.asyncio.client import connect

from homeostat.app.access import AccessList, Role
from homeostat.app.settings import Settings
from homeostat.loop import Loop, Outside
from homeostat.model.signals import Reading, SignalSpec, Snapshot
from homeostat.policy.load import load_policy_sources
from homeostat.record.inbox import FolderInbox
from homeostat.record.sqlite import SqliteJournal
from homeostat.rig.layout import free_port

CLIENTS = 50
SURGE_S = 0.5
"""The busy policy's signal is high for so long, and low for as long."""
TOGETHER_S = 0.15
"""How long a page's script waits for more news before it fetches; see static/console.js."""
BUSY = (
    QUIET.replace("errors: up", "surge: up")
    .replace("errors > 5, for: 10s", "surge > 5, for: 30s")
    .replace("errors", "surge")
)


class Restless(Quiet):
    """A world in which one signal never stays as it is."""

    def read(self, specs: Mapping[str, SignalSpec], now: float) -> Snapshot:
        values = {"errors": 0.0, "rps": 9.0, "surge": 9.0 if now % (2 * SURGE_S) < SURGE_S else 0.0}
        return Snapshot(now, {key: Reading(values[spec.name], now) for key, spec in specs.items()})


async def look(address: str, token: str, told: list[int]) -> None:
    """What one open page does, until it is cancelled; counts its fetches."""
    headers = {"Authorization": f"Bearer {token}"}
    async with connect(f"ws://{address}/live?since=0", additional_headers=headers) as page:
        while True:
            await page.recv()
            await asyncio.sleep(TOGETHER_S * (1 + random.random()))
            await fetch(address, token)
            told[0] += 1


async def fetch(address: str, token: str) -> bytes:
    """The home page, as a browser gets it."""
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    request = f"GET / HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    writer.write(request.encode())
    page = await reader.read(-1)
    writer.close()
    await writer.wait_closed()
    if not page.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(page[:200].decode(errors="replace"))
    return page


async def clients(address: str, token: str) -> None:
    """Fifty of them, until standard input ends; then says how many pages they fetched."""
    os.nice(19)
    told = [0]
    tasks = [asyncio.create_task(look(address, token, told)) for _ in range(CLIENTS)]
    await asyncio.to_thread(sys.stdin.read)
    broken = [str(task.exception()) for task in tasks if task.done() and task.exception() is not None]
    for task in tasks:
        task.cancel()
    print(json.dumps({"fetched": told[0], "broken": broken}))


@contextmanager
def people(address: str, token: str, fetched: list[int]) -> Iterator[None]:
    """The clients in a process of their own."""
    command = [sys.executable, "-m", "benchmarks.console", "--clients", address, token]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        time.sleep(3.0)  # until all are connected
        yield
        told = json.loads(process.communicate("", timeout=30)[0])
    if told["broken"]:
        raise RuntimeError(told["broken"][0])
    fetched.append(told["fetched"])


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """`homeostat serve`; gives its address."""
    address = f"127.0.0.1:{free_port()}"
    program = str(Path(sys.executable).with_name("homeostat"))
    with subprocess.Popen([program, "serve", "--listen", address], cwd=settings.root) as process:
        time.sleep(4.0)
        try:
            yield address
        finally:
            process.terminate()


def loop_of(settings: Settings, journal: SqliteJournal) -> Loop:
    """The agent."""
    texts = {f"p{number}": QUIET.format(number=number) for number in range(POLICIES)}
    texts["busy"] = BUSY.format(number="busy").replace("policy: pbusy", "policy: busy")
    policies = {
        name: load_policy_sources({f"{name}.homeostat.yaml": text}, f"{name}.homeostat.yaml")
        for name, text in texts.items()
    }
    world = Restless()
    inbox = FolderInbox(settings.inbox, world.failed)
    loop = Loop(Outside(world, world, world, journal, world, inbox=inbox), policies, "bench", seed=1)
    loop.recover("0")
    return loop


def measured(settings: Settings, rounds: int, seconds: float) -> dict[str, list[list[float]]]:
    """Milliseconds of ticks, by case and round."""
    spent: dict[str, list[list[float]]] = {"nobody": [], "fifty people": []}
    fetched: list[int] = []
    token = AccessList(settings.state).grant("bench", Role.VIEWER)
    with closing(SqliteJournal(settings.journal)) as journal, serving(settings) as address:
        loop = loop_of(settings, journal)

        def ticks() -> list[float]:
            until = time.monotonic() + seconds
            return ticks_ms(loop, lambda: time.monotonic() < until)

        ticks()  # what is warm stays warm
        for _ in range(rounds):
            spent["nobody"].append(ticks())
            with people(address, token, fetched):
                spent["fifty people"].append(ticks())
        incidents = len(journal.incidents())
    print(f"{incidents} incidents; {sum(fetched)} pages fetched in {rounds} x {seconds:g} s")
    return spent


def main() -> None:
    """Measure, and say how much an audience costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--clients", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.clients:
        asyncio.run(clients(*options.clients))
        return
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.model_validate({"root": Path(folder)})
        (settings.policies).mkdir()
        (settings.root / "homeostat.toml").write_text("")
        by_round = measured(settings, options.rounds, options.seconds)
    for case, lists in by_round.items():
        ticks = [one for ticks in lists for one in ticks]
        at_95 = statistics.quantiles(ticks, n=20)[-1]
        print(f"{case:>14}: {len(ticks)} ticks, median {statistics.median(ticks):.2f} ms, 95% under {at_95:.2f} ms")
    rounds = [statistics.median(b) / statistics.median(a) for a, b in zip(*by_round.values(), strict=True)]
    each = " ".join(f"{ratio:.2f}" for ratio in rounds)
    print(f"fifty people cost a factor of {statistics.median(rounds):.2f} (goal: at most 1.2); by round: {each}")


if __name__ == "__main__":
    main()
