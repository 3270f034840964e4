"""A subset of PromQL over samples in memory.

Promise: what is evaluated gives what Prometheus 2.42 gives, and what is outside the subset is refused by name.
Nothing here reads a clock or a network, keeps samples, or gives an approximate answer.

Read on: `planner.py` turns text into nodes, `calls.py` lists the functions, `engine.py` evaluates.

Known differences from Prometheus 2.42, all of them in what is accepted, left open or below the last digit:
- The parser follows later releases, which also take `1e400`, `5m` as a number and `300` as a duration.
- Where equal values compete (`topk`) over several steps, Prometheus leaves the choice to chance; here it is fixed.
- Within an instant vector Prometheus promises an order only for `sort`, `topk` and their opposites; here it is fixed.
- `^`, `exp` and the logarithms are the C library's, which may round the last bit otherwise than Go's.
"""

from homeostat.simulate.sandbox.promql.engine import (
    Engine,
    MatrixResult,
    Result,
    ScalarResult,
    StringResult,
    VectorResult,
)
from homeostat.simulate.sandbox.promql.errors import BadQuery, ExecutionFailed, NotSupported, QueryError

__all__ = [
    "BadQuery",
    "Engine",
    "ExecutionFailed",
    "MatrixResult",
    "NotSupported",
    "QueryError",
    "Result",
    "ScalarResult",
    "StringResult",
    "VectorResult",
]
