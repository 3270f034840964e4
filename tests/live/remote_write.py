"""Writes samples into a real Prometheus, staleness markers and all, by remote write 1.0.

Protocol: https://prometheus.io/docs/concepts/remote_write_spec/ (protobuf in a Snappy block).
Needs `--web.enable-remote-write-receiver`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import requests

SeriesSamples = tuple[str, Mapping[str, str], Sequence[tuple[float, float]]]


def remote_write(url: str, series: Sequence[SeriesSamples]) -> None:
    """Send all samples in one request."""
    message = b"".join(_field(1, _time_series(*each)) for each in series)
    headers = {
        "Content-Encoding": "snappy",
        "Content-Type": "application/x-protobuf",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }
    response = requests.post(f"{url}/api/v1/write", data=_snappy(message), headers=headers, timeout=20)
    if response.status_code != 204:
        raise RuntimeError(f"remote write refused: {response.status_code} {response.text}")


def _time_series(metric: str, labels: Mapping[str, str], points: Sequence[tuple[float, float]]) -> bytes:
    pairs = sorted({"__name__": metric, **labels}.items())
    parts = [_field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in pairs]
    parts += [
        _field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(round(at * 1000))) for at, value in points
    ]
    return b"".join(parts)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _snappy(content: bytes) -> bytes:
    """A Snappy block of literals only: correct, not small."""
    out = [_varint(len(content))]
    for start in range(0, len(content), 65_536):
        chunk = content[start : start + 65_536]
        out += [b"\xf4", struct.pack("<H", len(chunk) - 1), chunk]
    return b"".join(out)
