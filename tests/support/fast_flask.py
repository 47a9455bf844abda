"""Werkzeug compiles two functions per route, and Jinja each template, for each Flask app.

Tests create the same stand-ins again and again.
"""

from __future__ import annotations

from typing import Any

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from werkzeug.routing import Rule

_compile_builder = Rule._compile_builder
_compiled: dict[tuple[Any, ...], Any] = {}


def _compile_once(self: Rule, append_unknown: bool = True) -> Any:
    key = (self.rule, self.host, self.subdomain, append_unknown, repr(self.defaults))
    if key not in _compiled:
        _compiled[key] = _compile_builder(self, append_unknown)
    return _compiled[key]


class _MemoryCache(BytecodeCache):
    def __init__(self) -> None:
        self._compiled: dict[str, Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._compiled.get(bucket.key + bucket.checksum)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[bucket.key + bucket.checksum] = bucket.code


def install() -> None:
    """Compile the functions that build a route's URL, and templates, once per process."""
    Rule._compile_builder = _compile_once  # type: ignore[method-assign]
    Flask.jinja_options = {"bytecode_cache": _MemoryCache()}
