import random
from datetime import date
from pathlib import Path

import pytest

from homeostat.model.errors import PolicyError
from homeostat.model.policy import Choose
from homeostat.policy.lint import lint
from homeostat.policy.load import load_policies, load_policy, load_policy_sources, policy_paths
from homeostat.simulate.sandbox.remedies import REMEDIES

FOLDER = Path(__file__).parents[3] / "policies"
PATHS = policy_paths(FOLDER)
BEFORE_REVIEW = date(2026, 11, 23)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_they_are_clean(path: Path) -> None:
    report = lint(path, today=BEFORE_REVIEW)
    assert [str(finding) for finding in report.findings] == []
    assert report.worst_case is not None


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_they_come_back_from_their_sources(path: Path) -> None:
    policy = load_policy(path)
    assert load_policy_sources(policy.sources, path.name) == policy


def test_all_load_together() -> None:
    policies, problems = load_policies(FOLDER)
    assert problems == []
    assert set(policies) == {"payments-5xx", "shop-restore"}


def test_the_payments_policy_fits_the_plant() -> None:
    policy = load_policy(FOLDER / "payments-5xx.homeostat.yaml")
    for leaf in policy.leaves.values():
        remedy = REMEDIES[leaf.action.name]
        assert (leaf.action.actuator, leaf.target) == ("plant", remedy.target)
        assert set(leaf.arguments) <= set(remedy.arguments)
        assert leaf.action.takes_s == remedy.takes_s
        assert leaf.timeout_s >= 3 * remedy.takes_s
    (choose,) = [node for node in policy.nodes() if isinstance(node, Choose)]
    assert choose.id == "remedy"
    assert len(choose.children) >= 5


WORDS = [
    *("{", "}", "]", ": ", "- ", "null", "&a ", "*a", "!!str ", "|", "\t", "'", '"', "%", "-1", "1e999", "\0", "é"),
    *("if", "dag:", "try:", "else:", "5%", "30s", "<<: ", "#", "---\n", "not ", "(" * 150, "[" * 70, "x" * 1500),
]


def mutated(text: str, rng: random.Random) -> str:
    start = rng.randrange(len(text))
    end = min(len(text), start + rng.choice((1, 3, 10, 80)))
    lines = text.split("\n")
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(6):
        case 0:
            return text[:start] + text[end:]
        case 1:
            return text[:start] + rng.choice(WORDS) + text[start:]
        case 2:
            return text[:start] + rng.choice(WORDS) + text[end:]
        case 3:
            lines[one], lines[other] = lines[other], lines[one]
        case 4:
            lines[one] = " " * rng.randrange(6) + lines[one].lstrip()
        case _:
            return text[:start] + chr(rng.randrange(0x3000)) + text[start + 1 :]
    return "\n".join(lines)


@pytest.mark.parametrize("seed", range(200))
def test_a_damaged_policy_loads_or_is_explained(seed: int) -> None:
    rng = random.Random(seed)
    path = rng.choice(PATHS)
    sources = dict(load_policy(path).sources)
    for _ in range(rng.choice((1, 1, 3))):
        name = rng.choice(sorted(sources))
        sources[name] = mutated(sources[name], rng) or " "
    try:
        load_policy_sources(sources, path.name)
    except PolicyError as error:
        problems = error.problems
    else:
        return
    assert problems
    for problem in problems:
        assert problem.position.file in sources
        assert min(problem.position.line, problem.position.column) >= 1
        assert problem.message.isprintable()
