"""The JSON envelope of Prometheus' HTTP API, taken apart with nothing lost and nothing believed.

Format: https://prometheus.io/docs/prometheus/latest/querying/api/#format-overview
"""

from __future__ import annotations

import math
import re
from typing import TypeVar

import msgspec

from homeostat.model.errors import SensorError
from homeostat.sense.excerpt import excerpt

Shape = TypeVar("Shape")

_NOTHING = msgspec.Raw(b"null")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")
_SPECIAL = {"NaN": math.nan, "+Inf": math.inf, "Inf": math.inf, "-Inf": -math.inf}


class Series(msgspec.Struct, frozen=True):
    """One series of an instant vector. `value` is (evaluation time, sample); None for a native histogram."""

    metric: dict[str, str]
    value: tuple[float, str] | None = None

    def number(self) -> float | None:
        """The sample as a float, infinities and NaN included; None when there is no number in it."""
        if self.value is None:
            return None
        text = self.value[1]
        if text in _SPECIAL:
            return _SPECIAL[text]
        # float() alone would take "1_0", " 1 " and digits of other scripts.
        return float(text) if _NUMBER.fullmatch(text) else None


class Data(msgspec.Struct, frozen=True):
    """What a query yields; the shape of `result` hangs on `resultType`."""

    resultType: str  # noqa: N815 - the API's name
    result: msgspec.Raw


class Envelope(msgspec.Struct, frozen=True):
    """The answer's outer shape, also of errors."""

    status: str
    data: msgspec.Raw = _NOTHING
    errorType: str = ""  # noqa: N815 - the API's name
    error: str = ""
    warnings: list[str] | None = None
    infos: list[str] | None = None


_ENVELOPE = msgspec.json.Decoder(Envelope)
_DATA = msgspec.json.Decoder(Data)
_VECTOR = msgspec.json.Decoder(list[Series])
_SCALAR = msgspec.json.Decoder(tuple[float, str])


def decode_envelope(body: bytes) -> Envelope:
    """Take the outer shape off.

    Raises:
        SensorError: it is not JSON, is cut short, or has another shape.
    """
    return _decode(_ENVELOPE, body, "the answer")


def decode_vector(data: msgspec.Raw) -> list[Series]:
    """Give the series of an instant vector.

    Raises:
        SensorError: the result is something else.
    """
    kind = _decode(_DATA, data, "the answer's data")
    if kind.resultType != "vector":
        raise SensorError(f"the answer is a {excerpt(kind.resultType, 40)}, not a vector")
    return _decode(_VECTOR, kind.result, "the answer's result")


def decode_scalar(data: msgspec.Raw) -> float:
    """Give the value of a scalar.

    Raises:
        SensorError: the result is something else.
    """
    kind = _decode(_DATA, data, "the answer's data")
    if kind.resultType != "scalar":
        raise SensorError(f"the answer is a {excerpt(kind.resultType, 40)}, not a scalar")
    number = Series({}, _decode(_SCALAR, kind.result, "the answer's result")).number()
    if number is None:
        raise SensorError("the answer's scalar is not a number")
    return number


def _decode(decoder: msgspec.json.Decoder[Shape], body: bytes | msgspec.Raw, what: str) -> Shape:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise SensorError(f"{what} is JSON of another shape: {excerpt(str(error))}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SensorError(f"{what} is not JSON: {excerpt(str(error))}") from None
    except RecursionError:
        raise SensorError(f"{what} is JSON nested without end") from None
