"""`homeostat.open`: whatever the place, the same incidents."""

import gzip
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from msgspec.structs import replace
from tests.unit.learn.incident_streams import START, Stream, journal_of, policy_of, remedy
from tests.unit.learn.test_learn_gate import told_by_errors

import homeostat
from homeostat.learn.retrain import retrain
from homeostat.model.entries import Decided, Option, RankingPromoted, RankingRolledBack, RankingTrained
from homeostat.model.errors import HomeostatError, UsageError
from homeostat.model.ports import Batch
from homeostat.record.export import export_journal
from homeostat.record.sqlite import SqliteJournal

ROOT = Path(__file__).parents[3]
RECORDINGS = ROOT / "history"
POLICY = policy_of(remedy("restart", "shift"))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder with two incidents, of the policies p and q."""
    folder = tmp_path / "state"
    folder.mkdir()
    with closing(SqliteJournal(folder / "journal.sqlite")) as journal:
        for name, policy in (("i1", "p"), ("i2", "q")):
            stream = Stream(name, START, policy).confirm().choose("restart", {"errors": 8.0}).attempt("restart").close()
            journal.append([Batch(name, 0, stream.entries)])
    return folder


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import homeostat, sys; print(*(name for name in sys.modules if name.startswith(('homeostat.', 'pandas'))))"
    found = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True)
    assert found.stdout.split() == ["homeostat.version"]


def test_a_workspace_its_state_folder_and_its_journal_show_the_same(tmp_path: Path, state: Path) -> None:
    (tmp_path / "homeostat.toml").write_text(
        '[learning]\nrecurrence_s = 60.0\n[prometheus]\nurl = "http://127.0.0.1:9"\n'
    )
    frames = []
    for place in (tmp_path, str(state), state / "journal.sqlite"):
        with homeostat.open(place) as history:
            frames.append(history.attempts())
            assert history.incidents()["incident"].tolist() == ["i1", "i2"]
    for frame in frames[1:]:
        pd.testing.assert_frame_equal(frame, frames[0])


@pytest.mark.parametrize("name", ["journal.jsonl", "journal.jsonl.gz"])
def test_an_export_shows_what_its_journal_shows(name: str, tmp_path: Path, state: Path) -> None:
    with closing(SqliteJournal(state / "journal.sqlite", read_only=True)) as journal:
        text = "".join(line + "\n" for line in export_journal(journal)).encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    with homeostat.open(tmp_path / name) as exported, homeostat.open(state) as history:
        pd.testing.assert_frame_equal(exported.attempts(), history.attempts())
        pd.testing.assert_frame_equal(exported.incidents(), history.incidents())


def test_a_policy_chooses_its_incidents_and_their_signals(state: Path) -> None:
    with homeostat.open(state) as history:
        for frame in (history.decisions(POLICY), history.attempts(POLICY), history.incidents(POLICY)):
            assert frame["incident"].tolist() == ["i1"]
        assert "signal:errors" in history.decisions(POLICY)


def test_labels_are_as_mature_as_they_are_now_unless_another_time_is_asked_for(state: Path) -> None:
    with homeostat.open(state) as history:
        assert history.attempts()["mature"].all()
        assert not history.attempts(as_of=START)["mature"].any()
        assert not history.decisions(recurrence_s=1e12)["mature"].any()


def test_rankings_are_what_rules_and_what_ever_happened_to_them(state: Path) -> None:
    ranking = retrain(journal_of(told_by_errors(80)), POLICY, START + 1e8, "tester").ranking
    with closing(SqliteJournal(state / "journal.sqlite")) as journal:
        entries = [
            RankingTrained(at=1.0, ranking=ranking, gate="Passed."),
            RankingPromoted(at=2.0, version=ranking.version, actor="ann"),
        ]
        journal.append([Batch("policy/p", 0, entries)])
        with homeostat.open(state) as history:
            rules, past = history.rankings(), history.rankings_history()
            journal.append(
                [
                    Batch(
                        "policy/p",
                        2,
                        [RankingRolledBack(at=3.0, version=ranking.version, to=None, actor="bo", why="it")],
                    )
                ]
            )
            assert not rules["deferred"].any()
            assert history.rankings().empty
            assert history.rankings().dtypes.to_dict() == rules.dtypes.to_dict()
            back = history.rankings_history().iloc[2]
    assert rules["place"].tolist() == [1, 2]
    assert set(rules["version"]) == {ranking.version}
    assert rules["index"].is_monotonic_decreasing
    assert rules["attempts"].sum() == ranking.attempts
    assert past["event"].tolist() == ["trained", "promoted"]
    assert (past["why"].iloc[0], past["actor"].iloc[1], past["attempts"].iloc[0]) == ("Passed.", "ann", 80)
    assert (back["event"], back["actor"], back["why"]) == ("rolled_back", "bo", "it")
    assert pd.isna(back["replaces"])


def test_logged_chances_are_held_against_what_came(state: Path) -> None:
    with homeostat.open(state) as history:
        assert history.calibration().empty
    with closing(SqliteJournal(state / "journal.sqlite")) as journal:
        stream = Stream("i3", START + 1e6).confirm().choose("restart").attempt("restart").close()
        decided = stream.entries[2]
        assert isinstance(decided, Decided)
        stream.entries[2] = replace(decided, options=(Option(id="restart", eligible=True, probability=0.75),))
        journal.append([Batch("i3", 0, stream.entries)])
    with homeostat.open(state) as history:
        row = history.calibration().iloc[0]
    assert (row["predicted"], row["observed"], row["trials"]) == (0.75, 1.0, 1)


def test_past_incidents_are_replayed_against_a_policy() -> None:
    with homeostat.open(RECORDINGS) as history:
        replayed = history.simulate(ROOT / "policies/payments-5xx.homeostat.yaml")
    assert len(replayed) == len(list(RECORDINGS.glob("*.jsonl")))
    assert replayed.loc[replayed["recorded"] == "recovered", "verdict"].eq("RECOVERED").all()
    assert replayed["duration_s"].notna().all()


def test_recordings_are_history_too() -> None:
    with homeostat.open(RECORDINGS) as history:
        assert len(history.incidents()) == len(list(RECORDINGS.glob("*.jsonl")))
        assert "signal:http_5xx" in history.decisions(ROOT / "policies/payments-5xx.homeostat.yaml")


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere", "there is no such file or folder; give a workspace"),
        (".", "holds no journal and no recorded incident; give a workspace"),
        ("one.jsonl", "a single recording; give the folder"),
        ("words.jsonl", "words.jsonl:1:1: R102"),
        ("empty.jsonl", "empty.jsonl:1:1: R108 the file is empty"),
        ("notes.txt", "notes.txt: is no journal; give a workspace"),
        ("damaged.sqlite", "the file is damaged"),
        ("x" * 5000, "File name too long; give a workspace"),
        ("postgresql://user:word@host/db", "must not hold a password; give it by reference"),
        ("postgresql://host", "must read postgresql://"),
    ],
)
def test_what_cannot_be_opened_says_what_can(
    place: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if place != ".":
        Path("one.jsonl").write_text('{"format":"homeostat-recording"}')
        Path("empty.jsonl").touch()
        for name in ("words.jsonl", "notes.txt", "damaged.sqlite"):
            Path(name).write_text("x" * 2000 + "\n")
    with pytest.raises(HomeostatError, match=said) as error:
        homeostat.open(place)
    assert "word@" not in str(error.value)


def test_a_password_goes_with_a_url_only(state: Path) -> None:
    with pytest.raises(UsageError, match="a password is for"):
        homeostat.open(state, password="env:SECRET")


def test_a_policy_that_the_journal_does_not_hold_is_asked_for(state: Path) -> None:
    with homeostat.open(state) as history, pytest.raises(UsageError, match="does not hold the text of a policy 'p'"):
        history.decisions("p")


def test_nothing_is_written_and_the_journal_may_be_written_meanwhile(state: Path) -> None:
    with homeostat.open(state) as history, closing(SqliteJournal(state / "journal.sqlite")) as journal:
        stream = Stream("i3", START + 1e6).confirm().close()
        journal.append([Batch("i3", 0, stream.entries)])
        assert len(history.incidents()) == 3
