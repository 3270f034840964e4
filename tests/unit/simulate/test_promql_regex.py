from __future__ import annotations

import pytest

from homeostat.simulate.sandbox.promql import BadQuery, NotSupported
from homeostat.simulate.sandbox.promql.regex import PATTERN_LENGTH_MAX, compile_anchored, expand


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("", [""], ["a"]),
        ("a|bc", ["a", "bc"], ["ab", "b"]),
        ("5..", ["500"], ["50", "5000"]),
        (".*", ["", "x"], ["a\nb"]),
        ("(?s).*", ["a\nb"], []),
        ("(?i)api|DB", ["API", "db"], ["x"]),
        ("a(?i:b)", ["aB"], ["AB"]),
        (r"\d+", ["12"], ["\N{ARABIC-INDIC DIGIT ONE}"]),
        (r"\w\s", ["a "], ["a\v", "é "]),
        (r"a\.b\-c", ["a.b-c"], ["axb-c"]),
        ("[]a]", ["]", "a"], ["b"]),
        ("[^a-c]", ["d"], ["b"]),
        ("[a&&b]", ["&", "a"], ["c"]),
        ("[[a]", ["[", "a"], ["b"]),
        (r"[\s.]", [" ", "."], ["\v", "x"]),
        ("a{2}", ["aa"], ["a", "aaa"]),
        ("a{,2}", ["a{,2}"], ["aa"]),
        ("{a}", ["{a}"], ["a"]),
        ("a$", ["a"], ["a\n"]),
        ("^a", ["a"], ["ba"]),
        ("(?:ab)+?", ["abab"], ["aba"]),
        ("(?P<x>a)b", ["ab"], ["a"]),
        (r"a\z", ["a"], ["a\n"]),
    ],
)
def test_patterns_mean_what_re2_makes_of_them(pattern: str, matching: list[str], other: list[str]) -> None:
    compiled = compile_anchored(pattern)
    assert [text for text in matching if not compiled.fullmatch(text)] == []
    assert [text for text in other if compiled.fullmatch(text)] == []


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        ")",
        "[a",
        "*",
        "a**",
        "a|*",
        "(+)",
        "a{3,2}",
        "a{1001}",
        r"\8"[:1],
        r"\q",
        "(?=a)",
        "(?<!a)",
        "[b-a]",
        "a++",
    ],
)
def test_bad_patterns(pattern: str) -> None:
    with pytest.raises(BadQuery, match="error parsing regexp") as raised:
        compile_anchored(pattern)
    assert not isinstance(raised.value, NotSupported)


@pytest.mark.parametrize(
    "pattern",
    [
        r"\1", r"\x61", r"\pL", r"\Qa\E", "[[:alpha:]]", r"[\S]", "(?m)a", "(?U)a", "(a+)+", "(a|a)*", "(?:a*){3}",
        "^*", "a" * (PATTERN_LENGTH_MAX + 1),
    ],
)  # fmt: skip
def test_what_may_mean_something_else_is_refused(pattern: str) -> None:
    with pytest.raises(NotSupported):
        compile_anchored(pattern)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("$1", "ab"),
        ("${1}c", "abc"),
        ("$1c", ""),
        ("$$1", "$1"),
        ("$0-$2-$3", "ab:9-9-"),
        ("$port", "9"),
        ("$01", ""),
        ("100$", "100$"),
        ("${", "${"),
        ("$ 1", "$ 1"),
    ],
)
def test_templates(template: str, text: str) -> None:
    found = compile_anchored("(.*):(?P<port>.*)").fullmatch("ab:9")
    assert found is not None
    assert expand(template, found) == text
