"""Read and write the stage's part of `.chalice/config.json` and the roles' policies. Neither contains secrets."""

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


def function_names() -> list[str]:
    """Return the names of the app's functions: each has its own policy."""
    return sorted(path.stem for path in POLICIES.glob("*.json"))


def parse_settings(pairs: Iterable[str]) -> dict[str, str]:
    """Parse `NAME=VALUE` pairs of the command line. Raises `DeployError` for secrets."""
    settings = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or re.fullmatch(r"[A-Z][A-Z0-9_]*", name) is None:
            raise DeployError(f"{pair} does not have the form NAME=VALUE.")
        if _SECRET.fullmatch(name) is not None:
            raise DeployError(f"{name} belongs in Secrets Manager: many people can read environment variables.")
        settings[name] = value
    return settings


def environment(stage: Stage) -> dict[str, str]:
    """Return the stage's environment variables in `.chalice/config.json`."""
    variables: dict[str, str] = _read(stage).get("stages", {}).get(stage.name, {}).get("environment_variables", {})
    return variables


def base_url(domain: str) -> str:
    """Return the `PUBLIC_BASE_URL` of a stage with this domain name."""
    return f"https://{domain}"


def api_stage(stage: Stage) -> str:
    """Return the stage's name at API Gateway, which is part of the API's address."""
    return str(_read(stage).get("stages", {}).get(stage.name, {}).get("api_gateway_stage", stage.name))


def architecture(stage: Stage) -> str:
    """Return the functions' processor by Lambda's name, such as `arm64`."""
    config = _read(stage)
    return str(config.get("stages", {}).get(stage.name, {}).get("lambda_architecture", config["lambda_architecture"]))


@dataclass(frozen=True)
class Throttle:
    """API Gateway's request limits for the whole stage."""

    per_second: float = 500.0
    burst: int = 1000


def throttle(stage: Stage) -> Throttle:
    """Read the stage's `api_throttle` from `.chalice/config.json`, such as `{"per_second": 100, "burst": 200}`."""
    part = _read(stage).get("stages", {}).get(stage.name, {}).get("api_throttle", {})
    try:
        limits = Throttle(**part)
    except TypeError:
        raise DeployError('api_throttle in .chalice/config.json takes "per_second" and "burst" only.') from None
    if not (limits.per_second > 0 and limits.burst > 0):
        raise DeployError("api_throttle in .chalice/config.json needs numbers above 0: 0 blocks every request.")
    return limits


def write_environment(stage: Stage, variables: Mapping[str, str]) -> None:
    """Write the stage's variables and the functions' policy files. Other options stay as they are."""
    config = _read(stage)
    part = config.setdefault("stages", {}).setdefault(stage.name, {})
    # API Gateway's metrics identify a REST API by name and stage, and Chalice names all of them after the app.
    part.setdefault("api_gateway_stage", stage.name)
    part["environment_variables"] = dict(sorted(variables.items()))
    # A cost allocation tag.
    part.setdefault("tags", {})["meetlink:stage"] = stage.name
    for name in function_names():
        part.setdefault("lambda_functions", {}).setdefault(name, {})["iam_policy_file"] = _policy_file(stage, name)
    text = json.dumps(config, indent=2) + "\n"
    _write_if_changed(stage.chalice_directory / "config.json", text)


def function_options(stage: Stage, function: str) -> dict[str, Any]:
    """Return a function's options, such as `layers`, merged from all levels of the file as Chalice merges them."""
    config = _read(stage)
    part = config.get("stages", {}).get(stage.name, {})
    levels = [config, part, part.get("lambda_functions", {}).get(function, {})]
    tags = {key: value for level in levels for key, value in level.get("tags", {}).items()}
    return {key: value for level in levels for key, value in level.items()} | {"tags": tags}


def write_function_options(stage: Stage, function: str, values: Mapping[str, Any]) -> None:
    """Set options of a function. Tags are added to the existing ones."""
    config = _read(stage)
    own = config["stages"][stage.name]["lambda_functions"].setdefault(function, {})
    own.update({**values, **({"tags": {**own.get("tags", {}), **values["tags"]}} if "tags" in values else {})})
    _write_if_changed(stage.chalice_directory / "config.json", json.dumps(config, indent=2) + "\n")


def write_policies(stage: Stage, names: Mapping[str, str]) -> None:
    """Write each function's policy for this stage's resources only, not those of other stages."""
    for name in function_names():
        text = render_policy(name, names)
        _write_if_changed(stage.chalice_directory / _policy_file(stage, name), text)


def render_policy(function: str, names: Mapping[str, str]) -> str:
    """Return a function's policy. Raises `KeyError` if the template needs a name that is missing."""
    return Template((POLICIES / f"{function}.json").read_text(encoding="utf-8")).substitute(names)


def _policy_file(stage: Stage, function: str) -> str:
    return f"policy-{stage.name}-{function}.json"


def _read(stage: Stage) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((stage.chalice_directory / "config.json").read_text(encoding="utf-8"))
    return config


def _write_if_changed(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
