"""Running Chalice: its exit code is heeded, and proves nothing (see `verify`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from infra.deploy import requirements
from infra.deploy.stage import DeployError, Stage

_CHALICE = "import sys; from chalice.cli import main; sys.exit(main())"


def run(stage: Stage, verb: str, *arguments: str) -> None:
    """`chalice deploy`, `delete` or `package` of the stage, in its region."""
    region = {"AWS_DEFAULT_REGION": stage.region, "AWS_REGION": stage.region}
    environment = os.environ | requirements.HASH_CHECKED | region
    command = [sys.executable, "-c", _CHALICE, verb, "--stage", stage.name, *arguments]
    done = subprocess.run(command, cwd=stage.project, env=environment, check=False)  # noqa: S603
    if done.returncode:
        raise DeployError(f"chalice {verb} ended with status {done.returncode}; what it said stands above.")


def resources(stage: Stage) -> dict[str, dict[str, Any]]:
    """What Chalice remembers of the stage, by resource name; nothing if it remembers nothing."""
    path = stage.chalice_directory / "deployed" / f"{stage.name}.json"
    if not path.exists():
        return {}
    known = json.loads(path.read_text(encoding="utf-8"))["resources"]
    return {resource["name"]: resource for resource in known}
