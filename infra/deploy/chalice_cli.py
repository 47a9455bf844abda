"""Run Chalice in a subprocess. Its exit code 0 does not prove that the stage works: `stage_check` does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from infra.deploy import requirements
from infra.deploy.stage import DeployError, Stage

_CHALICE = "import sys; from chalice.cli import main; sys.exit(main())"
_NOT_READABLE = "when calling the CreateEventSourceMapping operation: Cannot access stream"
"""Lambda has no error code for this. Chalice retries other errors of new roles, but not this one."""


class StreamNotReadable(DeployError):
    """Lambda did not create a trigger because it cannot read the stream yet: IAM publishes a new role with a delay."""


def run(stage: Stage, verb: str, *arguments: str) -> None:
    """Run `chalice deploy`, `delete` or `package` for the stage, in its region. Raises `DeployError` if it fails."""
    region = {"AWS_DEFAULT_REGION": stage.region, "AWS_REGION": stage.region}
    environment = os.environ | requirements.HASH_CHECKED | region
    command = [sys.executable, "-c", _CHALICE, verb, "--stage", stage.name, *arguments]
    errors: list[str] = []
    with subprocess.Popen(  # noqa: S603
        command, cwd=stage.project, env=environment, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        for line in process.stderr or ():
            errors.append(line)
            print(line, end="", file=sys.stderr, flush=True)
    if process.returncode:
        failure = f"chalice {verb} failed with exit code {process.returncode}; its output is above."
        raise (StreamNotReadable if _NOT_READABLE in " ".join("".join(errors).split()) else DeployError)(failure)


def resources(stage: Stage) -> dict[str, dict[str, Any]]:
    """Return Chalice's record of the stage's resources, by resource name; empty without a record."""
    path = stage.chalice_directory / "deployed" / f"{stage.name}.json"
    if not path.exists():
        return {}
    recorded = json.loads(path.read_text(encoding="utf-8"))["resources"]
    return {resource["name"]: resource for resource in recorded}
