"""What every member must pass, a plugin's too: call `check_member(YourMember())` in a test of yours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace

import msgspec
import numpy as np

from homeostat.decide import scoring as live
from homeostat.learn.features import Floats
from homeostat.learn.members.member import Member
from homeostat.learn.samples import Samples
from homeostat.learn.scoring import expit, member_logits
from homeostat.model.ranking import Candidate, Feature, LinearModel, MemberModel, NodeRanking, Stack

CANDIDATES, CATEGORIES = 4, 3
PROBABILITY_TOLERANCE = 0.01
GAIN_MIN_NATS = 0.1


class MemberBroken(AssertionError):
    """A member does not do what `Member` promises."""


def check_member(member: Member) -> None:
    """Run all checks.

    Raises:
        MemberBroken: naming the member, the samples and what is wrong.
    """
    _demand(member, bool(member.name.strip()), "any samples", "it has no name")
    for what, samples in awkward_samples():
        _check_numbers(member, what, samples)
        _check_repeatable(member, what, samples)
    usual = draw_samples(300, seed=1)
    _check_live_scores(member, usual)
    _check_weights(member, usual)
    _check_previous(member, usual)
    _check_learns(member, draw_samples(600, seed=2), draw_samples(300, seed=3))


def draw_samples(incidents: int, seed: int) -> Samples:
    """Incidents whose category tells which of the candidates works; the last candidate half works, always."""
    random = np.random.default_rng(seed)
    rows: list[tuple[Floats, list[int], int, bool, int]] = []
    for incident in range(incidents):
        category = int(random.integers(CATEGORIES))
        columns = np.concatenate([random.normal(size=2), np.eye(CATEGORIES + 1)[category]])
        failed: list[int] = []
        for candidate in random.permutation(CANDIDATES).tolist():
            chance = 0.5 if candidate == CATEGORIES else 0.9 if candidate == category else 0.1
            works = bool(random.random() < chance)
            rows.append((columns, list(failed), candidate, works, incident))
            if works:
                break
            failed.append(candidate)
    flags = np.zeros((len(rows), CANDIDATES), dtype=bool)
    for row, (_, failed, _, _, _) in enumerate(rows):
        flags[row, failed] = True
    succeeded = np.array([row[3] for row in rows], dtype=bool)
    return Samples(
        columns=np.array([row[0] for row in rows]).reshape(len(rows), 3 + CATEGORIES),
        failed=flags,
        candidate=np.array([row[2] for row in rows], dtype=np.intp),
        succeeded=succeeded,
        weight=np.ones(len(rows)),
        incident=np.array([row[4] for row in rows], dtype=np.intp),
        seconds=np.full(len(rows), 60.0),
        verified=succeeded,
        harmful=np.zeros(len(rows), dtype=bool),
        candidates=CANDIDATES,
    )


def awkward_samples() -> Iterator[tuple[str, Samples]]:
    """Samples that a member must survive, each with a name."""
    some = draw_samples(30, seed=0)
    every = np.arange(len(some))
    yield "no samples", some.take(slice(0, 0))
    yield "one sample", some.take(slice(0, 1))
    yield "only successes", some.take(some.succeeded)
    yield "only failures", some.take(~some.succeeded)
    yield "candidates that were never tried", some.take(some.candidate < 2)
    yield "no context", replace(some, columns=np.zeros((len(some), 0)))
    yield "columns that never vary", replace(some, columns=np.ones_like(some.columns))
    yield "columns at their bounds", replace(some, columns=np.where(some.columns > 0, 5.0, -5.0))
    yield "hardly any weight", replace(some, weight=np.full(len(some), 1e-9))
    yield "the same again and again", some.take(np.zeros_like(every))


def _check_numbers(member: Member, what: str, samples: Samples) -> None:
    model = member.fit(_frozen(samples))
    _demand(member, model.name == member.name, what, f"its model is called '{model.name}'")
    try:
        text = msgspec.json.encode(model)
        again = msgspec.json.decode(text, type=MemberModel)
    except (msgspec.MsgspecError, TypeError) as error:
        raise _broken(member, what, f"its model is no plain numbers: {error}") from error
    _demand(member, again == model, what, "its model does not survive JSON, which knows no NaN and no infinity")
    width = samples.columns.shape[1]
    shapes = _shapes(model)
    wanted = {"candidates": samples.candidates, "columns": width}
    _demand(member, shapes == wanted, what, f"its model is of {shapes}, the samples of {wanted}")
    chances = expit(member_logits(model, np.zeros((1, width)), np.zeros((1, samples.candidates), dtype=bool)))
    inside = bool(np.all((chances > 0.0) & (chances < 1.0)))
    _demand(member, inside, what, f"a probability is not between 0 and 1: {chances.round(3).tolist()}")


def _check_repeatable(member: Member, what: str, samples: Samples) -> None:
    same = member.fit(_frozen(samples)) == member.fit(_frozen(samples))
    _demand(member, same, what, "the same samples do not give the same numbers")


def _check_live_scores(member: Member, samples: Samples) -> None:
    model = member.fit(_frozen(samples))
    together = expit(member_logits(model, samples.columns, samples.failed))
    unnamed = tuple(Candidate(str(place), 1.0, 1.0) for place in range(samples.candidates))
    node = NodeRanking((Feature("unused"),), unnamed, (model,), Stack(0.0, (1.0,)))
    for row in range(0, len(samples), 17):
        failed = np.flatnonzero(samples.failed[row]).tolist()
        alone = live.success_probabilities(node, samples.columns[row].tolist(), failed)
        same = bool(np.allclose(alone, together[row], rtol=0, atol=1e-9))
        _demand(member, same, "usual samples", f"the live scorer says {alone} and not {together[row].tolist()}")


def _check_weights(member: Member, samples: Samples) -> None:
    """Trials that hardly count must not matter, whatever they say."""
    lies = replace(samples, succeeded=~samples.succeeded, weight=np.full(len(samples), 1e-9))
    lies = replace(lies, incident=samples.incident + int(samples.incident.max()) + 1)
    joined = {
        field.name: np.concatenate([getattr(samples, field.name), getattr(lies, field.name)])
        for field in fields(samples)
        if field.name != "candidates"
    }
    both = Samples(**joined, candidates=samples.candidates)
    apart = _apart(samples, member.fit(_frozen(samples)), member.fit(_frozen(both)))
    _demand(member, apart < PROBABILITY_TOLERANCE, "trials of weight 1e-9", f"they move a probability by {apart:.3f}")


def _check_previous(member: Member, samples: Samples) -> None:
    cold = member.fit(_frozen(samples))
    for what, earlier in (
        ("a model of most of the samples", samples.take(slice(0, len(samples) * 9 // 10))),
        ("a model of other columns", replace(samples, columns=samples.columns[:, :2])),
        ("a model of none", samples.take(slice(0, 0))),
    ):
        warm = member.fit(_frozen(samples), member.fit(_frozen(earlier)))
        apart = _apart(samples, cold, warm)
        told = f"given as `previous` it moves a probability by {apart:.3f}"
        _demand(member, apart < PROBABILITY_TOLERANCE, what, told)


def _check_learns(member: Member, samples: Samples, unseen: Samples) -> None:
    model = member.fit(_frozen(samples))
    chosen = (np.arange(len(unseen)), unseen.candidate)
    chances = expit(member_logits(model, unseen.columns, unseen.failed))[chosen]
    usual = float(samples.succeeded.mean())
    gained = _log_loss(np.full(len(unseen), usual), unseen) - _log_loss(chances, unseen)
    told = f"it foretells unseen ones only {gained:.3f} nats better than a mean"
    _demand(member, gained > GAIN_MIN_NATS, "600 incidents", told)


def _log_loss(chances: Floats, samples: Samples) -> float:
    return -float(np.log(np.where(samples.succeeded, chances, 1.0 - chances)).mean())


def _apart(samples: Samples, one: MemberModel, other: MemberModel) -> float:
    chances = [expit(member_logits(model, samples.columns, samples.failed)) for model in (one, other)]
    return float(np.abs(chances[0] - chances[1]).max())


def _shapes(model: MemberModel) -> dict[str, int]:
    if isinstance(model, LinearModel):
        return {"candidates": len(model.intercepts), "columns": len(model.weights[0]) if model.weights else 0}
    return {"candidates": len(model.success[0]), "columns": len(model.gate_weights[0])}


def _frozen(samples: Samples) -> Samples:
    """The same, in arrays that cannot be written to."""
    copies = {field.name: getattr(samples, field.name) for field in fields(samples) if field.name != "candidates"}
    for name, array in copies.items():
        copies[name] = array.copy()
        copies[name].setflags(write=False)
    return Samples(**copies, candidates=samples.candidates)


def _demand(member: Member, holds: object, what: str, otherwise: str) -> None:
    if not holds:
        raise _broken(member, what, otherwise)


def _broken(member: Member, what: str, otherwise: str) -> MemberBroken:
    return MemberBroken(f"member '{member.name}', given {what}: {otherwise}")
