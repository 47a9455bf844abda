"""Structured logs and metrics: names, states and error classes, never query strings, bodies, tokens or addresses."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from traceback import extract_tb
from typing import Any, Literal, TypeVar

T = TypeVar("T")
R = TypeVar("R")
_CALLER = 3
"""Frames from the logger to the function that logs, past Powertools and `Log`. A line's `location` names it."""
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


class Log:
    """Powertools' logger, which is created when the first line is written."""

    def info(self, message: str, **ids: Any) -> None:
        _logger().info(message, extra=_with_request_id(ids), stacklevel=_CALLER)

    def warning(self, message: str, **ids: Any) -> None:
        _logger().warning(message, extra=_with_request_id(ids), stacklevel=_CALLER)

    def failure(self, message: str, error: BaseException, **ids: Any) -> None:
        """Log an error that needs attention. Only `MeetlinkError` messages are logged: others may contain secrets."""
        from chalicelib.errors import MeetlinkError

        detail = str(error) if isinstance(error, MeetlinkError) else ""
        where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in extract_tb(error.__traceback__)]
        what = {"error": type(error).__name__, "error_detail": detail, "where": where[-8:]}
        _logger().error(message, extra=_with_request_id(ids) | what, stacklevel=_CALLER)

    @property
    def request_id(self) -> str | None:
        """The id that lines of this thread contain."""
        return _request_id.get()

    @contextmanager
    def request(self, request_id: str | None) -> Iterator[None]:
        """Add the request's id to every line inside."""
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
    """Log and count a request without a valid key, signature, session, form or sign-in. `what` says which."""
    log.warning("a request was refused", refused=what, **{name: text for name, text in ids.items() if text})
    count("RequestsRefused")


_dimensions: dict[str, str] = {}


def enable_metrics(stage: str) -> None:
    """Write metrics of this stage from now on."""
    _dimensions.update(service="meetlink", stage=stage)


def count(
    metric: str, value: float = 1, unit: Literal["Count", "Milliseconds", "Percent"] = "Count", **dimensions: str
) -> None:
    """Add to a metric that alarms and the dashboard use. Has no effect before `enable_metrics`.

    Each combination of `dimensions` is a metric that AWS charges for, so use closed lists only. A value below 0 counts
    as 0: clocks differ, and CloudWatch has no percentiles of a metric with negative values. Metrics are log lines
    (CloudWatch's embedded metric format), so they cost no call. They are written here, because Powertools' metrics take
    7 ms to import.
    """
    if not _dimensions:
        return
    names = _dimensions | dimensions
    definition = {"Namespace": "meetlink", "Dimensions": [[*names]], "Metrics": [{"Name": metric, "Unit": unit}]}
    about = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [definition]}
    line = {"_aws": about, **names, metric: [max(0.0, value)]}
    # One write: stdout is flushed at each, and another thread's line could come between a line and its end.
    sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")


def _with_request_id(ids: dict[str, Any]) -> dict[str, Any]:
    request_id = _request_id.get()
    return ids if request_id is None else ids | {"request_id": request_id}


@lru_cache(maxsize=1)
def _logger() -> Any:
    from aws_lambda_powertools import Logger

    return Logger(service="meetlink", log_uncaught_exceptions=False)
