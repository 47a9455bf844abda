"""How many examples a test tries: all with `make test THOROUGH=1`, else a sample of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from hypothesis import settings

T = TypeVar("T")

_QUICK, _THOROUGH = 10, 60
"""How many examples Hypothesis tries."""


def install() -> None:
    """Register both profiles and load the quick one. `--hypothesis-profile=thorough` loads the other."""
    # A deadline would measure the machine, not the code.
    settings.register_profile("quick", deadline=None, max_examples=_QUICK)
    settings.register_profile("thorough", deadline=None, max_examples=_THOROUGH)
    settings.load_profile("quick")


def examples(thorough: int, **options: Any) -> settings:
    """Return settings with this number of examples in a thorough run, and other settings of Hypothesis."""
    return settings(max_examples=thorough * settings.default.max_examples // _THOROUGH, **options)


def sample(cases: Iterable[T], step: int) -> Iterator[T]:
    """Return every case in a thorough run, and each `step`-th in a quick one."""
    return islice(cases, 0, None, stride(step))


def stride(step: int) -> int:
    """Return 1 in a thorough run, and `step` in a quick one."""
    return step if settings.default.max_examples == _QUICK else 1
