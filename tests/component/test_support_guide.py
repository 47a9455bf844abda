"""docs/support.md: each command, run in the guide's order, prints what the guide shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.operator_terminal import Terminal
from tests.support.product import Product

GUIDE = Path(__file__).parents[2] / "docs" / "support.md"
_NAME = re.compile(r"[0-9]{15}-evt_[0-9a-f]{32}")
"""Ids of deliveries, which begin with the stream's time."""


def examples() -> list[tuple[str, str]]:
    """Each command of the guide with what it prints."""
    blocks = re.findall(r"^```console\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    parts = (part for block in blocks for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:])
    return [(command.replace("\\\n", ""), output) for command, output in map(_split, parts)]


def test_every_command_prints_what_the_guide_shows(
    acme: Product, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal(acme, monkeypatch, capsys)
    ran = [(command, terminal.run(command.partition("infra.operate ")[2])) for command, _ in examples()]
    assert len(ran) > 8
    assert [(command, _NAME.sub("ID", output)) for command, output in ran] == [
        (command, _NAME.sub("ID", output)) for command, output in examples()
    ]


def _split(part: str) -> tuple[str, str]:
    lines = part.splitlines(keepends=True)
    number = next(number for number, line in enumerate(lines) if not line.endswith("\\\n")) + 1
    return "".join(lines[:number]).rstrip("\n"), "".join(lines[number:])
