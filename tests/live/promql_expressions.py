"""Expressions over the metrics of `promql_samples`: one list by family, and a seeded grammar."""

from __future__ import annotations

import random

FAMILIES: dict[str, list[str]] = {
    "literals": [
        "1", "-1", "1e3", "0x1f", ".5", "Inf", "-Inf", "NaN", "1 + 2 * 3", "2 ^ 3 ^ 2", "-1 ^ 2", "-(2) ^ 2", "10 % 3",
        "-10 % 3", "10 % -3", "5 % 0", "1 / 0", "-1 / 0", "0 / 0", "0 ^ -1", "(-8) ^ (1 / 3)", "(-2) ^ -3", "1e200 ^ 2",
        "(-1e200) ^ 3", "1 > bool 2", "2 == bool 2", "NaN == bool NaN", "NaN != bool NaN", "1 <= bool 1", "1 < bool 1",
        "Inf % 2", "2 % Inf", "1e21", "1e-7", "123456789.123", "1e20", "0.000001", "100000", "-0",
        '"text"', "'a\\'b'", "`raw\\n`", '"\\u00e9\\x41\\101"', "time()", "time() - 1700000000", "vector(7)",
        "scalar(vector(3)) + 1", "scalar(load)", 'scalar(pool_size{job="api"})', "vector(time())", "-vector(1)",
        "1 + vector(2)", "vector(1) == 1", "vector(1) > 2", "3 < vector(4)", "vector(NaN) > 1", "-time()",
        "1 # a comment", "+1", "+vector(1)", "--1", "2 - -1", "1 == bool 1 == bool 1",
    ],
    "selectors": [
        "up", "requests_total", "plain", "missing", 'up{job="api"}', 'up{job!="api"}', 'up{job=~"a.*"}',
        'up{job!~"a.*"}', 'up{job=~"api|db"}', 'up{job=~""}', 'up{job=~"ap"}', 'up{nothing=""}', 'up{nothing!=""}',
        'up{job=~".+",instance!="db:80"}', '{__name__="up"}', '{__name__=~"up|pool_size"}', '{job="api",code="500"}',
        '{__name__=~".*_total",job="db"}', 'requests_total{code=~"5.."}', 'requests_total{code=~"5(00|03)"}',
        'requests_total{code=~"[2-4]\\\\d\\\\d"}', 'requests_total{code=~"\\\\w{3}",job=~"(?i)API"}', "ends_early",
        "starts_late", 'starts_late{note=~".*quoted.*"}', 'starts_late{note=~"(?s).*quoted.*"}', "odd_gauge",
        "up offset 1m", "up offset -1m", "up offset 20m", "load @ 1700001000", "load @ 1700001000.5 offset 30s",
        "load offset 30s @ 1700001000", "up @ start()", "up @ end()", "up @ 0", "load @ 1700002999",
        'up{job="api"} @ 1700001500 - up{job="api"}', 'small{Upper="x"}', 'load{zone=~"e|west"}', 'up{job=~"^api$"}',
        'up{job=~"ap[^a-h]"}', 'up{job=~"a{1}pi"}', 'up{job=~"(?:api)?"}', 'build_info{version=~"1\\\\.api"}',
    ],
    "ranges": [
        "load[30s]", 'requests_total{code="500"}[1m]', "odd_gauge[1m]", "missing[1m]", "load[30s] offset 1m",
        "load[30s] @ 1700001000", "load[1s]", "plain[5m:1m]", "(plain > 0)[5m:30s]", "plain[5m:1m] offset 30s",
        "plain[3m:1m] @ 1700001000", "plain[90s:7s]", "sum by (zone) (load)[2m:20s]", "plain[5m:]",
    ],
    "over time": [
        f"{function}({selector}[{window}])"
        for function in (
            "rate", "irate", "increase", "delta", "idelta", "deriv", "changes", "resets", "avg_over_time",
            "min_over_time", "max_over_time", "sum_over_time", "count_over_time", "last_over_time",
            "present_over_time", "stddev_over_time", "stdvar_over_time",
        )
        for selector, window in (
            ("requests_total", "1m"), ("requests_total", "7m"), ("odd_gauge", "40s"), ("load", "2m"),
            ("pool_size", "5m"), ("small", "33s"), ("ends_early", "10m"), ("plain", "6s"),
        )
    ],
    "over time, more": [
        "rate(requests_total[1m] offset 3m)", "rate(requests_total[1m] offset -20s)",
        "rate(requests_total[5m] @ 1700001234)", "increase(requests_total[5m] @ 1700001234 offset 1m)",
        "delta(load[5m] @ end())", "rate(missing[1m])", 'rate({__name__=~"requests_total"}[1m])',
        'rate({job="api"}[1m])', 'last_over_time({job="api"}[1m])', "rate(plain[10m:30s])",
        "max_over_time(rate(requests_total[1m])[5m:30s])", "avg_over_time((load > 0)[5m:15s])",
        "rate(requests_total[10m:1m] offset 2m)", "increase(requests_total[10m:1m] @ 1700002000)",
        "quantile_over_time(0.9, load[2m])", "quantile_over_time(0, load[2m])", "quantile_over_time(1.2, load[2m])",
        "quantile_over_time(-1, load[2m])", "quantile_over_time(NaN, load[2m])",
        "quantile_over_time(0.5, odd_gauge[2m])",
        "deriv(load[2m] offset 1m)", "deriv(odd_gauge[1m])", "deriv(load[2m] @ 1700001000)",
        "absent_over_time(missing[1m])",
        'absent_over_time(missing{job="x",a=~"y"}[1m])', "absent_over_time(up[1m])", "absent_over_time(ends_early[1m])",
        "sum_over_time(plain[5m:1s])", "changes(up[10m])", "resets(requests_total[40m])", "rate(requests_total[45m])",
        "max_over_time(max_over_time(load[1m])[5m:1m])", "count_over_time(up[5m:])", "deriv(pool_size[5m])",
        "min_over_time(sum(load)[5m:20s])", "rate((sum(requests_total))[5m:20s])", "-rate(requests_total[1m])",
    ],
    "aggregations": [
        f"{aggregation}{grouping}({vector})"
        for aggregation in ("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar")
        for grouping in ("", " by (job)", " without (code)", " by (zone, missing)", " without ()", " by ()")
        for vector in ("requests_total", "odd_gauge", "rate(requests_total[2m])")
    ],
    "aggregations, more": [
        "topk(2, load)", "bottomk(2, load)", "topk(1, load) by (zone)", "topk by (zone) (1, odd_gauge)",
        "bottomk by (zone) (2, odd_gauge)", "topk(3, odd_gauge)", "bottomk(3, odd_gauge)", "topk(0, load)",
        "topk(-1, load)", "topk(100, load)", "topk(1.9, load)", "topk(NaN, load)", "topk(1e30, load)",
        "topk(2, small)", "bottomk(3, small)", "topk(4, small)", "topk(2, pool_size)", "bottomk(5, up)",
        "topk(scalar(vector(2)), load)", "topk(Inf, missing)", "topk(2, requests_total) without (code)",
        "quantile(0.5, load)", "quantile by (zone) (0.9, load)", "quantile(-1, load)", "quantile(2, load)",
        "quantile(NaN, load)", "quantile(0.3, odd_gauge)", "quantile(0.5, missing)", 'count_values("v", small)',
        'count_values("v", odd_gauge)', 'count_values by (zone) ("v", small)',
        'count_values without (instance) ("v", up)',
        'count_values("zone", small)', 'count_values("not-a-label", small)', "sum by (__name__) (up)",
        'count by (__name__) ({job="api"})', "sum(missing)", "sum(sum by (job) (up))", "max(load) - min(load)",
        "sum(load > 0)", "count(load > 1000)", "sum by (job, job) (up)", "avg(plain)", "sum without (__name__) (up)",
    ],
    "arithmetic": [
        f"{left} {operator} {right}"
        for operator in ("+", "-", "*", "/", "%", "^")
        for left, right in (
            ("load", "2"), ("2", "load"), ("load", "odd_gauge"), ("odd_gauge", "0"), ("0", "odd_gauge"),
            ("small", "small"), ("small", "-3"),
        )
    ],
    "comparisons": [
        f"{left} {operator} {right}"
        for operator in (
            "==", "!=", ">", "<", ">=", "<=", "== bool", "!= bool", "> bool", "< bool", ">= bool", "<= bool",
        )
        for left, right in (
            ("load", "0"), ("0", "load"), ("small", "odd_gauge"), ("odd_gauge", "odd_gauge"), ("up", "1"),
        )
    ],
    "sets": [
        f"{left} {operator} {right}"
        for operator in (
            "and", "or", "unless", "and on (job)", "or on (job)", "unless on (job)", "and ignoring (code)",
            "or ignoring (code, instance)", "unless ignoring (code, instance)", "and on ()", "or on ()", "unless on ()",
        )
        for left, right in (
            ("requests_total", "up"), ("up", "requests_total"), ("up == 1", "up"), ("missing", "up"), ("up", "missing"),
            ("load", "odd_gauge"),
        )
    ],
    "matching": [
        "requests_total / on (job) group_left pool_size", "requests_total / ignoring (code) group_left pool_size",
        "pool_size * on (job) group_right requests_total", "pool_size > on (job) group_right requests_total",
        "requests_total > on (job) group_left pool_size", "requests_total > bool on (job) group_left pool_size",
        "requests_total * on (job) group_left (version) build_info",
        "build_info * on (job) group_right (version) requests_total",
        "up * on (job) group_left (version) build_info", "up * on (job) build_info",
        "up * ignoring (instance) pool_size",
        "up * ignoring (instance) build_info", "up + on (job) requests_total", "requests_total + on (job) up",
        "requests_total + on (job) requests_total", "requests_total + requests_total",
        "up == on (job) pool_size", "up != on (job) pool_size", "up != ignoring (instance) pool_size",
        "up < bool on (job) pool_size", "pool_size - on (job) group_left up", "load - on (instance) small",
        "load > on (zone) small", "sum by (job) (requests_total) / on (job) up",
        'requests_total{code="500"} / ignoring (code) requests_total{code="200"}',
        'sum by (job) (rate(requests_total{code=~"5.."}[2m])) / sum by (job) (rate(requests_total[2m]))',
        "requests_total * on (job) group_left (missing) build_info", "missing + up", "up + missing", "up + on () plain",
        "load + on () group_left plain", "plain + on () group_right load", "up == on (job, instance) up",
        "requests_total * on (job) group_left (instance) up", "up * on (__name__) up", "pool_size > on (__name__) up",
        "load % on (instance) group_left small", "load * on (zone) group_left small",
        'requests_total * on (code) group_left (job) requests_total{job="api"}',
        'requests_total > on (code) group_left (job) requests_total{job="api"}',
        "up == bool up", "up == up", "up > on (job) up", '{__name__=~"up|pool_size"} * 1',
        '{__name__=~"up|pool_size",job="api"} + on (job) {__name__=~"up|pool_size",job="api"}',
        '{__name__=~"load|small"} * on (instance) group_left plain',
        '{__name__=~"load|small"} * on () group_left plain', "load + on () plain", "plain + on () load",
        "1 - up", "up - 1 > 0", "(load > 0) + (load < 0)", "load == load + 0", "2 ^ small ^ 2", "-small ^ 2",
        "-(small ^ 2)",
        '-{__name__=~"up|pool_size",job="api"}', "-up", "-(-up)", "+up",
    ],
    "functions": [
        *(
            f"{function}({vector})"
            for function in ("abs", "ceil", "floor", "round", "exp", "ln", "log2", "log10", "sqrt", "sgn")
            for vector in ("load", "odd_gauge", "small")
        ),
        "round(load, 5)", "round(load, 0.1)", "round(odd_gauge, 0)", "round(load, -3)", "clamp(load, -5, 5)",
        "clamp(load, 5, -5)", "clamp(odd_gauge, -1, 1)", "clamp(odd_gauge, NaN, 1)", "clamp_min(load, 0)",
        "clamp_max(load, 0)", "clamp_min(odd_gauge, NaN)", "clamp_max(odd_gauge, -Inf)", "clamp_min(load, Inf)",
        "clamp_min(load, scalar(plain))", "timestamp(load)", "timestamp(load > 0)", "timestamp((load))",
        "timestamp(load offset 1m)", "timestamp(load @ 1700001000)", "timestamp(vector(1))", "timestamp(sum(load))",
        "timestamp(missing)", "time() - timestamp(up)", "max(timestamp(up))", "timestamp(ends_early)",
        "timestamp(timestamp(up))", "sort(load)", "sort_desc(load)", "sort(odd_gauge)", "sort_desc(odd_gauge)",
        "sort(small)", "sort_desc(small)", "sort(missing)", "absent(up)", "absent(missing)", "absent(ends_early)",
        'absent(missing{job="a",job="b",c="d",e=~"f"})', "absent(sum(missing))", 'absent((missing{job="a"}))',
        "absent(up > 1)", 'absent(missing{job="a"} offset 1m)', 'abs({__name__=~"up|pool_size",job="api"})',
        'sgn({__name__=~"load|small"})', 'timestamp({__name__=~"load|small"})', "scalar(up) or vector(1)",
        "vector(scalar(plain))",
    ],
    "labels": [
        'label_replace(up, "host", "$1", "instance", "(.*):.*")', 'label_replace(up, "host", "x", "", "")',
        'label_replace(up, "job", "", "job", ".*")', 'label_replace(up, "job", "same", "job", ".*")',
        'label_replace(up, "instance", "${1}-$2x-${2}x-$$-$3-$name", "instance", "(\\\\w+):(\\\\d+)")',
        'label_replace(up, "host", "${who}!", "instance", "(?P<who>.*):80")',
        'label_replace(up, "x", "$0", "job", "a.*")',
        'label_replace(up, "x", "$1", "job", "(d|a).*")', 'label_replace(up, "x", "y", "job", "nothing")',
        'label_replace(up, "__name__", "down", "job", "api")', 'label_replace(up, "__name__", "", "job", "api")',
        'label_replace(up, "bad-name", "x", "job", "api")', 'label_replace(up, "x", "y", "job", "(")',
        'label_replace(missing, "x", "y", "job", "(")', 'label_replace(missing, "bad-name", "y", "job", ".*")',
        'label_replace(up, "x", "$1$", "job", "(a)?.*")', 'label_replace(up, "x", "$01", "job", "(.*)")',
        'label_replace(up, "x", "$ 1", "job", "(.*)")', 'label_replace(up, "x", "$1", "no_label", "(.*)")',
        'label_replace(vector(1), "x", "y", "", "")', 'label_replace(up, "x", "é", "", "")',
        'label_replace(label_replace(up, "a", "b", "", ""), "c", "$1$1", "a", "(.*)")',
        'label_join(up, "x", "-", "job", "instance")', 'label_join(up, "x", "-")', 'label_join(up, "x", "", "job")',
        'label_join(up, "job", ",", "missing", "missing")', 'label_join(up, "bad-name", ",", "job")',
        'label_join(up, "instance", "", "missing")', 'label_join(up, "x", ",", "bad-name")',
        'label_join(requests_total, "code", "")', 'sum by (x) (label_replace(up, "x", "$1", "job", "(.).*"))',
    ],
    "histograms": [
        *(f"histogram_quantile({rank}, latency_bucket)" for rank in ("0.5", "0.99", "0", "1", "-1", "2", "NaN")),
        "histogram_quantile(0.9, rate(latency_bucket[5m]))", "histogram_quantile(0.9, rate(latency_bucket[10s]))",
        "histogram_quantile(0.9, sum by (le) (rate(latency_bucket[5m])))",
        "histogram_quantile(0.9, sum by (le, job) (increase(latency_bucket[2m])))",
        'histogram_quantile(0.9, latency_bucket{le!="+Inf"})', 'histogram_quantile(0.9, latency_bucket{le="+Inf"})',
        'histogram_quantile(0.9, latency_bucket{le=~"1|.Inf"})', "histogram_quantile(0.9, up)",
        'histogram_quantile(0.5, label_replace(latency_bucket, "le", "-$1", "le", "(0.05)"))',
        'histogram_quantile(0.5, label_replace(latency_bucket, "le", "2.50", "le", "1"))',
        'histogram_quantile(0.5, label_replace(latency_bucket, "le", "junk", "le", "1"))',
        "histogram_quantile(0.5, -latency_bucket)", "histogram_quantile(0.5, latency_bucket * 0)",
        "histogram_quantile(0.5, missing)", "histogram_quantile(scalar(vector(0.3)), latency_bucket)",
        "histogram_quantile(0.5, latency_bucket / 0)", "histogram_quantile(0.5, latency_bucket - latency_bucket * NaN)",
    ],
    "errors": [
        "", " ", "up{", "up}", "up[", "up[5m", "(up", "up)", "up up", "1 2", "sum(", "sum()", "sum(1)", 'sum("a")',
        "rate(up)", "abs(up[5m])", "abs()", "abs(1)", "unknown_function(up)", "up + ", "+", "1 > 2", "time() > 1",
        "up and 1", "1 and 1", "up[5m] + 1", '"a" + 1', "-up[5m]", '-"a"', "sum(up[5m])", "up offset 1m offset 2m",
        "{}", '{job=""}', '{job=~".*"}', '{job!="a"}', "up @ abc", "up[0s]", "up[5m:0s]", "up[5m][5m]",
        "rate(up[5m])[5m:1m][5m:1m]", 'up{job="a"', "up{job}", "up{job=a}", 'up{1a="b"}', 'up{job=~"["}',
        'up{job=~"a(?=b)"}', 'up{job=~"*"}', 'up{job=~"a**"}', 'up{job=~"\\\\8"}', '"unclosed', "'unclosed", '"\\q"',
        "up + on(a) ignoring(b) up", "up and on(a) group_left up", "up + on(a) group_left(a) up", "up + bool up",
        "topk(up)", "topk(up, up)", "topk(1)", 'topk("a", up)', "quantile(up, 1)", "count_values(1, up)",
        "clamp(up, 1)", "round(up, 1, 2)", 'label_replace(up, "a", "b", "c")', "vector(up)", "scalar(1)", "time(1)",
        "histogram_quantile(up, up)", "absent(up[5m])", "é", "up\x00", "1e", "0x", "up[5m5]", "up offset 1.5m",
        'up{__name__="down"}', "sum by (1) (up)", "sum by job (up)", "bool", "on", "up @ 1 @ 2", "1 + on(a) 2",
        "up offset", "up[9999999y]", "up @ 1e400", "topk(1, 2)", "sort(1)", "up == bool 1 and", "!up",
        "up ! 1", "up =~ 1", "up = 1", "$x", "&", "up;up", "up, up", "(up, up)", "()", "sum by () ()",
    ],
    "whole conditions": [
        'sum(rate(requests_total{code=~"5.."}[2m])) / sum(rate(requests_total[2m])) > 0.05',
        "min(up) == 1 and on () sum(rate(requests_total[1m])) > 0", "sum(up) / count(up) < 1",
        'absent(up{job="api"}) or up{job="api"} == 0', "max by (job) (time() - timestamp(up)) < 30",
        "(load > 10) * 0 + 1 or (load <= 10) * 0", "avg_over_time(load[5m]) > 2 * stddev_over_time(load[5m])",
        "sum(requests_total) - sum(requests_total offset 5m)", "count(up == 0) or vector(0)",
        "1 - avg(avg_over_time(up[10m]))", "increase(requests_total[5m]) > on (job) group_left pool_size * 2",
    ],
}  # fmt: skip

REFUSED = [
    "load atan2 2", "timestamp(load @ 1700001000 offset 1m)", "predict_linear(load[2m], 60)", "day_of_month()",
    "hour(up)", "sin(load)", "pi()", "deg(load)", 'up{job=~"(a+)+pi"}', 'up{job=~"(?m)api"}', 'up{job=~"[[:alpha:]]+"}',
    'up{job=~"\\\\x61pi"}', "load @ -5", "(" * 300 + "up" + ")" * 300, "histogram_count(up)", "-" * 1500 + "up",
    'label_replace(up, "x", "y", "job", "(a+)+pi")', "up + " * 2500 + "up",
]  # fmt: skip
"""What Prometheus answers and the sandbox refuses by name."""

NEWER = ["1e400", "up offset 5", "up[300]", "5m", "load @ 1700001000 + 2m"]
"""What only the parser's newer grammar takes: it follows later releases (durations as numbers and back)."""

RANGE_ONLY_ERRORS = ["load[5m]", '"a"', "load[5m:1m]"]


STALENESS = [
    "requests_total", "requests_total offset 1m", "sum(requests_total)", "count(requests_total) or vector(0)",
    "absent(requests_total)", 'absent(requests_total{job="api"})', "timestamp(requests_total)", "requests_total[2m]",
    "rate(requests_total[1m])", "rate(requests_total[5m])", "increase(requests_total[7m])", "irate(requests_total[1m])",
    "count_over_time(requests_total[3m])", "last_over_time(requests_total[3m])", "avg_over_time(requests_total[3m])",
    "min_over_time(requests_total[3m])", "absent_over_time(requests_total[20s])", "changes(requests_total[5m])",
    "requests_total and on (job) up == 1", "up unless on (job) requests_total", "max_over_time(requests_total[5m:10s])",
    "count_over_time(requests_total[5m:10s])", "time() - timestamp(requests_total)", "topk(1, requests_total)",
    "requests_total @ end()", "rate(requests_total[3m] @ start())", "scalar(requests_total)",
    "requests_total == requests_total",
]  # fmt: skip


def batched(expressions: list[str]) -> str:
    """Join expressions the way the sensor sends them: one request, each element marked with its number."""
    return " or ".join(
        f'label_replace({expression}, "__sig", "{number}", "", "")' for number, expression in enumerate(expressions)
    )


SENSOR_SIGNALS = [
    'sum(rate(requests_total{code=~"5.."}[2m])) / sum(rate(requests_total[2m]))',
    "sum(rate(requests_total[2m]))",
    "min(up)",
    'up{job="api"}',
    "max(pool_size)",
    "histogram_quantile(0.99, sum by (le) (rate(latency_bucket[5m])))",
    "missing",
    "load",
    "0 * sum(up) / 0",
    "avg_over_time(plain[1m])",
    "build_info",
    'max_over_time(load{zone="east"}[1m]) > 0',
    "sum(increase(requests_total[10m]))",
    "count(up == 0) or vector(0)",
    "topk(1, load)",
]

FRESHNESS = [
    f"max(timestamp({metric}))" for metric in ("requests_total", "up", "pool_size", "latency_bucket", "ends_early")
]


def generated(seed: int, count: int, *, ties: bool = True) -> list[str]:
    """Draw expressions from a grammar. Most are valid; what is not must be refused by both sides alike.

    Without `ties` there is no topk or bottomk: over several steps Prometheus hands elements on in no fixed order,
    and so which of several equal ones it takes is left to chance.
    """
    grammar = _Grammar(random.Random(seed), ties=ties)
    return [grammar.vector(3) if grammar.chance.random() < 0.93 else grammar.scalar(3) for _ in range(count)]


def patterns(seed: int, count: int) -> list[str]:
    """Draw regular expressions over the letters of a few label values."""
    chance = random.Random(seed)
    return [chance.choice(["{}", ".*({}).*", "(?:.*?)({}).*"]).replace("{}", _pattern(chance, 2)) for _ in range(count)]


_CLASSES = (
    "[a-d]",
    "[^a-d]",
    "[au]+",
    "[]a]",
    "[-a]",
    "[a-]",
    r"[\w-]",
    "[A-Z]",
    r"[\d:]",
    "[^p&&i]",
    "[[a]",
    r"[\s:]",
)
_SPECIAL = (".", ".*", ".+", r"\w", r"\W", r"\d+", r"\b", r"\.", r"\:", r"\S", "^", "$", r"\z", r"\s", r"\x61", r"\q")
_LETTERS = ("a", "u", "api", "d", "db", "th", ":", "8", "0", "A", "{", "}", "]", "-")


def _pattern(chance: random.Random, depth: int) -> str:
    pieces = []
    for _ in range(chance.randrange(1, 4)):
        kind = chance.random()
        if depth > 0 and kind < 0.25:
            opening = chance.choice(["(", "(?:", f"(?P<n{chance.randrange(10**6)}>", "(?i:"])
            piece = f"{opening}{_pattern(chance, depth - 1)})"
        else:
            piece = chance.choice(_CLASSES if kind < 0.4 else _SPECIAL if kind < 0.65 else _LETTERS)
        pieces.append(
            piece + chance.choice(["", "", "", "", "*", "+", "?", "*?", "{1}", "{0,2}", "{2,}", "{,2}", "**"])
        )
    joined = "".join(pieces)
    return f"{joined}|{_pattern(chance, depth - 1)}" if depth > 0 and chance.random() < 0.3 else joined


class _Grammar:
    """Expressions of bounded depth."""

    METRICS = (
        "requests_total",
        "up",
        "pool_size",
        "load",
        "odd_gauge",
        "small",
        "plain",
        "ends_early",
        "latency_bucket",
    )
    LABELS = ("job", "code", "instance", "zone", "le", "missing")
    MATCHERS = (
        'job="api"', 'job!="api"', 'job=~"a.+"', 'code=~"5.."', 'zone!~"w.*"', 'instance=~"a|b|api:80"', 'missing=""',
    )  # fmt: skip
    RANGE_FUNCTIONS = (
        "rate", "irate", "increase", "delta", "changes", "resets", "avg_over_time", "min_over_time", "max_over_time",
        "sum_over_time", "count_over_time", "last_over_time", "stddev_over_time", "deriv", "idelta",
    )  # fmt: skip

    def __init__(self, chance: random.Random, *, ties: bool) -> None:
        self.chance = chance
        self.ties = ties

    def pick(self, *options: str) -> str:
        return self.chance.choice(options)

    def labels(self) -> str:
        return ", ".join(self.chance.sample(self.LABELS, self.chance.randrange(0, 3)))

    def shift(self) -> str:
        return self.pick("", "", "", " offset 45s", " offset -30s", " @ 1700001500", " @ end()", " @ start() offset 1m")

    def series(self) -> str:
        matchers = self.chance.sample(self.MATCHERS, self.chance.choice([0, 0, 1, 1, 2]))
        return self.pick(*self.METRICS) + ("{" + ",".join(matchers) + "}" if matchers else "")

    def ranged(self, depth: int) -> str:
        if depth > 0 and self.chance.random() < 0.25:
            return (
                f"({self.vector(depth - 1)})[{self.pick('2m', '5m')}:{self.pick('', '13s', '30s', '1m')}]{self.shift()}"
            )
        return f"{self.series()}[{self.pick('20s', '1m', '5m', '12m')}]{self.shift()}"

    def scalar(self, depth: int) -> str:
        if depth <= 0 or self.chance.random() < 0.6:
            return self.pick("0", "1", "-2", "0.5", "10", "1e3", "NaN", "Inf", "time()")
        if self.chance.random() < 0.5:
            return f"scalar({self.vector(depth - 1)})"
        operator = self.pick("+", "-", "*", "/", "%", "^", "> bool", "== bool")
        return f"({self.scalar(depth - 1)} {operator} {self.scalar(depth - 1)})"

    def vector(self, depth: int) -> str:
        if depth <= 0:
            return self.series() + self.shift()
        kinds = (self.selected, self.over_time, self.aggregated, self.operated, self.operated, self.called, self.ranked)
        return self.chance.choice(kinds)(depth - 1)

    def selected(self, depth: int) -> str:
        return self.series() + self.shift()

    def over_time(self, depth: int) -> str:
        return f"{self.pick(*self.RANGE_FUNCTIONS)}({self.ranged(depth)})"

    def aggregated(self, depth: int) -> str:
        name = self.pick("sum", "avg", "min", "max", "count", "stddev", "group")
        grouping = self.pick("", f" by ({self.labels()})", f" without ({self.labels()})")
        return f"{name}{grouping} ({self.vector(depth)})"

    def ranked(self, depth: int) -> str:
        name = self.pick("topk", "bottomk", "quantile") if self.ties else "quantile"
        number = self.pick("0.5", "0.9") if name == "quantile" else self.pick("1", "2", "5")
        return f"{name}{self.pick('', f' by ({self.labels()})')} ({number}, {self.vector(depth)})"

    def operated(self, depth: int) -> str:
        if self.chance.random() < 0.1:
            return f"-({self.vector(depth)})"
        operator = self.pick("+", "-", "*", "/", "%", "^", ">", "<", "==", "!=", ">= bool", "< bool")
        shape = self.chance.random()
        if shape < 0.25:
            return f"({self.vector(depth)}) {operator} {self.scalar(depth)}"
        if shape < 0.35:
            return f"{self.scalar(depth)} {operator} ({self.vector(depth)})"
        matching = self.pick("", f"on ({self.labels()})", f"ignoring ({self.labels()})")
        if shape < 0.6:
            return f"({self.vector(depth)}) {self.pick('and', 'or', 'unless')} {matching} ({self.vector(depth)})"
        if matching and self.chance.random() < 0.5:
            matching += f" {self.pick('group_left', 'group_right')} {self.pick('', '(version)')}"
        same = self.vector(depth)
        other = same if self.chance.random() < 0.4 else self.vector(depth)
        return f"({same}) {operator} {matching} ({other})"

    def called(self, depth: int) -> str:
        inner = self.vector(depth)
        return self.pick(
            f"abs({inner})",
            f"ceil({inner})",
            f"floor({inner})",
            f"round({inner}, {self.scalar(0)})",
            f"clamp({inner}, {self.scalar(0)}, {self.scalar(0)})",
            f"clamp_min({inner}, {self.scalar(depth)})",
            f"clamp_max({inner}, {self.scalar(depth)})",
            f"exp({inner})",
            f"ln({inner})",
            f"sqrt({inner})",
            f"sort({inner})",
            f"absent({inner})",
            f"timestamp(({inner}) * 1)",
            f"timestamp({self.series()}{self.pick('', ' offset 45s', ' @ 1700001500', ' @ end()')})",
            f"vector({self.scalar(depth)})",
            f'label_replace({inner}, "x", "$1", "{self.pick(*self.LABELS)}", "(.).*")',
            f'label_replace({inner}, "{self.pick(*self.LABELS)}", "{self.pick("y", "")}", "job", "a.*")',
            f"histogram_quantile({self.scalar(0)}, {inner})",
        )
