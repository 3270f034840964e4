"""Telemetry that others recorded and labelled: what policies notice in it, and that missing samples start nothing.

Thresholds and windows of the CPU policy were chosen on one recording and are reported on both.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
from benchmarks.workflows import shared_folder
from tests.acceptance.command_line import homeostat

from homeostat.model import entries as e
from homeostat.policy.load import load_policy
from homeostat.record.fault_labels import read_fault_labels
from homeostat.record.telemetry import Telemetry
from homeostat.record.telemetry_files import read_telemetry
from homeostat.simulate.telemetry.detection import Detections, detect
from homeostat.simulate.telemetry.frame import Frame
from homeostat.simulate.telemetry.masks import confirmed_ticks, trigger_masks
from homeostat.simulate.telemetry.scoring import Score, score
from homeostat.simulate.telemetry.sensing import read_frame

POLICIES = Path(__file__).parent / "telemetry"
CPU, PETSITE = (load_policy(POLICIES / f"{name}.homeostat.yaml") for name in ("cpu-saturated", "petsite-objectives"))
CHOSEN_ON, OTHER = "nezha/2022-08-22.csv.gz", "nezha/2023-01-29.csv.gz"
QUIET = "petshop/low_traffic__noissue.csv.gz"
WITH_ISSUES = [f"petshop/{name}__issues.csv.gz" for name in ("low_traffic", "high_traffic")]


def data() -> Path | None:
    shared = shared_folder()
    path = None if shared is None else shared / "data"
    return path if path is not None and (path / CHOSEN_ON).exists() else None


DATA = data()
pytestmark = pytest.mark.skipif(DATA is None, reason="no recordings here; name their folder in HOMEOSTAT_SHARED")


@cache
def recording(name: str) -> Telemetry:
    assert DATA is not None
    return read_telemetry(DATA / name)


@cache
def frame(name: str) -> Frame:
    return read_frame(recording(name), CPU.signals)


@cache
def cpu(name: str) -> tuple[Detections, Score]:
    assert DATA is not None
    found = detect(CPU, frame(name), every_tick=True)
    return found, score(found.found, read_fault_labels(DATA / "incidents.csv", Path(name).name), "cpu*")


@pytest.mark.parametrize(("name", "faults"), [(CHOSEN_ON, 11), (OTHER, 4)])
def test_every_cpu_fault_has_one_incident_within_three_samples(name: str, faults: int) -> None:
    _, scored = cpu(name)
    assert scored.hits == faults
    assert scored.missed == ()
    assert scored.repeats == 0
    assert scored.delay_s is not None
    assert scored.delay_s <= 180


def test_f1_on_the_recording_that_thresholds_were_chosen_on() -> None:
    _, scored = cpu(CHOSEN_ON)
    assert scored.f1 is not None
    assert scored.f1 >= 0.90


def test_no_fault_of_another_type_is_taken_for_one_of_the_cpu() -> None:
    for name in (CHOSEN_ON, OTHER):
        _, scored = cpu(name)
        assert scored.false_alarms == scored.unlabelled
        assert scored.within_labels().f1 == 1.0


def test_alarms_while_nothing_is_labelled_are_saturations_like_the_labelled_ones() -> None:
    """The recordings hold CPU peaks that nobody labelled: a minute and more at what the labelled faults reach."""
    for name, unlabelled_max in ((CHOSEN_ON, 1), (OTHER, 8)):
        _, scored = cpu(name)
        assert scored.unlabelled <= unlabelled_max
        highest = frame(name).columns["cpu_highest"]
        peaks: dict[str, list[float]] = {"fault": [], "false alarm": []}
        for one in scored.noticed:
            confirmed_s, over_s = one.detection.confirmed_s, one.detection.over_s
            assert confirmed_s is not None
            assert over_s is not None
            during = (frame(name).times >= one.detection.suspected_s) & (frame(name).times <= over_s)
            peaks[one.kind].append(float(highest[during].max()))
        assert min(peaks["false alarm"]) >= 0.9 * min(peaks["fault"])


@pytest.mark.parametrize("name", [CHOSEN_ON, OTHER])
def test_whole_frames_confirm_what_steps_confirm(name: str) -> None:
    found, _ = cpu(name)
    at = frame(name).at
    whole = [at[confirmed] for confirmed, _ in confirmed_ticks(trigger_masks(CPU, frame(name)))]
    assert whole == [one.confirmed_s for one in found.confirmed()]
    assert detect(CPU, frame(name)).found == found.found


def test_a_recording_without_the_policys_series_starts_nothing() -> None:
    found = detect(CPU, frame(QUIET), every_tick=True)
    assert found.found == ()
    assert found.blind_ticks == found.ticks
    assert not any(isinstance(entry, e.ActionIntended) for entry in found.entries)


def test_service_objectives_over_real_gaps() -> None:
    """Objectives taken from two quiet days: one alarm in a hundred ticks for each, and half the issues."""
    assert DATA is not None
    quiet = detect(PETSITE, read_frame(recording(QUIET), PETSITE.signals), every_tick=True)
    assert len(quiet.confirmed()) <= quiet.ticks / 50
    for name in WITH_ISSUES:
        seen = read_frame(recording(name), PETSITE.signals)
        found = detect(PETSITE, seen, every_tick=True)
        scored = score(found.found, read_fault_labels(DATA / "incidents.csv", Path(name).name))
        assert scored.recall is not None
        assert scored.recall >= 0.5
        assert scored.repeats == 0
        assert found.blind_ticks > found.ticks / 2
        ticks = {at: tick for tick, at in enumerate(seen.at)}
        for entry in found.entries:
            if isinstance(entry, e.ActionIntended):
                assert PETSITE.trigger.condition.evaluate(seen.values(ticks[entry.at])) is True


def test_import_and_simulate_from_the_command_line(tmp_path: Path) -> None:
    assert DATA is not None
    labels = str(DATA / "incidents.csv")
    imported = homeostat(tmp_path, "incidents", "import", str(DATA / CHOSEN_ON), "--labels", labels, "--to", "history")
    assert imported.returncode == 0, imported.stderr
    recorded = ("--telemetry", "history/2022-08-22.telemetry.csv.gz", "--faults", "cpu*")
    policy = str(POLICIES / "cpu-saturated.homeostat.yaml")
    said = homeostat(tmp_path, "--json", "simulate", policy, *recorded, "--summary")
    (row,) = json.loads(said.stdout)
    _, scored = cpu(CHOSEN_ON)
    assert (row["recall"], row["f1"], row["missed"]) == (scored.recall, scored.f1, 0)
