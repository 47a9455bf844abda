"""Preserve settings of the running functions that `.chalice/config.json` lacks: Chalice would remove them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from infra.deploy import chalice_config
from infra.deploy.account import ENOUGH_CONCURRENCY
from infra.deploy.stage import API, Say, Stage

_SETTLING_CONCURRENCY = {"on_booking": 40, "on_schedule": 5}
"""Reserved executions. A bookings stream of four shards has up to 40 readers."""
_API_SHARE = 4
"""The API gets one in this many of the account's concurrent executions."""
_UNRESERVED = 100
"""AWS keeps these for functions without a reservation (Lambda developer guide, "Configuring reserved concurrency")."""
_TOOL_TAGS = ("aws-chalice", "lambda:createdBy")
"""Tags that Chalice and SAM set. SAM refuses its own tag from other sources."""


def fetch_functions(stage: Stage) -> dict[str, dict[str, Any]]:
    """Return the responses of GetFunction for the deployed functions, by Chalice's names."""
    client, functions = stage.client("lambda"), {}
    for name in chalice_config.function_names():
        try:
            functions[name] = client.get_function(FunctionName=stage.function(name))
        except client.exceptions.ResourceNotFoundException:
            continue
    return functions


def environment(functions: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """Return the environment variables of the running API: all functions have the same."""
    configuration = functions.get(API, {}).get("Configuration", {})
    variables: dict[str, str] = configuration.get("Environment", {}).get("Variables", {})
    return variables


def merge_environment(
    stage: Stage, functions: Mapping[str, dict[str, Any]], fixed: Mapping[str, str], unset: Collection[str], say: Say
) -> dict[str, str]:
    """Return the stage's variables: `fixed` wins over `.chalice/config.json`, which wins over the running functions."""
    running, configured = environment(functions), chalice_config.environment(stage)
    for name in sorted(running.keys() - configured.keys() - fixed.keys() - set(unset)):
        say(f"{name} is set in the running functions only: adding it to .chalice/config.json.")
    for name in sorted(running.keys() & configured.keys() - fixed.keys()):
        if running[name] != configured[name]:
            say(f"{name} has another value in the running functions: using the one in .chalice/config.json.")
    merged = {**running, **configured}
    return {name: value for name, value in merged.items() if name not in unset} | dict(fixed)


def preserve_options(stage: Stage, functions: Mapping[str, dict[str, Any]], say: Say) -> None:
    """Copy tags, layers and reserved concurrency that `.chalice/config.json` does not set to it.

    Then reserve concurrency for settling and the API.
    """
    for name, function in functions.items():
        options = dict(_options(stage, name, function))
        if options:
            say(f"kept from {stage.function(name)}: {', '.join(sorted(options))}")
            chalice_config.write_function_options(stage, name, options)
    _reserve(stage, say)


def _options(stage: Stage, name: str, function: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    configured = chalice_config.function_options(stage, name)
    tags = {
        key: value
        for key, value in function.get("Tags", {}).items()
        if not key.startswith("aws:") and key not in _TOOL_TAGS and key not in configured.get("tags", {})
    }
    if tags:
        yield "tags", tags
    layers = [layer["Arn"] for layer in function["Configuration"].get("Layers", [])]
    if layers and "layers" not in configured:
        yield "layers", layers
    reserved = function.get("Concurrency", {}).get("ReservedConcurrentExecutions")
    if reserved is not None and "reserved_concurrency" not in configured:
        yield "reserved_concurrency", reserved


def _reserve(stage: Stage, say: Say) -> None:
    limits = stage.client("lambda").get_account_settings()["AccountLimit"]
    limit, free = limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"] - _UNRESERVED
    wanted = {
        name: number
        for name, number in {**_SETTLING_CONCURRENCY, API: limit // _API_SHARE}.items()
        if "reserved_concurrency" not in chalice_config.function_options(stage, name)
    }
    if not wanted:
        return
    if limit < ENOUGH_CONCURRENCY or sum(wanted.values()) > free:
        say(
            f"No concurrency is reserved: this account runs {limit} functions at once here, and {max(free, 0)} can be "
            "reserved. Settling and the API share them until you raise the limit."
        )
        return
    for name, number in wanted.items():
        chalice_config.write_function_options(stage, name, {"reserved_concurrency": number})
