"""What a check of a stage reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError


@dataclass(frozen=True)
class Finding:
    """One line for the operator."""

    text: str
    """What is wrong and what to do."""
    is_problem: bool
    """Whether bookings are not settled or not mailed because of it. Otherwise it is a warning."""


def problem(text: str) -> Finding:
    return Finding(text, is_problem=True)


def warning(text: str) -> Finding:
    return Finding(text, is_problem=False)


def run_check(subject: str, check: Callable[[], Iterator[Finding]], *, is_vital: bool) -> Iterator[Finding]:
    """Yield what `check` finds; a check that AWS refuses is a finding itself.

    Without a vital check, "bookings are settled and mailed" is unproven, so its refusal is a problem.
    """
    try:
        yield from check()
    except (BotoCoreError, ClientError) as error:
        yield Finding(f"Could not check {subject}: {error}", is_problem=is_vital)
