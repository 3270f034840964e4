"""No bytes whatever make a parser raise, and none take more than their length."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.sense.alerts.deliveries import alertmanager, grafana, opsgenie, pagerduty
from tests.unit.sense.alerts.test_mappings import MAPPING, PAYLOAD

from homeostat.app.alert_intake import AlertIntake
from homeostat.record.codec import CODEC
from homeostat.sense.alerts import AlertRefusal, Format, Refusal, parse
from homeostat.sense.alerts.generic import AlertMapping
from homeostat.sense.alerts.ready_made import READY_MADE

WAYS: list[tuple[Format, AlertMapping | None]] = [
    *((form, None) for form in Format if form is not Format.GENERIC),
    (Format.GENERIC, MAPPING),
    *((Format.GENERIC, mapping) for mapping in READY_MADE.values()),
]

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner)
)


def check(body: bytes) -> None:
    for form, mapping in WAYS:
        found = parse("here", form, body, mapping)
        if isinstance(found, Refusal):
            assert found.reason in AlertRefusal
            assert str(found).isprintable()
            continue
        intake = AlertIntake()
        assert intake.take([(alert, ()) for alert in found.alerts], {})
        for entry in intake.collect(1.0):
            CODEC.encode(entry)  # which reads it back


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes(body: bytes) -> None:
    check(body)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(value=anything)
def test_any_json(value: Any) -> None:
    check(json.dumps(value).encode())


def places_in(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, inner in items for place in places_in(inner, (*at, key)))]


SEEDS = [
    (seed, place)
    for seed in (alertmanager(), grafana(), pagerduty(), opsgenie(), PAYLOAD)
    for place in places_in(seed)[1:]
]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.sampled_from(SEEDS), value=anything)
def test_a_delivery_in_which_one_value_is_another(seed: tuple[Any, tuple[Any, ...]], value: Any) -> None:
    payload, (*parents, last) = json.loads(json.dumps(seed[0])), seed[1]
    inner = payload
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    check(json.dumps(payload).encode())


@pytest.mark.parametrize(
    "unit",
    [b'"', b'\\"', b"[", b"{", b"[]", b'"\\', b"9", b'{"a":', b'"a",', b" ", b"a:b,"],
)
def test_work_grows_with_the_length_and_not_its_square(unit: bytes) -> None:
    """A hundred times the length may take four hundred times as long, where a square would take ten thousand."""

    def took_s(length: int) -> float:
        body = b'["' + unit * (length // len(unit))
        began = time.process_time()
        for form, mapping in ((Format.ALERTMANAGER, None), (Format.GENERIC, READY_MADE["datadog"])):
            parse("here", form, body, mapping)
        return time.process_time() - began

    assert took_s(400_000) < 400 * max(took_s(4_000), 5e-4)
