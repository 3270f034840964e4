"""Real processes on one journal: killed, and stopped beyond their leases."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from tests.contract.journal_contract import changed
from tests.postgres_cluster import Cluster

from homeostat.model.errors import JournalConflict
from homeostat.model.ports import Batch
from homeostat.record.postgres import PostgresJournal
from homeostat.record.postgres_leases import PostgresLeases

TTL_S = 2.0
WAIT_S = 60.0

# Opens an incident, and appends to it for each line it is given; says what came of it.
OWNER = """
import sys, threading, time
from tests.contract.journal_contract import changed, intended, suspected
from homeostat.model.errors import JournalError
from homeostat.model.ports import Batch
from homeostat.record.postgres import PostgresJournal
from homeostat.record.postgres_leases import PostgresLeases

journal = PostgresJournal(sys.argv[1], agent="owner", spool="o", lease_ttl_s=float(sys.argv[2]))
leases = PostgresLeases(journal)
leases.watch(["policy/shop"])

def tick():
    while True:
        leases.ticked(blind=False)
        time.sleep(0.05)

threading.Thread(target=tick, daemon=True).start()
journal.append([Batch("i", 0, [suspected("i")])])
print("open", flush=True)
for head_seq in map(int, sys.stdin):
    held = "i" in leases.held()
    try:
        journal.append([Batch("i", head_seq, [changed(float(head_seq))])])
        print("written", held, flush=True)
    except JournalError as error:
        print(type(error).__name__, held, flush=True)
"""

# Appends as fast as it can, and says what was acknowledged.
WRITER = """
import sys
from tests.contract.journal_contract import changed
from homeostat.model.ports import Batch
from homeostat.record.postgres import PostgresJournal

journal = PostgresJournal(sys.argv[1], agent=sys.argv[2], spool="w")
print("open", flush=True)
number = 0
while True:
    journal.append([Batch(sys.argv[2], number, [changed(float(number))]), Batch("agent", None, [changed()])])
    number += 1
    print(number, flush=True)
"""


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


def end(process: subprocess.Popen[str]) -> str:
    """Kill, and give what was still said."""
    process.kill()
    said, _ = process.communicate(timeout=WAIT_S)
    return said


def say(process: subprocess.Popen[str], line: str) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


class Heir:
    """The other agent, in this process."""

    def __init__(self, url: str) -> None:
        self.journal = PostgresJournal(url, agent="heir", spool="h", lease_ttl_s=TTL_S)
        self.leases = PostgresLeases(self.journal)

    def until(self, met: Callable[[], bool]) -> float:
        begun = time.monotonic()
        while not met():
            assert time.monotonic() - begun < WAIT_S
            self.leases.ticked(blind=False)
            time.sleep(0.02)
        return time.monotonic() - begun

    def append_to_all(self) -> None:
        """Append to the stream that all write to; whoever is first fifty times running, is so at most for a while."""
        begun = time.monotonic()
        while True:
            try:
                self.journal.append([Batch("agent", None, [changed()])])
            except JournalConflict:
                assert time.monotonic() - begun < WAIT_S
            else:
                return

    def close(self) -> None:
        self.leases.release()
        self.journal.close()


@pytest.fixture
def url(cluster: Cluster) -> str:
    return cluster.database()


@pytest.fixture
def heir(url: str) -> Iterator[Heir]:
    heir = Heir(url)
    yield heir
    heir.close()


def test_an_agent_that_is_killed_is_inherited_from(url: str, heir: Heir) -> None:
    owner = start(OWNER, url, str(TTL_S))
    assert say(owner, "1") == "written True"
    end(owner)
    heir.until(lambda: "i" in heir.leases.held())
    assert heir.leases.held()["i"].fence == 2
    heir.journal.append([Batch("i", 2, [changed()])])
    assert heir.journal.verify() == []


def test_an_agent_that_was_stopped_beyond_its_lease_writes_nothing(url: str, heir: Heir) -> None:
    owner = start(OWNER, url, str(TTL_S))
    try:
        os.kill(owner.pid, signal.SIGSTOP)
        heir.until(lambda: "i" in heir.leases.held())
        os.kill(owner.pid, signal.SIGCONT)
        assert say(owner, "1") == "LeaseLost False"
        heir.journal.append([Batch("i", 1, [changed(7.0)])])
        assert say(owner, "2") == "LeaseLost False"
        assert [record.entry for record in heir.journal.read("i")][1:] == [changed(7.0)]
    finally:
        end(owner)


def test_what_was_acknowledged_is_there_and_a_stopped_client_holds_nobody_up(url: str, heir: Heir) -> None:
    """Wherever in an append it is stopped or killed: its statement ends on the server, and so does its lock."""
    writers = [start(WRITER, url, name) for name in ("w1", "w2")]
    try:
        for _ in range(10):
            time.sleep(0.05)
            os.kill(writers[0].pid, signal.SIGSTOP)
            heir.append_to_all()
            os.kill(writers[0].pid, signal.SIGCONT)
    finally:
        acknowledged = [len(end(writer).splitlines()) for writer in writers]
    # What was on its way has time to arrive.
    time.sleep(0.3)
    heads = [heir.journal.head_seq(name) for name in ("w1", "w2")]
    for acked, head in zip(acknowledged, heads, strict=True):
        assert acked > 0
        assert acked <= head <= acked + 1
    heir.journal.append([Batch("agent", None, [changed()])])
    assert heir.journal.position() == 2 * sum(heads) + 11
    assert heir.journal.verify() == []
