"""Make `history/` anew: run the sandbox plant under the shipped policy and record every incident.

    python tools/make_history.py [--incidents N] [--seed N]

The same seed gives the same files. Run it when the policy, the plant or the recording format has changed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from homeostat.app.recordings import record_incident
from homeostat.model.entries import Entry
from homeostat.model.signals import Snapshot
from homeostat.policy.load import load_policy
from homeostat.record.memory import MemoryJournal
from homeostat.simulate.world import sandbox
from homeostat.version import __version__

ROOT = Path(__file__).parents[1]


class Alarm:
    """Ends the run on anything that went wrong."""

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        """See `model.ports.Observer`."""

    def appended(self, stream: str, entries: Sequence[Entry]) -> None:
        """See `model.ports.Observer`."""

    def failed(self, what: str, error: Exception) -> None:
        """See `model.ports.Observer`."""
        raise SystemExit(f"{what}: {error}")


def main() -> None:
    """Replace the recordings in `history/`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--incidents", type=int, default=40)
    parser.add_argument("--seed", type=int, default=2026)
    options = parser.parse_args()
    policy = load_policy(ROOT / "policies/payments-5xx.homeostat.yaml")
    journal = MemoryJournal()
    with sandbox({policy.name: policy}, journal, Alarm(), options.seed) as world:
        world.start(__version__)
        while len(journal.incidents()) < options.incidents:
            world.strike(world.draw())
    for old in (ROOT / "history").glob("*.jsonl"):
        old.unlink()
    for number, incident in enumerate(journal.incidents()[: options.incidents], start=1):
        record_incident(journal, incident, ROOT / "history" / f"{policy.name}-{number:03}.jsonl")


if __name__ == "__main__":
    main()
