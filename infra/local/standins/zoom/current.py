"""The stand-in that the current request is for."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar, cast

from flask import current_app

from infra.local.standins.zoom.world import Zoom

EXTENSION = "standin_zoom"

P = ParamSpec("P")
R = TypeVar("R")


def current_zoom() -> Zoom:
    """Return the stand-in of the current request."""
    return cast(Zoom, current_app.extensions[EXTENSION])


def locked(view: Callable[P, R]) -> Callable[P, R]:
    """Make a view hold the stand-in's lock, so that requests change its state one at a time."""

    @wraps(view)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with current_zoom().lock:
            return view(*args, **kwargs)

    return run
