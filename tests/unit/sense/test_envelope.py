from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.model.errors import SensorError
from homeostat.sense.envelope import Series, decode_envelope, decode_scalar, decode_vector
from homeostat.sense.excerpt import excerpt


def data(result_type: str, result: object) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": result_type, "result": result}}).encode()


def test_a_vector_with_all_that_goes_with_it() -> None:
    body = b"""{"status": "success", "warnings": ["w"], "infos": ["i"], "unknown": 1, "data": {"resultType": "vector",
        "stats": {}, "result": [{"metric": {"a": "b"}, "value": [1.5, "2"]}]}}"""
    envelope = decode_envelope(body)
    assert (envelope.warnings, envelope.infos) == (["w"], ["i"])
    assert decode_vector(envelope.data) == [Series({"a": "b"}, (1.5, "2"))]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"<html>",
        b"[]",
        b"null",
        b"1",
        b'"success"',
        b"{}",
        b'{"status": 1}',
        b'{"status": "success", "warnings": "w"}',
        b'{"status": "success", "warnings": [1]}',
        b'{"status": "\xff"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"status": "success"} {"status": "error"}',
    ],
)
def test_other_outer_shapes_are_errors(body: bytes) -> None:
    with pytest.raises(SensorError, match="the answer is"):
        decode_envelope(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"status": "success"}',
        b'{"status": "success", "data": null}',
        b'{"status": "success", "data": []}',
        b'{"status": "success", "data": {"result": []}}',
        b'{"status": "success", "data": {"resultType": "vector"}}',
        data("matrix", []),
        data("string", [1, "x"]),
        data("scalar", [1, "1"]),
        data("vector", {}),
        data("vector", "x"),
        data("vector", [1]),
        data("vector", [{}]),
        data("vector", [{"metric": {"a": 1}, "value": [1, "1"]}]),
        data("vector", [{"metric": [], "value": [1, "1"]}]),
        data("vector", [{"metric": {}, "value": ["1", "1"]}]),
        data("vector", [{"metric": {}, "value": [1, 1]}]),
        data("vector", [{"metric": {}, "value": [1]}]),
        data("vector", [{"metric": {}, "value": [1, "1", "1"]}]),
        data("vector", [{"metric": {}, "value": "1"}]),
    ],
)
def test_other_inner_shapes_are_errors(body: bytes) -> None:
    with pytest.raises(SensorError, match="the answer"):
        decode_vector(decode_envelope(body).data)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0.0),
        ("-1.5", -1.5),
        ("1e+100", 1e100),
        ("5e-324", 5e-324),
        ("1.", 1.0),
        ("+Inf", math.inf),
        ("-Inf", -math.inf),
        ("1e999", math.inf),
    ],
)
def test_numbers(text: str, number: float) -> None:
    assert Series({}, (0.0, text)).number() == number


def test_not_a_number_is_a_number_of_its_own() -> None:
    number = Series({}, (0.0, "NaN")).number()
    assert number is not None
    assert math.isnan(number)


@pytest.mark.parametrize("text", ["", " 1", "1_000", "0x10", "nan", "infinity", "--1", "1,5", "\u0661", "true", "1 "])
def test_what_go_would_not_write_is_no_number(text: str) -> None:
    assert Series({}, (0.0, text)).number() is None


def test_a_native_histogram_is_no_number() -> None:
    body = data("vector", [{"metric": {}, "histogram": [1, {"count": "2", "sum": "3", "buckets": []}]}])
    assert decode_vector(decode_envelope(body).data)[0].number() is None


@given(st.floats(allow_nan=False))
def test_any_float_survives(number: float) -> None:
    text = "+Inf" if number == math.inf else "-Inf" if number == -math.inf else repr(number)
    body = data("scalar", [1, text])
    assert decode_scalar(decode_envelope(body).data) == number


@pytest.mark.parametrize(
    "body", [data("vector", []), data("scalar", [1, "x"]), data("scalar", [1]), data("scalar", {})]
)
def test_other_scalars_are_errors(body: bytes) -> None:
    with pytest.raises(SensorError):
        decode_scalar(decode_envelope(body).data)


@given(st.text(max_size=400), st.integers(4, 300))
def test_an_excerpt_is_short_and_on_one_line(text: str, length_max: int) -> None:
    line = excerpt(text, length_max)
    assert len(line) <= length_max
    assert line.isprintable()
