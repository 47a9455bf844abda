"""A stage, which is one deployment, and the names of its resources."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

APP = "meetlink"
API = "api_handler"
"""Chalice's name of the function that serves all routes."""
PROJECT = Path(__file__).parents[2]
Say = Callable[[str], None]
"""Prints a line for the operator."""
# No hyphen: the prefix `meetlink-prod-` must not match the names of another stage.
_STAGE = re.compile(r"[a-z][a-z0-9]{0,19}")


class DeployError(Exception):
    """The deployment cannot continue. The message tells the operator what to do."""


@dataclass(frozen=True)
class Stage:
    """A stage in one region of the account that the session's credentials belong to."""

    name: str
    session: Any = field(repr=False)
    """A boto3 session."""
    project: Path = PROJECT

    def __post_init__(self) -> None:
        if _STAGE.fullmatch(self.name) is None:
            raise DeployError("A stage's name has up to 20 lowercase letters and digits, such as dev or prod.")

    @property
    def region(self) -> str:
        return str(self.session.region_name)

    @property
    def table_prefix(self) -> str:
        return f"{APP}-{self.name}-"

    @property
    def secrets_prefix(self) -> str:
        return f"{APP}/{self.name}/"

    @property
    def chalice_directory(self) -> Path:
        return self.project / ".chalice"

    def function(self, name: str) -> str:
        """Return Lambda's name of a function of the app, such as `on_booking`."""
        # Chalice names the API's function after the app and the stage only.
        return f"{APP}-{self.name}" if name == API else f"{APP}-{self.name}-{name}"

    def stack(self, concern: str) -> str:
        return f"{APP}-{self.name}-{concern}"

    def client(self, service: str) -> Any:
        return self.session.client(service)

    def account(self) -> str:
        return str(self.client("sts").get_caller_identity()["Account"])
