"""Telemetry recordings: what is read is what was there, in every format; what is wrong is told by its place."""

from __future__ import annotations

import contextlib
import gzip
import math
from array import array
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped] # shipped without types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # shipped without types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.app.recordings import import_telemetry
from homeostat.model.errors import PolicyError, UsageError
from homeostat.record.fault_labels import read_fault_labels
from homeostat.record.series_name import Labels, read_series_name, write_series_name
from homeostat.record.telemetry import RecordedSeries, Telemetry, of_series
from homeostat.record.telemetry_files import read_telemetry, write_telemetry

_NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True)
_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), min_size=1, max_size=6)
_LABELS = st.dictionaries(_NAMES.filter(lambda name: name != "__name__"), _TEXTS, max_size=3)


@st.composite
def telemetry(draw: st.DrawFn) -> Telemetry:
    several: dict[Labels, RecordedSeries] = {}
    for _ in range(draw(st.integers(1, 4))):
        labels = tuple(sorted({**draw(_LABELS), "__name__": draw(_NAMES)}.items()))
        times = sorted(draw(st.sets(st.integers(0, 10**12), min_size=1, max_size=5)))
        values = draw(st.lists(st.floats(allow_infinity=False), min_size=len(times), max_size=len(times)))
        several[labels] = RecordedSeries(labels, array("q", times), array("d", values))
    return of_series(several.values())


def samples(recording: Telemetry) -> list[tuple[Labels, list[tuple[int, str]]]]:
    """In a form in which NaN equals NaN and -0 differs from 0."""
    return [(one.labels, list(zip(one.times_ms, map(repr, one.values), strict=True))) for one in recording.series]


@settings(max_examples=40, deadline=None)
@given(recording=telemetry(), name=st.sampled_from(["a.telemetry.csv.gz", "a.om"]))
def test_what_is_written_reads_back_the_same(
    recording: Telemetry, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("telemetry") / name
    write_telemetry(recording, path)
    once = path.read_bytes()
    read = read_telemetry(path)
    assert samples(read) == samples(recording)
    write_telemetry(read, path)
    assert path.read_bytes() == once


@given(labels=_LABELS, metric=_NAMES)
def test_a_series_name_reads_back_the_same(labels: dict[str, str], metric: str) -> None:
    wanted = tuple(sorted({**labels, "__name__": metric}.items()))
    text = write_series_name(wanted)
    assert read_series_name(text) == (wanted, len(text))


HEAD = 'timestamp,up,"cpu{pod=""a"",zone=""x,y""}"\n'


@pytest.mark.parametrize(
    ("text", "place", "code"),
    [
        ("time,up\n1,2\n", "1:1", "R102"),
        ("", "1:1", "R102"),
        ("timestamp\n1\n", "1:1", "R102"),
        ("timestamp,up\n", "1:1", "R102"),
        ("timestamp,1up\n1,2\n", "1:11", "R111"),
        ('timestamp,"cpu{pod=a}"\n1,2\n', "1:16", "R111"),
        ('timestamp,up,"up{}"\n1,2,3\n', "1:15", "R111"),
        (HEAD + "60,1,2\n60,1,2\n", "3:1", "R112"),
        (HEAD + "60,1,2\n59,1,2\n", "3:1", "R112"),
        (HEAD + "1700000000000,1,2\n", "2:1", "R112"),
        (HEAD + "nan,1,2\n", "2:1", "R112"),
        (HEAD + "soon,1,2\n", "2:1", "R112"),
        (HEAD + "60,1,+Inf\n", "2:6", "R113"),
        (HEAD + '60,1,"1_0"\n', "2:7", "R113"),
        (HEAD + "60,null,2\n", "2:4", "R113"),
        (HEAD + "60,1\n", "2:1", "R115"),
        (HEAD + '60,1,"2\n', "2:1", "R115"),
    ],
)
def test_what_is_wrong_with_a_csv_is_told_by_its_place(text: str, place: str, code: str, tmp_path: Path) -> None:
    path = tmp_path / "recording.csv"
    path.write_text(text)
    with pytest.raises(PolicyError) as caught:
        read_telemetry(path)
    assert str(caught.value).startswith(f"{path}:{place}: {code} ")


@pytest.mark.parametrize(
    ("text", "place", "code"),
    [
        ("up 1 60\n", "1:1", "R108"),
        ("up 1\n# EOF\n", "1:3", "R104"),
        ("up 1 60\n# EOF\nup 2 61\n", "3:1", "R104"),
        ("up{a=1} 1 60\n# EOF\n", "1:4", "R111"),
        ('up{a="1",a="2"} 1 60\n# EOF\n', "1:10", "R111"),
        ("up one 60\n# EOF\n", "1:4", "R113"),
        ("up -Inf 60\n# EOF\n", "1:4", "R113"),
        ("up 1 60\nup 2 60\n# EOF\n", "2:4", "R112"),
        ("up 1 NaN\n# EOF\n", "1:6", "R112"),
        ("# EOF\n", "1:1", "R102"),
    ],
)
def test_what_is_wrong_with_openmetrics_is_told_by_its_place(text: str, place: str, code: str, tmp_path: Path) -> None:
    path = tmp_path / "recording.om"
    path.write_text(text)
    with pytest.raises(PolicyError) as caught:
        read_telemetry(path)
    assert str(caught.value).startswith(f"{path}:{place}: {code} ")


def test_every_finding_is_told_up_to_a_bound(tmp_path: Path) -> None:
    path = tmp_path / "recording.csv"
    path.write_text("timestamp,up\n60,x\n120,y\n180,3\n")
    with pytest.raises(PolicyError) as caught:
        read_telemetry(path)
    assert len(caught.value.problems) == 2
    path.write_text("timestamp,up\n" + "".join(f"{time},x\n" for time in range(100)))
    with pytest.raises(PolicyError) as caught:
        read_telemetry(path)
    assert len(caught.value.problems) == 20


def test_an_empty_cell_is_no_sample_and_nan_is_one(tmp_path: Path) -> None:
    path = tmp_path / "recording.csv"
    path.write_text("\ufefftimestamp,up,down\r\n60,1,\r\n61.5,NaN,\r\n\r\n120,,\r\n")
    (series,) = read_telemetry(path).series
    assert list(series.times_ms) == [60_000, 61_500]
    assert math.isnan(series.values[1])


def test_windows_one_after_another_are_put_in_order_of_time(tmp_path: Path) -> None:
    path = tmp_path / "recording.csv"
    path.write_text("timestamp,incident_id,up\n500,late,3\n560,late,4\n60,early,1\n120,early,2\n")
    (series,) = read_telemetry(path).series
    assert list(series.values) == [1, 2, 3, 4]
    path.write_text("timestamp,incident_id,up\n60,a,3\n180,a,4\n120,b,1\n")
    with pytest.raises(PolicyError, match="4:1: R112 the rows of 'b' begin before those of 'a' have ended"):
        read_telemetry(path)


def test_parquet_holds_the_same_columns(tmp_path: Path) -> None:
    path = tmp_path / "recording.parquet"
    times = pa.array([60_000, 120_000], pa.timestamp("ms"))
    pq.write_table(pa.table({"timestamp": times, 'cpu{pod="a"}': [1.5, None], "up": [1, 0]}), path)
    read = samples(read_telemetry(path))
    assert read == [
        ((("__name__", "cpu"), ("pod", "a")), [(60_000, "1.5")]),
        ((("__name__", "up"),), [(60_000, "1.0"), (120_000, "0.0")]),
    ]
    pq.write_table(
        pa.table({"timestamp": [60.0, 60.0], "up": [1.0, math.inf], "a b": [1, 2], "text": ["x", "y"]}), path
    )
    with pytest.raises(PolicyError) as caught:
        read_telemetry(path)
    assert [problem.code for problem in caught.value.problems] == ["R111", "R113", "R113"]
    path.write_bytes(b"PAR1")
    with pytest.raises(PolicyError, match="R101"):
        read_telemetry(path)


def test_a_file_of_no_known_kind_or_damaged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\*\.csv\.gz"):
        read_telemetry(tmp_path / "recording.xls")
    path = tmp_path / "recording.csv.gz"
    path.write_bytes(gzip.compress(b"timestamp,up\n" + b"60,1\n" * 5)[:-12])
    with pytest.raises(PolicyError, match="R108"):
        read_telemetry(path)
    with pytest.raises(PolicyError, match="R101"):
        read_telemetry(tmp_path / "nothing.csv")


LABELS = "incident_id,recording,fault_type,start_unix,end_unix\n"


def test_labels_are_those_of_the_recording_in_order(tmp_path: Path) -> None:
    path = tmp_path / "incidents.csv"
    path.write_text(f"{LABELS}b,x/one.csv,cpu,70,\na,x/one.csv,disk,60,90\nc,two.csv,cpu,1,2\n")
    found = read_fault_labels(path, "one.csv")
    assert [(label.id, label.start_s, label.end_s) for label in found] == [("a", 60, 90), ("b", 70, None)]
    with pytest.raises(UsageError, match=r"no label is of three\.csv; it labels one\.csv, two\.csv"):
        read_fault_labels(path, "three.csv")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("incident_id,fault_type\n", "1:1: R114 columns are missing: start_unix"),
        (f"{LABELS}a,,cpu,x,\n", "2:8: R114 'x' is no time"),
        (f"{LABELS}a,,cpu,,\n", "2:8: R114 start_unix is empty"),
        (f"{LABELS}a,,cpu,60,50\n", "2:11: R114 it ends before it starts"),
        (f"{LABELS},,cpu,60,\n", "2:1: R114 incident_id is empty"),
        (f"{LABELS}a,cpu,60\n", "2:1: R114 the row has 3 cells, the header 5"),
        (f"{LABELS}a,,cpu,60,\na,,cpu,70,\n", "1:1: R114 the incident 'a' is there twice"),
    ],
)
def test_what_is_wrong_with_labels_is_told_by_its_place(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "incidents.csv"
    path.write_text(text)
    with pytest.raises(PolicyError) as caught:
        read_fault_labels(path, "one.csv")
    assert str(caught.value).startswith(f"{path}:{told}")


def test_importing_writes_both_files_and_never_over_others(tmp_path: Path) -> None:
    source, labels = tmp_path / "one.csv", tmp_path / "incidents.csv"
    source.write_text("timestamp,up\n60,1\n")
    labels.write_text(f"{LABELS}a,one.csv,cpu,60,\n")
    imported = import_telemetry(source, labels, tmp_path / "history", openmetrics=False)
    assert imported.path.name == "one.telemetry.csv.gz"
    assert imported.labels_path is not None
    again = read_fault_labels(imported.labels_path, imported.path.name)
    assert [(label.id, label.recording) for label in again] == [("a", "one.telemetry.csv.gz")]
    with pytest.raises(UsageError, match="there is a recording of this name already"):
        import_telemetry(source, labels, tmp_path / "history", openmetrics=False)
    (tmp_path / "history/one.om").touch()
    with pytest.raises(UsageError, match="already"):
        import_telemetry(source, None, tmp_path / "history", openmetrics=True)


_WORDS = 'timestamp incident_id fault_type start_unix up { } a= , " "" 1 -1 1e999 NaN inf # é'
_PIECES = st.sampled_from([*_WORDS.split(), "60", "120", "# EOF", " ", "\n", "\r", "\x00", "\ufeff"])


@settings(max_examples=100, deadline=None)
@given(pieces=st.lists(_PIECES, max_size=25), head=st.sampled_from(["", "timestamp,up\n", HEAD, "up 1 60\n", LABELS]))
def test_whatever_a_file_holds_it_is_read_or_told_wrong(
    pieces: list[str], head: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    for name in ("any.csv", "any.om", "any.parquet"):
        (folder / name).write_text(head + "".join(pieces))
        with contextlib.suppress(PolicyError):
            assert read_telemetry(folder / name).samples > 0
    with contextlib.suppress(PolicyError, UsageError):
        read_fault_labels(folder / "any.csv", "one.csv")
