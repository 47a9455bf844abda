"""An operator's terminal: commands of `infra.operate` on the product of a test."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from chalicelib import wiring
from infra.local.aws import REGION
from infra.operate.__main__ import main
from tests.support.product import Product

STAGE_OPTION = "--stage $STAGE "


class Terminal:
    """Runs commands and returns what they print."""

    def __init__(self, product: Product, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        # The stage's settings would come from .chalice/config.json.
        monkeypatch.setattr(wiring, "services", lambda: product.services)
        self._capsys = capsys
        self.code = 0
        self.errors = ""

    def run(self, command: str) -> str:
        """Run what follows `python -m infra.operate`. Return its output; `code` and `errors` are of this run."""
        self._capsys.readouterr()
        self.code = main(shlex.split(command.replace(STAGE_OPTION, "")))
        printed = self._capsys.readouterr()
        self.errors = printed.err
        return printed.out

    def json(self, command: str) -> Any:
        import json

        return json.loads(self.run(f"{command} --json"))
