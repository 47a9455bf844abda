"""What a line of the log says of its origin."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.observability import log


def informs() -> None:
    log.info("a message")


def warns() -> None:
    log.warning("a message")


def fails() -> None:
    log.failure("a message", ValueError())


@pytest.mark.parametrize("act", [informs, warns, fails])
def test_a_line_names_the_function_that_logs(act: Callable[[], None], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    act()
    (line,) = caplog.records
    assert (line.funcName, line.filename) == (act.__name__, "test_log_lines.py")


def test_so_does_a_line_of_a_worker_thread(caplog: pytest.LogCaptureFixture) -> None:
    log.with_request_id(lambda _: warns())(None)
    (line,) = caplog.records
    assert line.funcName == "warns"
