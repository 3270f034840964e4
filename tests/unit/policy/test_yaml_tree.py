import pytest
import yaml

from homeostat.policy import yaml_tree
from homeostat.policy.yaml_tree import Data, Document, read_yaml


def read(text: str) -> Document:
    return read_yaml(text, "f.yaml")


def faults(text: str) -> list[str]:
    return [f"{problem.position.line}:{problem.position.column} {problem.code}" for problem in read(text).problems]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("on", "on"),
        ("yes", "yes"),
        ("No", "No"),
        ("1:30", "1:30"),
        ("2027-03-01", "2027-03-01"),
        ("12", 12),
        ("-7", -7),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("5%", "5%"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("''", ""),
    ],
)
def test_scalars_are_those_of_the_yaml_1_2_core_schema(written: str, value: Data) -> None:
    document = read(f"a: {written}\n")
    assert document.problems == []
    assert document.data == {"a": value}
    assert isinstance(document.data, dict)
    assert type(document.data["a"]) is type(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", ["3:1 E103"]),
        ("a: {b: 1, b: 2}\n", ["1:11 E103"]),
        ("a: &x 1\n", ["1:4 E102"]),
        ("a: *x\n", ["1:4 E102"]),
        ("a: !!python/object:os.system x\n", ["1:4 E102"]),
        ("a: !thing {b: 1}\n", ["1:4 E102"]),
        ("<<: {a: 1}\n", ["1:1 E102"]),
        ("a: 1\n---\nb: 2\n", ["2:1 E102"]),
        ("a: .nan\n", ["1:4 E112"]),
        ("a: 1e999\n", ["1:4 E112"]),
        ("a: 9007199254740993\n", ["1:4 E112"]),
        ("1: a\n", ["1:1 E112"]),
        ("true: a\n", ["1:1 E112"]),
        ("? [a]\n: b\n", ["1:3 E112"]),
        ("a: [1\n", ["2:1 E101"]),
        ("a:\n\tb: 1\n", ["2:1 E101"]),
        ("a: b: c\n", ["1:5 E101"]),
        ("a: \x01\n", ["1:4 E101"]),
        ("a: \ud800\n", ["1:1 E101"]),
        ("", ["1:1 E100"]),
        ("# only a comment\n", ["1:1 E100"]),
    ],
)
def test_what_is_refused_is_refused_at_its_place(text: str, expected: list[str]) -> None:
    assert faults(text) == expected


def test_every_value_knows_its_place() -> None:
    document = read("top:\n  list:\n  - {if: a > 1, do: x}\n  text: >-\n    folded\n")
    assert str(document.at(("top", "list", 0, "do"))) == "f.yaml:3:21"
    assert str(document.key_at(("top", "list", 0, "do"))) == "f.yaml:3:17"
    assert str(document.at(("top", "list", 0, "missing"))) == "f.yaml:3:5"
    assert str(document.inside(("top", "list", 0, "if"), 4)) == "f.yaml:3:14"
    assert document.inside(("top", "text"), 2) is None


def test_places_inside_quoted_text_count_the_quote() -> None:
    assert str(read('if: "a > 1"\n').inside(("if",), 4)) == "f.yaml:1:10"


def test_depth_and_size_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert faults("[" * 51 + "]" * 51) == ["1:51 E104"]
    assert faults("[" * 50 + "]" * 50) == []
    monkeypatch.setattr(yaml_tree, "VALUES_MAX", 100)
    assert faults("[" + "1," * 200 + "]") == ["1:200 E104"]


def test_the_pure_python_reader_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["a: {b: [1, x], c: 'q'}\n", "a: 1\na: 2\n", "- 1\n- {x: >-\n    y}\n", "a: on\nb: |\n  t\n"]
    with_c = [(read(text).data, faults(text)) for text in texts]
    monkeypatch.setattr(yaml_tree, "_LOADER", yaml.SafeLoader)
    assert [(read(text).data, faults(text)) for text in texts] == with_c


@pytest.mark.parametrize("text", ['a: {expr: up{job="x"}}\n', "a: {expr: rate(up[5m])}\n", "a: [rate(up[5m])]\n"])
def test_promql_inside_braces_is_told_to_be_quoted(text: str) -> None:
    (problem,) = read(text).problems
    assert problem.code == "E101"
    assert problem.message.endswith("; put text with braces, commas or colons in quotes")
