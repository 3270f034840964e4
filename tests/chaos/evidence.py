"""What remains of a scenario for whoever looks into it: what was seen, what was done, the journal, the agents' logs."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from tests.chaos.agents import AgentProcess
from tests.chaos.promises import Sight

from homeostat.record.stored import StoredJournal

ENTRY_CHARACTERS_MAX = 1_000


def keep(folder: Path, sight: Sight, journal: StoredJournal, agents: Iterable[AgentProcess]) -> None:
    """Write it all into `folder`, in place of what an earlier run left there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _write(folder / "seen.txt", sight.seen)
    _write(folder / "faults.txt", sight.faults)
    _write(folder / "terms.txt", sight.terms)
    records = sorted(
        (record for stream in journal.streams() for record in journal.read(stream)), key=lambda record: record.position
    )
    lines = (f"{record.position} {record.stream} {record.seq} {record.entry}" for record in records)
    _write(folder / "journal.txt", (line[:ENTRY_CHARACTERS_MAX] for line in lines))
    for agent in agents:
        (folder / f"{agent.name}.log").write_text(agent.log)


def _write(path: Path, lines: Iterable[object]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))
