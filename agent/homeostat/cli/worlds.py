"""What `compare` and `simulate --world` share: loading a world, and running a policy through its incidents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.workers import with_progress

if TYPE_CHECKING:
    from homeostat.model.policy import Policy
    from homeostat.parallel import Workers
    from homeostat.simulate.bench.trial import Trial
    from homeostat.simulate.bench.world import World

COUNT_DEFAULT = 100
COUNT_MAX = 1_000_000


def world_for(path: Path, policies: Sequence[Policy]) -> World:
    """Load a world, and warn of names that it and the policies do not share.

    Raises:
        PolicyError: the world is wrong.
    """
    from homeostat.simulate.bench.world import load_world

    world = load_world(path, policies)
    for told in world.names_not_shared(policies):
        click.echo(f"{path}: {told}", err=True)
    return world


def trials_of(policy: Policy, world: World, count: int, seed: int, workers: Workers) -> list[Trial]:
    """Run a policy through the incidents of a world, with a progress bar on a terminal."""
    from homeostat.simulate.bench.trial import run_trials

    trials = run_trials(policy, world, count, seed, workers)
    return with_progress(trials, count, policy.name)
