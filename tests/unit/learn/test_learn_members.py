"""Members: the check-suite for each, what it catches, and what is particular to one."""

from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from homeostat.learn.costs import Cost
from homeostat.learn.features import Floats
from homeostat.learn.fitting import Declared, fit_node
from homeostat.learn.members import newton
from homeostat.learn.members.checks import MemberBroken, check_member, draw_samples
from homeostat.learn.members.hierarchical import Hierarchical
from homeostat.learn.members.latent import LatentCauses
from homeostat.learn.members.logistic import Logistic
from homeostat.learn.members.member import Member
from homeostat.learn.members.pooled import OWN_SD, PooledLogistic, design_matrix
from homeostat.learn.members.registry import ENTRY_POINTS, MEMBERS, all_members
from homeostat.learn.samples import Samples
from homeostat.learn.scoring import cause_beliefs, expit, member_logits
from homeostat.model.errors import UsageError
from homeostat.model.ranking import Feature, LinearModel, MemberModel


@pytest.mark.parametrize("member", [PooledLogistic(), LatentCauses(), Hierarchical(), Logistic()], ids=lambda m: m.name)
def test_every_member_passes_the_checks(member: Member) -> None:
    check_member(member)


@dataclass
class Faulty:
    """A hierarchical member with one fault."""

    fault: str
    name: str = "faulty"
    quick: bool = True
    fits: int = 0

    def fit(self, samples: Samples, previous: MemberModel | None = None) -> LinearModel:
        self.fits += 1
        model = Hierarchical().fit(samples)
        if self.fault == "writes":
            samples.weight[:] = 1.0
        if self.fault == "counts calls":
            model = Hierarchical().fit(replace(samples, weight=samples.weight * self.fits))
        if self.fault == "weights ignored":
            model = Hierarchical().fit(replace(samples, weight=np.ones(len(samples))))
        if self.fault == "learns nothing":
            model = Hierarchical().fit(samples.take(slice(0, 0)))
        intercepts = list(model.intercepts)
        if self.fault == "not finite":
            intercepts[0] = float("nan")
        if self.fault == "forgets one":
            intercepts.pop()
        if self.fault == "leans on the earlier model" and isinstance(previous, LinearModel):
            intercepts = [each + 1.0 for each in intercepts]
        name = "other" if self.fault == "misnamed" else self.name
        return LinearModel(name, tuple(intercepts), model.weights, model.failed)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("misnamed", "called 'other'"),
        ("not finite", "no plain numbers"),
        ("forgets one", "'candidates': 3"),
        ("counts calls", "do not give the same numbers"),
        ("weights ignored", "weight 1e-9"),
        ("learns nothing", "better than a mean"),
        ("leans on the earlier model", "as `previous`"),
    ],
)
def test_the_checks_catch(fault: str, told: str) -> None:
    with pytest.raises(MemberBroken, match="faulty") as caught:
        check_member(Faulty(fault))
    assert told in str(caught.value)


def test_the_checks_catch_a_member_that_writes_to_its_samples() -> None:
    with pytest.raises(ValueError, match="read-only"):
        check_member(Faulty("writes"))


def chances_of(model: MemberModel, samples: Samples) -> Floats:
    return expit(member_logits(model, samples.columns, samples.failed))[np.arange(len(samples)), samples.candidate]


def test_pooled_is_sklearns_ridge_logistic_regression() -> None:
    samples = draw_samples(120, seed=4)
    samples = replace(samples, weight=np.random.default_rng(5).uniform(0.1, 2.0, len(samples)))
    columns = np.hstack([samples.columns, samples.failed])
    design = design_matrix(columns[:, np.ptp(columns, axis=0) > 0], samples.candidate, samples.candidates)
    library = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-8)
    library.fit(design, samples.succeeded, sample_weight=samples.weight)
    ours = chances_of(PooledLogistic().fit(samples), samples)
    np.testing.assert_allclose(ours, library.predict_proba(design)[:, 1], rtol=0, atol=1e-8)


def test_pooled_is_the_maximum_a_posteriori_of_the_model_as_written_with_its_covariance() -> None:
    """Newton's method on all parameters at once, dense; the marginal covariance of each candidate's own."""
    samples = draw_samples(60, seed=6)
    columns = np.hstack([samples.columns, samples.failed])
    varies = np.ptp(columns, axis=0) > 0
    columns, count = columns[:, varies], samples.candidates
    own = [columns * (samples.candidate == place)[:, None] for place in range(count)]
    design = np.hstack([np.ones((len(samples), 1)), np.eye(count)[samples.candidate], columns, *own])
    width = columns.shape[1]
    precision = np.array([0.0] + [1.0] * count + [100.0] * width + [OWN_SD**-2] * count * width)
    parameters = np.zeros(design.shape[1])
    for _ in range(30):
        p = expit(design @ parameters)
        curvature = (design * (p * (1.0 - p))[:, None]).T @ design + np.diag(precision)
        parameters += np.linalg.solve(curvature, design.T @ (samples.succeeded - p) - precision * parameters)
    found = PooledLogistic().fit_posterior(samples)
    np.testing.assert_allclose(chances_of(found.model(), samples), expit(design @ parameters), rtol=0, atol=1e-8)
    covariance = design @ np.linalg.inv(curvature) @ design.T
    points = np.column_stack([np.ones(len(samples)), samples.columns, samples.failed])
    variances = np.einsum("nd,nde,ne->n", points, found.covariance[samples.candidate], points)
    np.testing.assert_allclose(variances, np.diag(covariance), rtol=1e-6)


def test_rows_in_blocks_give_what_rows_at_once_give(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = draw_samples(200, seed=7)
    at_once = PooledLogistic().fit_posterior(samples)
    monkeypatch.setattr(newton, "BLOCK_ROWS", 17)
    monkeypatch.setattr(newton, "CACHED_MAX", 0)
    in_blocks = PooledLogistic().fit_posterior(samples)
    np.testing.assert_allclose(in_blocks.mean, at_once.mean, rtol=0, atol=1e-9)
    np.testing.assert_allclose(in_blocks.covariance, at_once.covariance, rtol=0, atol=1e-9)


def test_an_earlier_model_that_is_far_off_does_no_harm() -> None:
    """Where all is certain there is no curvature, and a Newton step would lead anywhere."""
    samples = draw_samples(60, seed=8)
    far = PooledLogistic().fit(samples)
    far = LinearModel(far.name, tuple(each + 25.0 for each in far.intercepts), far.weights, far.failed)
    cold, warm = PooledLogistic().fit(samples), PooledLogistic().fit(samples, far)
    np.testing.assert_allclose(chances_of(warm, samples), chances_of(cold, samples), rtol=0, atol=1e-8)


def test_latent_causes_learn_from_what_failed_without_a_parameter_for_it() -> None:
    """Two causes that look alike: once the cure of one has failed, it is the other."""
    random = np.random.default_rng(9)
    rows: list[tuple[int, int, bool, bool]] = []
    for incident in range(200):
        cause = int(random.integers(2))
        for place, candidate in enumerate(random.permutation(2).tolist()):
            rows.append((incident, candidate, candidate == cause, place == 1))
            if candidate == cause:
                break
    numbers, candidate, works, second = (np.array(each) for each in zip(*rows, strict=True))
    failed = np.zeros((len(rows), 2), dtype=bool)
    failed[second, 1 - candidate[second]] = True
    columns, seconds, harmful = np.zeros((len(rows), 0)), np.full(len(rows), 60.0), np.zeros(len(rows), dtype=bool)
    weight = np.ones(len(rows))
    samples = Samples(columns, failed, candidate, works, weight, numbers, seconds, works, harmful, 2)
    model = LatentCauses().fit(samples)
    nothing, none, first = np.zeros((1, 0)), np.array([[False, False]]), np.array([[True, False]])
    rates = [works[~second & (candidate == place)].mean() for place in (0, 1)]
    assert expit(member_logits(model, nothing, none))[0] == pytest.approx(rates, abs=0.06)
    assert expit(member_logits(model, nothing, first))[0, 1] > 0.8
    assert cause_beliefs(model, nothing, first).max() > 0.8


def test_hierarchical_rates_are_shrunk_counts() -> None:
    samples = draw_samples(50, seed=10)
    bare = replace(samples, columns=np.zeros((len(samples), 0)))
    model = Hierarchical().fit(bare)
    overall = (samples.succeeded.sum() + 1) / (len(samples) + 2)
    for candidate in range(samples.candidates):
        own = samples.succeeded[samples.candidate == candidate]
        rate = (own.sum() + 2 * overall) / (len(own) + 2)
        assert expit(np.array(model.intercepts))[candidate] == pytest.approx(rate)


class Stranger(PooledLogistic):
    name = "stranger"


def entry_point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, ENTRY_POINTS)


def test_a_plugins_member_joins_and_one_that_cannot_is_named() -> None:
    here = "tests.unit.learn.test_learn_members"
    joined = all_members([entry_point("stranger", f"{here}:Stranger")])
    assert [member.name for member in joined] == ["pooled", "latent", "stranger"]
    with pytest.raises(UsageError, match=r"the member 'gone' \(nowhere:Gone\) cannot be loaded"):
        all_members([entry_point("gone", "nowhere:Gone")])
    with pytest.raises(UsageError, match="is named 'pooled', as another is"):
        all_members([entry_point("twice", "homeostat.learn.members.pooled:PooledLogistic")])


def test_a_plugins_member_is_in_what_is_fitted() -> None:
    samples = draw_samples(120, seed=4)
    declared = [Declared(f"c{place}", Cost(60.0, 120.0), 600.0) for place in range(samples.candidates)]
    features = (Feature("a"), Feature("b", categories=("x", "y")))
    node = fit_node(samples, features, declared, members=(*MEMBERS, Stranger()))
    assert [model.name for model in node.members][:2] == ["pooled", "latent"]
    assert len(node.members) == len(node.stack.weights) == 3
