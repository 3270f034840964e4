"""`python -m homeostat.simulate.sandbox.scraper PORT TOKEN_FILE JOB=URL...`: scrapes, and answers as Prometheus does.

Samples are kept in memory and asked for through the sandbox's Prometheus HTTP API, on loopback and behind a token. As
Prometheus does it, a target that does not answer is `up` 0 and its series end at once with a staleness marker.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from homeostat.model.errors import HomeostatError
from homeostat.simulate.sandbox.exporter import STALE
from homeostat.simulate.sandbox.server import SandboxServer
from homeostat.simulate.sandbox.store import SampleStore

SCRAPE_S = 1.0
TIMEOUT_S = 0.9
BODY_BYTES_MAX = 1 << 20
RETENTION_S = 1800.0

Series = tuple[str, tuple[tuple[str, str], ...]]


class WallClock:
    """Implements `model.ports.Clock` on the machine's time."""

    def now(self) -> float:
        """Unix seconds."""
        return time.time()

    def wait(self, seconds: float) -> bool:
        """Sleep; nobody asks to stop."""
        time.sleep(seconds)
        return False


class Scraper:
    """Reads targets into a store.

    Args:
        store: where samples go.
        targets: job -> URL of its metrics, on loopback.
    """

    def __init__(self, store: SampleStore, targets: Mapping[str, str]) -> None:
        self._store = store
        self._targets = targets
        self._seen: dict[str, set[Series]] = {job: set() for job in targets}
        self._threads = ThreadPoolExecutor(len(targets))

    def scrape(self, at: float) -> None:
        """Read every target once; all samples bear the time `at` (Unix seconds)."""
        answers = self._threads.map(_read, self._targets.values())
        for job, found in zip(self._targets, answers, strict=True):
            self._store.append("up", {"job": job}, at, float(found is not None))
            series = {} if found is None else found
            for (metric, labels), value in series.items():
                self._store.append(metric, {**dict(labels), "job": job}, at, value)
            for metric, labels in self._seen[job] - set(series):
                self._store.append(metric, {**dict(labels), "job": job}, at, STALE)
            self._seen[job] = set(series)


def _read(url: str) -> dict[Series, float] | None:
    """A target's series and values; None if it does not answer in time, or not with metrics."""
    try:
        with urlopen(url, timeout=TIMEOUT_S) as response:  # noqa: S310 - loopback over http
            text = response.read(BODY_BYTES_MAX).decode()
        families = list(text_string_to_metric_families(text))
    except (OSError, ValueError):
        return None
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): float(sample.value)
        for family in families
        for sample in family.samples
    }


def main() -> None:
    """Scrape and answer until ended."""
    port, token_file, *named = sys.argv[1:]
    store, clock = SampleStore(retention_s=RETENTION_S), WallClock()
    scraper = Scraper(store, dict(target.split("=", 1) for target in named))
    try:
        server = SandboxServer(store, clock, Path(token_file).read_text().strip(), port=int(port))
    except (HomeostatError, OSError, ValueError) as error:
        sys.exit(str(error))
    with server:
        due = time.time()
        while True:
            scraper.scrape(due)
            # One that is late skips what it missed: times within a series only rise.
            due = max(due + SCRAPE_S, time.time())
            time.sleep(max(0.0, due - time.time()))


if __name__ == "__main__":
    main()
