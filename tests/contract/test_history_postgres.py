"""A shared journal shows the same history as a journal in memory, and is only read."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
from tests.postgres_cluster import Cluster
from tests.unit.learn.incident_streams import START, Stream, records_of

import homeostat
from homeostat.learn.dataset import attempts_frame
from homeostat.model.ports import Batch
from homeostat.record.postgres import PostgresJournal


def test_a_shared_journal_is_opened_by_its_url(cluster: Cluster, tmp_path: Path) -> None:
    url = cluster.database()
    parts = urlsplit(url)
    secret = tmp_path / "password"
    secret.write_text(parts.password or "")
    secret.chmod(0o600)
    streams = [Stream(f"i{n}", START + 1e5 * n).confirm().choose("a").attempt("a").close() for n in range(3)]
    with closing(PostgresJournal(url, agent="a", spool="s")) as journal:
        for stream in streams:
            journal.append([Batch(stream.id, 0, stream.entries)])
    without = parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", "@")).geturl()
    with homeostat.open(without, password=f"file:{secret}") as history:
        assert str(parts.password) not in repr(history)
        pd.testing.assert_frame_equal(history.attempts(), attempts_frame(records_of(streams)))
        assert history.rankings_history().empty
