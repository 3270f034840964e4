"""What the pages rest on: what is kept, what is verified, what is never imported, and an empty workspace."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
import requests
from tests.unit.console.console_workspace import FIRST, LEARNT, PASSED, REFUSED, served

from homeostat.app.access import AccessList, Role
from homeostat.app.settings import Settings, load_settings
from homeostat.console.acts import Refused
from homeostat.console.audit import Running, Verifier
from homeostat.console.followed import Followed
from homeostat.console.kept import Kept
from homeostat.model.entries import RankingTrained
from homeostat.model.ports import Batch, Record
from homeostat.model.streams import policy_stream
from homeostat.record.sqlite import SqliteJournal

PAGES = ("/policies", "/rankings", "/drills", "/audit")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "policies").mkdir()
    table = tmp_path / "homeostat.toml"
    table.write_text('[prometheus]\nurl = "http://127.0.0.1:1"\n')
    found = load_settings(table)
    found.state.mkdir(mode=0o700)
    return found


def test_a_value_is_made_once_for_all_who_ask_and_anew_when_it_is_old() -> None:
    now, made = [0.0], []
    kept: Kept[int] = Kept(2, 10.0, lambda: now[0])

    def make() -> int:
        time.sleep(0.02)
        made.append(1)
        return len(made)

    asking = [threading.Thread(target=kept.get, args=("a", make)) for _ in range(8)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert len(made) == 1
    now[0] = 9.9
    assert kept.get("a", make) == 1
    now[0] = 10.0
    assert kept.get("a", make) == 2
    assert [kept.get(key, make) for key in "bcb"] == [3, 4, 3]
    assert kept.get("a", make) == 5, "the oldest of three went"


def test_what_cannot_be_made_is_asked_for_again() -> None:
    kept: Kept[int] = Kept(2)

    def fails() -> int:
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        kept.get("a", fails)
    assert kept.get("a", lambda: 7) == 7


def test_a_journal_is_followed_from_where_it_was_and_another_one_from_its_beginning(settings: Settings) -> None:
    read: list[int] = []

    def add(versions: list[str], record: Record) -> None:
        read.append(record.position)
        assert isinstance(record.entry, RankingTrained)
        versions.append(record.entry.ranking.version)

    followed: Followed[list[str]] = Followed({RankingTrained.TYPE}, list, add)
    assert followed.view(settings, list) == (0, [])
    with closing(SqliteJournal(settings.journal)) as journal:
        journal.append([Batch(policy_stream("people"), 0, LEARNT[:3])])
    assert followed.view(settings, list) == (3, [FIRST, REFUSED])
    with closing(SqliteJournal(settings.journal)) as journal:
        journal.append([Batch(policy_stream("people"), 3, LEARNT[3:])])
    assert followed.view(settings, list) == (4, [FIRST, REFUSED, PASSED])
    assert followed.view(settings, list) == (4, [FIRST, REFUSED, PASSED])
    assert read == [1, 3, 4]
    settings.journal.rename(settings.journal.with_suffix(".old"))
    with closing(SqliteJournal(settings.journal)) as journal:
        journal.append([Batch(policy_stream("people"), 0, LEARNT[:1])])
    assert followed.view(settings, list) == (1, [FIRST])


def test_the_journal_is_verified_at_most_once_at_a_time(settings: Settings) -> None:
    verifier = Verifier(settings)
    verifier.running = Running(1.0, "sam")
    with pytest.raises(Refused, match="sam has asked for that already") as refused:
        verifier.begin("oli")
    assert refused.value.status == 409


def test_a_verification_tells_of_a_changed_record_and_of_a_journal_that_is_not_there(settings: Settings) -> None:
    verifier = Verifier(settings)
    verifier.begin("sam")
    _ended(verifier)
    assert verifier.last is not None
    assert "no journal yet" in verifier.last.trouble
    assert not verifier.last.is_good
    with closing(SqliteJournal(settings.journal)) as journal:
        journal.append([Batch(policy_stream("people"), 0, LEARNT)])
    with closing(sqlite3.connect(settings.journal)) as tampering:
        triggers = tampering.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            tampering.execute(f"DROP TRIGGER {name}")
        tampering.execute("UPDATE journal SET body = CAST(replace(body, 'Passed', 'Failed') AS BLOB)")
        for _, statement in triggers:
            tampering.execute(statement)
        tampering.commit()
    verifier.begin("oli")
    _ended(verifier)
    assert verifier.last.faults
    assert (verifier.last.by, verifier.last.is_good) == ("oli", False)


def _ended(verifier: Verifier) -> None:
    give_up_at = time.monotonic() + 20.0
    while verifier.running is not None:
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


def test_pages_of_a_workspace_where_nothing_has_happened_say_so(settings: Settings) -> None:
    token = AccessList(settings.state).grant("vera", Role.VIEWER)
    (settings.policies / "bad.homeostat.yaml").write_text("policy: <i>bad</i>\n")
    with served(settings) as url:
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/html"}
        texts = [requests.get(url + page, headers=headers, timeout=20).text for page in PAGES]
        missing = requests.get(f"{url}/policies/none", headers=headers, timeout=20)
        assert requests.get(f"{url}/rankings/none", headers=headers, timeout=20).status_code == 404
        assert requests.get(f"{url}/incidents/none/copilot", headers=headers, timeout=20).status_code == 404
        assert requests.get(f"{url}/audit", headers={"Accept": "*/*"}, timeout=20).status_code == 401
    assert "Files that are not valid" in texts[0]
    assert "bad.homeostat.yaml:1:" in texts[0]
    assert "<i>bad</i>" not in texts[0]
    assert "No policy has anything to choose" in texts[1]
    assert "None in this journal yet" in texts[2]
    assert "That cannot be said" in texts[2]
    assert "bad.homeostat.yaml:1:" in texts[2]
    assert "Nobody has said anything" in texts[3]
    assert missing.status_code == 404
    assert "no policy &#39;none&#39;" in missing.text


def test_the_console_never_imports_what_trains_rankings() -> None:
    code = (
        "import sys; import homeostat.console.server, homeostat.learn.explain;"
        "print([name for name in ('numpy', 'pandas', 'scipy', 'sklearn') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout == "[]\n"
