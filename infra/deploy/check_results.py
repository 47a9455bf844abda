"""The results of checks of a stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError


@dataclass(frozen=True)
class CheckResult:
    """A problem or a warning for the operator."""

    text: str
    """What is wrong and what to do."""
    is_problem: bool
    """True if it keeps bookings from being settled or mailed; otherwise it is a warning."""


def problem(text: str) -> CheckResult:
    return CheckResult(text, is_problem=True)


def warning(text: str) -> CheckResult:
    return CheckResult(text, is_problem=False)


def run_check(subject: str, check: Callable[[], Iterator[CheckResult]], *, is_vital: bool) -> Iterator[CheckResult]:
    """Yield the results of `check`. If AWS refuses the check, yield that as a result.

    A refused check is a problem if it `is_vital`: without it, "bookings are settled and mailed" is unproven.
    """
    try:
        yield from check()
    except (BotoCoreError, ClientError) as error:
        yield CheckResult(f"Could not check {subject}: {error}", is_problem=is_vital)
