"""Series as text: `metric{label="value"}`, as Prometheus and OpenMetrics write them.

Format: https://prometheus.io/docs/concepts/data_model/#notation, with the escapes of the OpenMetrics 1.0 text format.
"""

from __future__ import annotations

import re

Labels = tuple[tuple[str, str], ...]
"""Sorted pairs, the metric's name among them as `__name__`; a label without a value is no label."""

METRIC_NAME = "__name__"
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\\n]|\\.)*)"\s*')
_ESCAPE = re.compile(r"\\(.)")
_WRITTEN = {"n": "\n", '"': '"', "\\": "\\"}
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class SeriesNameFault(ValueError):
    """What is wrong with a series' name, `offset` characters from its beginning."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


def read_series_name(text: str, start: int = 0) -> tuple[Labels, int]:
    """Read a series' name that begins at `start`; give its labels, and where it ends.

    Raises:
        SeriesNameFault: there is none, or it is malformed.
    """
    metric = _METRIC.match(text, start)
    if metric is None:
        raise SeriesNameFault('a series is written as in requests_total{code="500"}', start)
    labels = {METRIC_NAME: metric[0]}
    end = metric.end()
    if text[end : end + 1] == "{":
        end = _read_labels(text, end + 1, labels)
    return tuple(sorted((name, value) for name, value in labels.items() if value)), end


def whole_series_name(text: str) -> Labels:
    """Read a text that is a series' name and nothing else.

    Raises:
        SeriesNameFault: it is not.
    """
    labels, end = read_series_name(text)
    if end != len(text):
        raise SeriesNameFault("the series' name has ended here", end)
    return labels


def _read_labels(text: str, at: int, labels: dict[str, str]) -> int:
    """Read what stands in the braces into `labels`; give the place after the closing one."""
    while text[at : at + 1] != "}":
        found = _LABEL.match(text, at)
        if found is None:
            raise SeriesNameFault('a label is written as in code="500", and the last is followed by }', at)
        if found[1] in labels:
            raise SeriesNameFault(f"the label {found[1]!r} is there twice", found.start(1))
        labels[found[1]] = _ESCAPE.sub(_unescaped, found[2])
        at = found.end()
        if text[at : at + 1] == ",":
            at += 1
        elif text[at : at + 1] != "}":
            raise SeriesNameFault("a comma or } is due here", at)
    return at + 1


def _unescaped(escape: re.Match[str]) -> str:
    return _WRITTEN.get(escape[1], escape[0])


def write_series_name(labels: Labels) -> str:
    """Write a series, its labels in order of their names."""
    metric = dict(labels).get(METRIC_NAME, "")
    inside = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels if name != METRIC_NAME)
    return f"{metric}{{{inside}}}" if inside else metric
