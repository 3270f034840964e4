"""What every sensor must do, wherever it reads from. Inherit, and say how to open one and how to break its source."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass

import pytest

from homeostat.model.ports import Sensor
from homeostat.model.signals import Absence, SignalSpec, Snapshot

TIMEOUT_S = 1.0
"""The time-out that the sensor under test is to be opened with."""

MARGIN_S = 8.0
"""For a machine that is busy with other things; a sensor that waits without bound waits longer than this."""


class SourceUnderTest(ABC):
    """A sensor and the source it reads. The source holds `present`; nothing else that the contract asks for."""

    sensor: Sensor
    now: float
    """Unix seconds at which the source's samples are fresh."""

    present: SignalSpec
    """A number signal that the source answers with 42, sampled at most `max_age_s` before `now`."""

    missing: SignalSpec
    """A well-formed signal that the source knows nothing about."""

    malformed: SignalSpec
    """A signal that no source can answer."""

    @abstractmethod
    def hang(self) -> None:
        """From now on the source takes questions and does not answer them."""

    @abstractmethod
    def vanish(self) -> None:
        """From now on there is no source."""


@dataclass
class Timed:
    """A snapshot and how long it took."""

    snapshot: Snapshot
    seconds: float


def timed_read(source: SourceUnderTest, specs: dict[str, SignalSpec]) -> Timed:
    began = time.monotonic()
    snapshot = source.sensor.read(specs, source.now)
    return Timed(snapshot, time.monotonic() - began)


class SensorContract(ABC):
    """Inherit as `class TestX(SensorContract)` with a fixture `source`."""

    @pytest.fixture
    @abstractmethod
    def source(self) -> SourceUnderTest:
        """A sensor on a source that works."""

    def test_a_present_signal_has_a_value_and_the_time_of_its_sample(self, source: SourceUnderTest) -> None:
        snapshot = source.sensor.read({"k": source.present}, source.now)
        assert snapshot.error is None
        reading = snapshot.readings["k"]
        assert (reading.value, reading.absence) == (42.0, None)
        assert reading.sampled_at is not None
        assert source.now - source.present.max_age_s <= reading.sampled_at <= source.now

    def test_the_snapshot_is_of_the_moment_asked_for(self, source: SourceUnderTest) -> None:
        assert source.sensor.read({"k": source.present}, source.now).at == source.now

    def test_readings_have_exactly_the_callers_keys(self, source: SourceUnderTest) -> None:
        specs = {"a/x": source.present, "b/x": source.present, "": source.missing, "b/y": source.malformed}
        assert set(source.sensor.read(specs, source.now).readings) == set(specs)

    def test_a_missing_signal_is_there_and_says_that_it_is_missing(self, source: SourceUnderTest) -> None:
        snapshot = source.sensor.read({"k": source.missing}, source.now)
        reading = snapshot.readings["k"]
        assert (reading.value, reading.absence) == (None, Absence.MISSING)

    def test_a_malformed_signal_is_refused_and_spoils_no_other(self, source: SourceUnderTest) -> None:
        specs = {"bad": source.malformed, "good": source.present}
        readings = source.sensor.read(specs, source.now).readings
        assert (readings["bad"].value, readings["bad"].absence) == (None, Absence.REFUSED)
        assert readings["bad"].detail
        assert readings["good"].value == 42.0

    def test_every_reading_is_either_there_or_absent(self, source: SourceUnderTest) -> None:
        specs = {"p": source.present, "m": source.missing, "x": source.malformed}
        for reading in source.sensor.read(specs, source.now).readings.values():
            assert (reading.value is None) is (reading.absence is not None)

    def test_nothing_asked_nothing_read(self, source: SourceUnderTest) -> None:
        snapshot = source.sensor.read({}, source.now)
        assert (dict(snapshot.readings), snapshot.error) == ({}, None)

    def test_the_callers_mapping_is_left_alone(self, source: SourceUnderTest) -> None:
        specs = {"k": source.present}
        source.sensor.read(specs, source.now)
        assert specs == {"k": source.present}

    def test_a_source_that_hangs_is_an_error_within_the_time_out(self, source: SourceUnderTest) -> None:
        source.hang()
        for _ in range(2):
            timed = timed_read(source, {"k": source.present})
            assert timed.snapshot.error
            assert not timed.snapshot.readings
            assert timed.seconds < TIMEOUT_S + MARGIN_S

    def test_a_source_that_is_gone_is_an_error(self, source: SourceUnderTest) -> None:
        source.vanish()
        timed = timed_read(source, {"k": source.present})
        assert timed.snapshot.error
        assert not timed.snapshot.readings
        assert timed.seconds < TIMEOUT_S + MARGIN_S

    def test_no_value_survives_the_source(self, source: SourceUnderTest) -> None:
        specs = {source.present.name: source.present}
        assert source.sensor.read(specs, source.now).values(specs, source.now) == {source.present.name: 42.0}
        source.vanish()
        snapshot = source.sensor.read(specs, source.now)
        assert snapshot.values(specs, source.now) == {source.present.name: None}
        assert snapshot.absence(source.present, source.now) is Absence.UNREACHABLE
