"""One deployment by its name, and the names that follow from it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

APP = "meetlink"
API = "api_handler"
"""What Chalice calls the function behind all routes."""
PROJECT = Path(__file__).parents[2]
# No hyphen: `meetlink-prod-…` must never begin another stage's names.
_STAGE = re.compile(r"[a-z][a-z0-9]{0,19}")


class DeployError(Exception):
    """The deployment cannot go on; the message is for whoever started it."""


@dataclass(frozen=True)
class Stage:
    """A stage in one region of the account that the session's credentials belong to."""

    name: str
    session: Any = field(repr=False)
    """A boto3 session."""
    project: Path = PROJECT

    def __post_init__(self) -> None:
        if _STAGE.fullmatch(self.name) is None:
            raise DeployError("A stage is named by up to 20 small letters and digits, such as dev or prod.")

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
        """The name at Lambda of a function of the app, such as `on_booking`."""
        # Chalice gives the API's function no name of its own.
        return f"{APP}-{self.name}" if name == API else f"{APP}-{self.name}-{name}"

    def stack(self, concern: str) -> str:
        return f"{APP}-{self.name}-{concern}"

    def client(self, service: str) -> Any:
        return self.session.client(service)

    def account(self) -> str:
        return str(self.client("sts").get_caller_identity()["Account"])
