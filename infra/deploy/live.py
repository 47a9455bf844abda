"""What the running functions have and `.chalice/config.json` lacks: Chalice's next deployment would remove it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from infra.deploy import settings
from infra.deploy.account import ENOUGH_CONCURRENCY
from infra.deploy.stage import API, Stage

Say = Callable[[str], None]

_SETTLING = {"on_booking": 40, "on_schedule": 5}
"""Functions at once. A bookings stream of four shards is read by up to 40."""
_API_SHARE = 4
"""The API may use one in so many of the account's functions at once."""
_UNRESERVED = 100
"""What AWS keeps for functions without a reservation (Lambda developer guide, "Configuring reserved concurrency")."""
_TOOL_TAGS = ("aws-chalice", "lambda:createdBy")
"""Chalice and SAM set these, and SAM refuses its own from others."""


def read(stage: Stage) -> dict[str, dict[str, Any]]:
    """The functions that run, as GetFunction describes them, by Chalice's names."""
    client, functions = stage.client("lambda"), {}
    for name in settings.functions():
        try:
            functions[name] = client.get_function(FunctionName=stage.function(name))
        except client.exceptions.ResourceNotFoundException:
            continue
    return functions


def variables(functions: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """The environment variables of the running API: all functions have the same."""
    configuration = functions.get(API, {}).get("Configuration", {})
    found: dict[str, str] = configuration.get("Environment", {}).get("Variables", {})
    return found


def merge_variables(
    stage: Stage, functions: Mapping[str, dict[str, Any]], fixed: Mapping[str, str], unset: Collection[str], say: Say
) -> dict[str, str]:
    """The stage's variables: `fixed` first, then those of `.chalice/config.json`, then those that only run."""
    running, configured = variables(functions), settings.known(stage)
    for name in sorted(running.keys() - configured.keys() - fixed.keys() - set(unset)):
        say(f"{name} is set in the running functions only: it is written to .chalice/config.json.")
    for name in sorted(running.keys() & configured.keys() - fixed.keys()):
        if running[name] != configured[name]:
            say(f"{name} changes to the value in .chalice/config.json: the running functions have another one.")
    merged = {**running, **configured}
    return {name: value for name, value in merged.items() if name not in unset} | dict(fixed)


def keep_options(stage: Stage, functions: Mapping[str, dict[str, Any]], say: Say) -> None:
    """Write tags, layers and reserved concurrency of the running functions to `.chalice/config.json`, where it does
    not set them, and reserve concurrency for settling."""
    for name, function in functions.items():
        options = dict(_options(stage, name, function))
        if options:
            say(f"kept of {stage.function(name)}: {', '.join(sorted(options))}")
            settings.write_options(stage, name, options)
    _reserve(stage, say)


def _options(stage: Stage, name: str, function: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    known = settings.options(stage, name)
    tags = {
        key: value
        for key, value in function.get("Tags", {}).items()
        if not key.startswith("aws:") and key not in _TOOL_TAGS and key not in known.get("tags", {})
    }
    if tags:
        yield "tags", tags
    layers = [layer["Arn"] for layer in function["Configuration"].get("Layers", [])]
    if layers and "layers" not in known:
        yield "layers", layers
    reserved = function.get("Concurrency", {}).get("ReservedConcurrentExecutions")
    if reserved is not None and "reserved_concurrency" not in known:
        yield "reserved_concurrency", reserved


def _reserve(stage: Stage, say: Say) -> None:
    limits = stage.client("lambda").get_account_settings()["AccountLimit"]
    limit, free = limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"] - _UNRESERVED
    wanted = {
        name: number
        for name, number in {**_SETTLING, API: limit // _API_SHARE}.items()
        if "reserved_concurrency" not in settings.options(stage, name)
    }
    if not wanted:
        return
    if limit < ENOUGH_CONCURRENCY or sum(wanted.values()) > free:
        say(
            f"No concurrency is reserved: this account runs {limit} functions at once here, and {max(free, 0)} may be "
            "reserved. Settling shares them with callers of the API until the limit is raised."
        )
        return
    for name, number in wanted.items():
        settings.write_options(stage, name, {"reserved_concurrency": number})
