"""What can be wrong with a query, in the terms of the Prometheus HTTP API.

QueryError
|-- BadQuery          400 bad_data    the expression or a parameter is wrong
|   `-- NotSupported  400 bad_data    right for Prometheus, outside the sandbox's subset
`-- ExecutionFailed   422 execution   the expression cannot be evaluated over these samples
"""

from __future__ import annotations

from typing import ClassVar

from homeostat.model.errors import HomeostatError


class QueryError(HomeostatError):
    """A query that gets no result. `status` is the HTTP status, `error_type` the API's word for it."""

    status: ClassVar[int] = 400
    error_type: ClassVar[str] = "bad_data"


class BadQuery(QueryError):
    """The expression or a parameter of the request is wrong."""


class NotSupported(BadQuery):
    """The expression is outside the subset that the sandbox evaluates; it is refused, never approximated."""

    def __init__(self, what: str) -> None:
        super().__init__(f"not supported by the sandbox: {what}")


class ExecutionFailed(QueryError):
    """The expression cannot be evaluated over the samples at hand."""

    status: ClassVar[int] = 422
    error_type: ClassVar[str] = "execution"
