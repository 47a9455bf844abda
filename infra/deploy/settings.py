"""The stage's part of `.chalice/config.json`, and the roles' policies beside it. Nothing secret is in either."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from infra.deploy.stage import DeployError, Stage

POLICIES = Path(__file__).parents[1] / "policies"
_SECRET = re.compile(r".*(SECRET|PASSWORD|TOKEN|CLIENT_ID)$")


def functions() -> list[str]:
    """The app's functions: each has a policy of its own."""
    return sorted(path.stem for path in POLICIES.glob("*.json"))


def chosen(pairs: Iterable[str]) -> dict[str, str]:
    """`NAME=VALUE` of the command line. Raises `DeployError` for what belongs in Secrets Manager."""
    settings = {}
    for pair in pairs:
        name, is_given, value = pair.partition("=")
        if not is_given or re.fullmatch(r"[A-Z][A-Z0-9_]*", name) is None:
            raise DeployError(f"{pair} is not of the form NAME=VALUE.")
        if _SECRET.fullmatch(name) is not None:
            raise DeployError(f"{name} belongs in Secrets Manager: environment variables can be read by many.")
        settings[name] = value
    return settings


def known(stage: Stage) -> dict[str, str]:
    """The environment variables that the stage has in `.chalice/config.json`."""
    variables: dict[str, str] = _read(stage).get("stages", {}).get(stage.name, {}).get("environment_variables", {})
    return variables


def address_at(domain: str) -> str:
    """The `PUBLIC_BASE_URL` of a stage that has this domain name."""
    return f"https://{domain}"


def api_stage(stage: Stage) -> str:
    """The stage's name at API Gateway, which is in the API's address."""
    return str(_read(stage).get("stages", {}).get(stage.name, {}).get("api_gateway_stage", stage.name))


def architecture(stage: Stage) -> str:
    """The functions' processor, as Lambda names it."""
    whole = _read(stage)
    return str(whole.get("stages", {}).get(stage.name, {}).get("lambda_architecture", whole["lambda_architecture"]))


@dataclass(frozen=True)
class Throttle:
    """The most requests that API Gateway takes for the whole stage."""

    per_second: float = 500.0
    burst: int = 1000


def throttle(stage: Stage) -> Throttle:
    """The stage's `api_throttle` in `.chalice/config.json`, such as `{"per_second": 100, "burst": 200}`."""
    part = _read(stage).get("stages", {}).get(stage.name, {}).get("api_throttle", {})
    try:
        limits = Throttle(**part)
    except TypeError:
        raise DeployError('api_throttle in .chalice/config.json may have "per_second" and "burst".') from None
    if not (limits.per_second > 0 and limits.burst > 0):
        raise DeployError("api_throttle in .chalice/config.json needs numbers above 0: with 0, no call passes.")
    return limits


def write(stage: Stage, variables: Mapping[str, str]) -> None:
    """Write the stage's variables and point its functions to their policies; what else stands there is kept."""
    config = _read(stage)
    part = config.setdefault("stages", {}).setdefault(stage.name, {})
    # Metrics of API Gateway tell REST APIs apart by name and stage, and Chalice gives all of them the app's name.
    part.setdefault("api_gateway_stage", stage.name)
    part["environment_variables"] = dict(sorted(variables.items()))
    # Costs are told apart by it.
    part.setdefault("tags", {})["meetlink:stage"] = stage.name
    for name in functions():
        part.setdefault("lambda_functions", {}).setdefault(name, {})["iam_policy_file"] = _policy_file(stage, name)
    text = json.dumps(config, indent=2) + "\n"
    _write_if_changed(stage.chalice_directory / "config.json", text)


def options(stage: Stage, function: str) -> dict[str, Any]:
    """A function's options, such as `layers`, from every level of `.chalice/config.json` as Chalice combines them."""
    config = _read(stage)
    part = config.get("stages", {}).get(stage.name, {})
    levels = [config, part, part.get("lambda_functions", {}).get(function, {})]
    tags = {key: value for level in levels for key, value in level.get("tags", {}).items()}
    return {key: value for level in levels for key, value in level.items()} | {"tags": tags}


def write_options(stage: Stage, function: str, values: Mapping[str, Any]) -> None:
    """Set options of one function. Tags are added to those that it has."""
    config = _read(stage)
    own = config["stages"][stage.name]["lambda_functions"].setdefault(function, {})
    own.update({**values, **({"tags": {**own.get("tags", {}), **values["tags"]}} if "tags" in values else {})})
    _write_if_changed(stage.chalice_directory / "config.json", json.dumps(config, indent=2) + "\n")


def write_policies(stage: Stage, names: Mapping[str, str]) -> None:
    """Write each function's policy with this stage's own names in it: another stage's tables are out of reach."""
    for name in functions():
        text = render(name, names)
        _write_if_changed(stage.chalice_directory / _policy_file(stage, name), text)


def render(function: str, names: Mapping[str, str]) -> str:
    """A function's policy. Raises `KeyError` for a name that it asks for and nobody gives."""
    return Template((POLICIES / f"{function}.json").read_text(encoding="utf-8")).substitute(names)


def _policy_file(stage: Stage, function: str) -> str:
    return f"policy-{stage.name}-{function}.json"


def _read(stage: Stage) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((stage.chalice_directory / "config.json").read_text(encoding="utf-8"))
    return config


def _write_if_changed(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
