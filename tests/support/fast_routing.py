"""Werkzeug compiles two functions for each route of each Flask app; tests create the same stand-ins again and again."""

from __future__ import annotations

from typing import Any

from werkzeug.routing import Rule

_compile_builder = Rule._compile_builder
_compiled: dict[tuple[Any, ...], Any] = {}


def _compile_once(self: Rule, append_unknown: bool = True) -> Any:
    key = (self.rule, self.host, self.subdomain, append_unknown, repr(self.defaults))
    if key not in _compiled:
        _compiled[key] = _compile_builder(self, append_unknown)
    return _compiled[key]


def install() -> None:
    """Compile the functions that build a route's URL once per process: 30 % of a stand-in's start."""
    Rule._compile_builder = _compile_once  # type: ignore[method-assign]
