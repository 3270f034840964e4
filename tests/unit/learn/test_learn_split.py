import pandas as pd
import pytest
from tests.unit.learn.incident_streams import INEFFECTIVE, START, Stream, records_of

from homeostat.learn.columns import OF_INCIDENT
from homeostat.learn.dataset import decisions_frame
from homeostat.learn.labels import RECURRENCE_S
from homeostat.learn.split import split_at, split_by_share


def leaks(past: pd.DataFrame, future: pd.DataFrame) -> list[str]:
    """What of the future the past could know."""
    shared = set(past["incident"]) & set(future["incident"])
    final_at = past["closed_at"] + pd.Timedelta(seconds=RECURRENCE_S)
    early = past[final_at > future["opened_at"].min()]["incident"]
    return sorted({*shared, *early})


@pytest.fixture
def decisions() -> pd.DataFrame:
    """Thirty incidents an hour apart, of two decisions each; every fifth lasts for three hours."""
    streams = []
    for n in range(30):
        stream = Stream(f"i{n:02d}", START + 3600.0 * n).confirm().choose("a").attempt("a", INEFFECTIVE)
        stream.choose("b").attempt("b")
        streams.append(stream.close(after_s=10_800.0 if n % 5 == 0 else 20.0))
    return decisions_frame(records_of(streams))


def test_a_split_by_rows_leaks_and_one_by_incident_and_time_does_not(decisions: pd.DataFrame) -> None:
    by_rows = decisions.iloc[:41], decisions.iloc[41:]
    assert leaks(*by_rows) == ["i20"]
    by_incident = decisions[decisions["incident"] < "i21"], decisions[decisions["incident"] >= "i21"]
    assert leaks(*by_incident) == ["i20"], "it was open when the future began"
    past, future = split_at(decisions, decisions["opened_at"].iloc[42])
    assert leaks(past, future) == []
    assert set(decisions["incident"]) - set(past["incident"]) - set(future["incident"]) == {"i20"}
    assert past["incident"].value_counts().eq(2).all()


def test_what_might_still_relapse_is_in_neither_part(decisions: pd.DataFrame) -> None:
    closed_at = decisions["closed_at"].iloc[2]
    window = pd.Timedelta(seconds=RECURRENCE_S)
    for at, is_past in ((closed_at + window, True), (closed_at + window - pd.Timedelta(seconds=1), False)):
        past, future = split_at(decisions, at)
        assert ("i01" in set(past["incident"])) is is_past
        assert "i01" not in set(future["incident"])


def test_the_newest_share_of_incidents_is_the_future(decisions: pd.DataFrame) -> None:
    past, future = split_by_share(decisions, 0.3)
    assert future["incident"].nunique() == 9
    assert leaks(past, future) == []
    everything, nothing = split_by_share(decisions, 0.0)
    assert (len(everything), len(nothing)) == (60, 0)


def test_every_frame_can_be_split() -> None:
    assert {"incident", "opened_at", "closed_at"} <= set(OF_INCIDENT)
