"""Whatever comes from outside is taken, or refused with a word and a place; it breaks nothing and takes no time.

`python -m benchmarks.fuzz --parser NAME` runs as many cases as one likes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.outside.parsers import PARSERS, Parse, Parser, check, mutant
from tests.unit.outside.served import SERVED

ALL: dict[str, Parser] = {**PARSERS, **{parser.name: parser for parser in SERVED}}
MUTANTS_S = 0.4
"""Of this much time there are mutants of each parser's inputs, always the same ones in the same order."""

Opened = tuple[Parser, Parse]


@pytest.fixture(scope="module", params=sorted(ALL))
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    parser = ALL[request.param]
    with parser.opened(tmp_path_factory.mktemp("fuzz")) as parse:
        yield parser, parse


def test_the_right_inputs_are_accepted(opened: Opened) -> None:
    parser, parse = opened
    assert parser.seeds
    for seed in parser.seeds:
        assert check(parse, seed).accepted, seed[:200]


def test_mutants_are_accepted_or_refused(opened: Opened) -> None:
    parser, parse = opened
    accepted, cases, until = 0, 0, time.monotonic() + MUTANTS_S
    while time.monotonic() < until or not 0 < accepted < cases:
        content = mutant(parser, cases, 1)
        try:
            accepted += check(parse, content).accepted
        except Exception as error:
            raise AssertionError(f"case {cases}: {error!r}\n{content[:500]!r}") from error
        cases += 1
        assert cases < 20_000, "mutants that are all alike test nothing"


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=st.one_of(st.binary(max_size=300), st.text(max_size=100).map(str.encode)))
def test_anything_at_all_is_refused(opened: Opened, content: bytes) -> None:
    _, parse = opened
    check(parse, content)
