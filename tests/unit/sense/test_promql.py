from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from promql_parser import VectorSelector, parse

from homeostat.sense.promql import DEPTH_MAX, EXPRESSION_BYTES_MAX, quoted, read_expression, selector_text


@pytest.mark.parametrize(
    "expr", ["up", "sum(rate(x[5m]))", "vector(1)", "a or b", "x > 1", "1 + x", "-x", "(x)", "absent(x)"]
)
def test_a_vector_is_asked_as_it_is_written(expr: str) -> None:
    assert read_expression(expr).query == expr


@pytest.mark.parametrize(
    "expr", ["1", "time()", "scalar(x)", "-1", "(2)", "1 + 2 * time()", "1 > bool 2", "pi()", "0/0"]
)
def test_a_scalar_is_wrapped(expr: str) -> None:
    assert read_expression(expr).query == f"vector({expr}\n)"


@pytest.mark.parametrize(
    ("expr", "why"),
    [
        ("x[5m]", "range vector"),
        ("x[5m:1m]", "range vector"),
        ("(x[5m])", "range vector"),
        ("'text'", "string"),
        ("", "no expression"),
        ("  ", "no expression"),
        ("sum(", "unclosed"),
        ("x) or (y", "unexpected right parenthesis"),
        ("x, y", "invalid"),
        ('up\n,"__sig","0","","") or label_replace(up', "not PromQL"),
        ("nosuch(x)", "unknown function"),
        ("\ud800", "surrogates"),
        ("x\0", "unexpected character"),
        ("x + " * 2000 + "x", "bytes long"),
        ("-" * 100_000 + "x", "bytes long"),
        ("(" * (DEPTH_MAX + 1) + "x" + ")" * (DEPTH_MAX + 1), "levels deep"),
        ("-" * 1000 + "x", "levels deep"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_reason(expr: str, why: str) -> None:
    expression = read_expression(expr)
    assert expression.query == ""
    assert expression.refusal is not None
    assert why in expression.refusal


def test_the_longest_expression_is_read() -> None:
    name = "x" * EXPRESSION_BYTES_MAX
    assert read_expression(name).query == name
    assert read_expression(name + "x").refusal is not None


def test_a_carriage_return_ends_a_comment_for_us_as_it_does_for_prometheus() -> None:
    assert read_expression("a # first\r or b").selectors == ("a", "b")
    assert "\r" not in read_expression("a\r\n+\rb").query


@pytest.mark.parametrize(
    ("expr", "selectors"),
    [
        ("up", ["up"]),
        ("sum by (a) (rate(x{a='b'}[5m] offset 1h @ 100))", ['x{a="b"}']),
        ("x / x offset 1d", ["x"]),
        ("max_over_time(rate(x[1m])[5m:10s])", ["x"]),
        ("topk(scalar(k), x)", ["k", "x"]),
        ("quantile(0.9, x) / on(a) group_left(b) y", ["x", "y"]),
        ("a or vector(0)", ["a"]),
        ("absent(x)", ["x"]),
        ("time() - x", ["x"]),
        ("clamp_max(-(x), scalar(y))", ["x", "y"]),
        ("vector(1)", []),
        ("time()", []),
        ("{__name__=~'a|b', c!='d', e!~'f'}", ['{__name__=~"a|b",c!="d",e!~"f"}']),
        ('{"a.b"}', ['{__name__="a.b"}']),
        ('x{"my.label"="v"}', ['x{"my.label"="v"}']),
        ("x{a='b' or c='d'}", ['x{a="b" or c="d"}']),
        ("x @ end()", ["x"]),
        ("a unless b", ["a", "b"]),
    ],
)
def test_selectors_are_found_everywhere_and_stripped(expr: str, selectors: list[str]) -> None:
    assert list(read_expression(expr).selectors) == selectors


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_a_labels_value_cannot_leave_its_string(value: str) -> None:
    selector = (
        parse(f"x{{a={quoted(value)},b!~{quoted(value)}}}") if _is_regex(value) else parse(f"x{{a={quoted(value)}}}")
    )
    assert isinstance(selector, VectorSelector)
    again = parse(selector_text(selector))
    assert isinstance(again, VectorSelector)
    assert [(one.name, one.value) for one in again.matchers.matchers] == [
        (one.name, one.value) for one in selector.matchers.matchers
    ]
    assert again.matchers.matchers[0].value == value


def _is_regex(value: str) -> bool:
    try:
        parse(f"x{{b!~{quoted(value)}}}")
    except ValueError:
        return False
    return True


@given(st.text(max_size=200))
def test_no_text_is_an_exception(text: str) -> None:
    expression = read_expression(text)
    assert bool(expression.query) is (expression.refusal is None)
