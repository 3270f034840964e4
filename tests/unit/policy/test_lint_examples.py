from datetime import date
from pathlib import Path

import pytest

from homeostat.policy.codes import CODES
from homeostat.policy.lint import Report, lint_all
from homeostat.policy.lint_examples import ELSEWHERE, PEOPLE, TRIED, Example, page, policy_text
from homeostat.policy.lint_examples_errors import ERRORS
from homeostat.policy.lint_examples_warnings import WARNINGS

DOCUMENT = Path(__file__).parents[3] / "docs/lint.md"
EXAMPLES = {**ERRORS, **WARNINGS}


def codes_of(folder: Path, example: Example, keys: str) -> set[str]:
    for name, text in example.files.items():
        (folder / name).write_text(text)
    path = folder / "shop.homeostat.yaml"
    path.write_text(policy_text(keys))
    reports: list[Report] = lint_all([path], today=date(2026, 11, 27), people=PEOPLE, tried=TRIED)
    return {finding.problem.code for finding in reports[0].findings}


def test_every_code_has_an_example_and_only_the_longest_is_left_out() -> None:
    assert list(EXAMPLES) == [code for code in CODES if code not in ELSEWHERE]
    assert [code for code, example in EXAMPLES.items() if not example.bad] == ["E152"]


@pytest.mark.parametrize("code", [code for code, example in EXAMPLES.items() if example.bad])
def test_the_wrong_example_gives_exactly_its_code(tmp_path: Path, code: str) -> None:
    assert codes_of(tmp_path, EXAMPLES[code], EXAMPLES[code].bad) == {code}


@pytest.mark.parametrize("code", list(EXAMPLES))
def test_the_right_example_gives_none(tmp_path: Path, code: str) -> None:
    assert codes_of(tmp_path, EXAMPLES[code], EXAMPLES[code].good) == set()


def test_the_page_is_what_the_code_draws() -> None:
    assert DOCUMENT.read_text() == page(EXAMPLES), "draw it anew: python tools/draw_documents.py"
