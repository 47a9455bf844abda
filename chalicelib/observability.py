"""Structured logs and metrics. Names, states, error classes: never query strings, bodies, tokens or addresses."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from traceback import extract_tb
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")
_CALLER = 3
"""Frames from the logger up to the function that logs, past Powertools and `Log`: a line's `location` names it."""
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


class Log:
    """Powertools' logger, made when the first line is written."""

    def info(self, message: str, **ids: Any) -> None:
        _logger().info(message, extra=_known(ids), stacklevel=_CALLER)

    def warning(self, message: str, **ids: Any) -> None:
        _logger().warning(message, extra=_known(ids), stacklevel=_CALLER)

    def failure(self, message: str, error: BaseException, **ids: Any) -> None:
        """An error that somebody should look at. Only errors of our own tree speak: others may quote secrets."""
        from chalicelib.errors import MeetlinkError

        known = str(error) if isinstance(error, MeetlinkError) else ""
        where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in extract_tb(error.__traceback__)]
        what = {"error": type(error).__name__, "error_detail": known, "where": where[-8:]}
        _logger().error(message, extra=_known(ids) | what, stacklevel=_CALLER)

    @property
    def request_id(self) -> str | None:
        """The id that lines of this thread contain."""
        return _request_id.get()

    @contextmanager
    def request(self, request_id: str | None) -> Iterator[None]:
        """Every line inside carries the request's id."""
        token = _request_id.set(request_id)
        try:
            yield
        finally:
            _request_id.reset(token)

    def with_request_id(self, function: Callable[[T], R]) -> Callable[[T], R]:
        """Return `function` for use in another thread: its lines contain this thread's request id."""
        request_id = _request_id.get()

        def run(argument: T) -> R:
            with self.request(request_id):
                return function(argument)

        return run


log = Log()


def log_request_id(event: Any, get_response: Callable[[Any], Any]) -> Any:
    """Add the id of this Lambda invocation to every line it logs (Chalice's middleware)."""
    with log.request(event.context.aws_request_id):
        return get_response(event)


def refused(what: str, **ids: str | None) -> None:
    """Log and count a request without a valid key, signature, session, form or sign-in: `what` says which."""
    log.warning("a request was refused", refused=what, **{name: text for name, text in ids.items() if text})
    count("RequestsRefused")


_dimensions: dict[str, str] = {}


def count_for(stage: str) -> None:
    """From now on this process counts, for that stage."""
    _dimensions.update(service="meetlink", stage=stage)


def count(metric: str, value: float = 1, unit: str = "Count", **dimensions: str) -> None:
    """Add to one of the metrics that alarms and the dashboard look at; without effect before `count_for`.

    Each value of `dimensions` makes a metric of its own, which is paid for: closed lists only.
    A value below 0 counts as 0: clocks differ, and CloudWatch has no percentiles of a metric with negative values.
    A line of the log that CloudWatch reads (embedded metric format), so it costs no call.
    """
    if not _dimensions:
        return
    from aws_lambda_powertools.metrics import MetricUnit
    from aws_lambda_powertools.metrics.base import SingleMetric

    told = SingleMetric(namespace="meetlink", dimension_set=_dimensions | dimensions)
    told.add_metric(metric, MetricUnit(unit), max(0.0, value))
    # One write: Lambda's stdout flushes at each, and between a line and its end another thread's line may come.
    sys.stdout.write(json.dumps(told.serialize_metric_set(), separators=(",", ":")) + "\n")


def _known(ids: dict[str, Any]) -> dict[str, Any]:
    request_id = _request_id.get()
    return ids if request_id is None else ids | {"request_id": request_id}


@lru_cache(maxsize=1)
def _logger() -> Any:
    from aws_lambda_powertools import Logger

    return Logger(service="meetlink", log_uncaught_exceptions=False)
