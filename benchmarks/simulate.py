"""How fast policies go through what was recorded and what is simulated, in one run.

- Conditions over whole frames beside the same conditions row by row: rows a second on one core, also with a window.
- Recorded ticks: every tick stepped through, beside stepping only where a frame's masks point.
- Whole incidents of a Monte-Carlo world, each decided by the production loop on a virtual clock, a second and core.
- Off-policy estimates over the same logged rows, beside the Open Bandit Pipeline (obp, PyPI), where a Python that has
  it is named. Only inverse propensity scoring, its self-normalised form and doubly robust are comparable: obp judges a
  single choice, not a search of several attempts. Its newest release, 0.5.7, asks for a Python before 3.11 and for
  torch, which these estimators do not use; so an environment of its own, and an empty `torch` in it:

      python -m venv .venv-obp
      .venv-obp/bin/pip install scikit-learn pandas pyyaml matplotlib seaborn tqdm
      .venv-obp/bin/pip install --no-deps --ignore-requires-python obp==0.5.7

    python -m benchmarks.simulate [--rows N] [--incidents N] [--jobs N] [--obp PYTHON]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from homeostat.learn.evaluation.estimators import doubly_robust, ips, snips
from homeostat.model.policy import Policy
from homeostat.model.signals import Reading, SignalSpec, Truth, Value
from homeostat.parallel import workers
from homeostat.policy.conditions import compile_condition, compile_masks
from homeostat.policy.load import load_policy
from homeostat.policy.vector import Columns, Masks
from homeostat.simulate.bench.trial import run_trials
from homeostat.simulate.bench.world import load_world
from homeostat.simulate.telemetry.detection import detect
from homeostat.simulate.telemetry.frame import Frame
from homeostat.simulate.telemetry.windows import satisfied

ROOT = Path(__file__).parents[1]
POLICY, WORLD = ROOT / "policies/payments-5xx.homeostat.yaml", ROOT / "policies/payments-5xx.world.yaml"
SIGNALS = {name: SignalSpec(name, "up", max_age_s=60.0) for name in ("errors", "rate", "latency", "replicas")}
CONDITIONS = (
    "errors > 5%",
    "errors > 5% and rate > 10",
    "errors / rate > 0.01 or latency > 500ms and not (replicas < 2)",
)
TICK_S = 15.0
FOR_S = 60.0
GAP_S = 120.0
SCALAR_ROWS = 200_000
ROUNDS = 5
ACTIONS = 5
LOGGED = 100_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--ticks", type=int, default=20_000, help="of the recording that is stepped through")
    parser.add_argument("--incidents", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--obp", type=Path, help="a Python that has obp")
    asked = parser.parse_args()
    conditions(asked.rows)
    recorded(asked.ticks)
    simulated(asked.incidents, asked.jobs)
    off_policy(asked.obp)
    return 0


def fastest_s(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """CPU seconds of the fastest round, on one core."""
    seconds = []
    for _ in range(rounds):
        begin = time.process_time()
        work()
        seconds.append(time.process_time() - begin)
    return min(seconds)


def columns(rows: int) -> dict[str, NDArray[np.float64]]:
    """Signals of which one sample in a hundred is missing."""
    luck = np.random.default_rng(1)
    drawn = {
        "errors": luck.exponential(0.02, rows),
        "rate": luck.normal(40, 20, rows),
        "latency": luck.exponential(0.2, rows),
        "replicas": luck.integers(1, 5, rows).astype(np.float64),
    }
    return {name: np.where(luck.random(rows) < 0.01, np.nan, values) for name, values in drawn.items()}


def conditions(rows: int) -> None:
    """Whole frames beside row by row, over the same values; the truths must be the same."""
    whole = columns(rows)
    times = np.arange(rows, dtype=np.float64) * TICK_S
    few = min(rows, SCALAR_ROWS)
    by_row: list[Mapping[str, Value]] = [
        {name: None if np.isnan(value) else value for name, value in zip(whole, values, strict=True)}
        for values in zip(*(column[:few].tolist() for column in whole.values()), strict=True)
    ]
    print("| condition | rows/s, row by row | rows/s, whole frames | ratio | rows/s with a window |")
    print("|---|---|---|---|---|")
    for text in CONDITIONS:
        masks, evaluate = compile_masks(text, SIGNALS), compile_condition(text, SIGNALS).evaluate
        true, false = masks(whole)
        truths = _each(evaluate, by_row)
        assert truths == [True if t else False if f else None for t, f in zip(true[:few], false[:few], strict=True)]
        row_rate = few / fastest_s(partial(_each, evaluate, by_row))
        frame_rate = rows / fastest_s(partial(masks, whole))
        window_rate = rows / fastest_s(partial(_held, masks, whole, times))
        ratio = frame_rate / row_rate
        print(f"| `{text}` | {row_rate:,.0f} | {frame_rate:,.0f} | {ratio:.1f} | {window_rate:,.0f} |", flush=True)


def _each(evaluate: Callable[[Mapping[str, Value]], Truth], rows: Sequence[Mapping[str, Value]]) -> list[Truth]:
    return [evaluate(values) for values in rows]


def _held(masks: Callable[[Columns], Masks], whole: Columns, times: NDArray[np.float64]) -> NDArray[np.bool_]:
    return satisfied(times, masks(whole)[0], FOR_S, GAP_S)


def recorded(ticks: int) -> None:
    """A long recording with an outage every 500 ticks, stepped through."""
    policy = load_policy(POLICY)
    frame = long_frame(policy, ticks)
    stepped, pointed = detect(policy, frame, every_tick=True), detect(policy, frame)
    assert stepped.found == pointed.found
    every_s = fastest_s(lambda: detect(policy, frame, every_tick=True), 3)
    masks_s = fastest_s(lambda: detect(policy, frame), 3)
    print(
        f"\nrecorded ticks a second: {ticks / every_s:,.0f} stepping through all, {ticks / masks_s:,.0f} stepping where"
        f" masks point ({every_s / masks_s:.1f} times); {len(stepped.confirmed())} incidents confirmed by both",
        flush=True,
    )


def long_frame(policy: Policy, ticks: int) -> Frame:
    at = [1_700_000_000 + tick * TICK_S for tick in range(ticks)]
    readings: dict[str, list[Reading]] = {}
    for name in policy.signals:
        ill = {"http_5xx": 0.2}.get(name, 50.0)
        well = {"http_5xx": 0.0}.get(name, 50.0)
        readings[name] = [Reading(ill if tick % 500 >= 480 else well, moment) for tick, moment in enumerate(at)]
    return Frame(at, dict(policy.signals), readings)


def simulated(incidents: int, jobs: int) -> None:
    """Whole incidents of the payments world: struck, noticed, acted on, verified, journalled in memory."""
    policy = load_policy(POLICY)
    world = load_world(WORLD, [policy])
    began, cpu_began = time.perf_counter(), time.process_time()
    with workers(jobs, None) as running:
        fates = [trial.fate.value for trial in run_trials(policy, world, incidents, 1, running)]
    seconds = time.perf_counter() - began
    core_s = time.process_time() - cpu_began if jobs == 1 else seconds * jobs
    told = ", ".join(f"{fates.count(fate)} {fate}" for fate in sorted(set(fates)))
    print(
        f"\n{incidents:,} Monte-Carlo incidents in {seconds:.1f} s on {jobs} processes, {incidents / core_s:,.0f} a"
        f" second and core: {told}",
        flush=True,
    )


OBP_SCRIPT = """
import json, sys, time, types
import numpy as np

class Empty(types.ModuleType):
    __path__ = []
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})

for name in ("torch", "torch.nn", "torch.nn.functional", "torch.optim", "torch.utils", "torch.utils.data", "pyieoe"):
    sys.modules[name] = Empty(name)
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, sys.modules[name])
from obp.ope import DoublyRobust, InverseProbabilityWeighting, SelfNormalizedInverseProbabilityWeighting
data = np.load(sys.argv[1])
n, k = data["judged"].shape
judged = data["judged"][:, :, None]
log = dict(reward=data["reward"], action=data["action"], pscore=data["pscore"], action_dist=judged)
answers = {}
for name, one, more in (
    ("ips", InverseProbabilityWeighting(), {}),
    ("snips", SelfNormalizedInverseProbabilityWeighting(), {}),
    ("dr", DoublyRobust(), {"estimated_rewards_by_reg_model": data["model"][:, :, None]}),
):
    seconds = []
    for _ in range(5):
        begin = time.process_time()
        value = one.estimate_policy_value(**log, **more)
        seconds.append(time.process_time() - begin)
    answers[name] = [float(value), min(seconds)]
print(json.dumps(answers))
"""


def off_policy(python: Path | None) -> None:
    """Three estimators over the same logged single choices, here and in obp."""
    luck = np.random.default_rng(2)
    logging = luck.dirichlet(np.ones(ACTIONS) * 2, LOGGED)
    judged = luck.dirichlet(np.ones(ACTIONS) * 2, LOGGED)
    action = (logging.cumsum(axis=1) < luck.random((LOGGED, 1))).sum(axis=1).clip(0, ACTIONS - 1)
    chance = np.linspace(0.2, 0.8, ACTIONS)
    reward = (luck.random(LOGGED) < chance[action]).astype(np.float64)
    model = np.clip(chance + luck.normal(0, 0.05, (LOGGED, ACTIONS)), 0, 1)
    rows = np.arange(LOGGED)
    pscore = logging[rows, action]

    def weight() -> NDArray[np.float64]:
        return np.asarray(judged[rows, action] / pscore)

    ours: dict[str, Callable[[], float]] = {
        "ips": lambda: ips(weight(), reward),
        "snips": lambda: snips(weight(), reward),
        "dr": lambda: doubly_robust(weight(), reward, model[rows, action], (judged * model).sum(axis=1)),
    }
    print("\n| estimator | estimate | rows/s | obp's estimate | obp's rows/s | ratio |\n|---|---|---|---|---|---|")
    theirs: dict[str, tuple[float, float]] = {}
    if python is not None:
        with tempfile.NamedTemporaryFile(suffix=".npz") as file:
            np.savez(file, judged=judged, action=action, reward=reward, pscore=pscore, model=model)
            file.flush()
            said = subprocess.run([python, "-c", OBP_SCRIPT, file.name], check=True, capture_output=True, timeout=300)
        theirs = json.loads(said.stdout.splitlines()[-1])
    for name, estimate in ours.items():
        value, rate = estimate(), LOGGED / fastest_s(estimate)
        if name not in theirs:
            print(f"| {name} | {value:.6f} | {rate:,.0f} | - | - | - |")
            continue
        other, seconds = theirs[name]
        assert abs(other - value) < 1e-9
        their_rate = LOGGED / seconds
        row = (name, f"{value:.6f}", f"{rate:,.0f}", f"{other:.6f}", f"{their_rate:,.0f}", f"{rate / their_rate:.1f}")
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    raise SystemExit(main())
