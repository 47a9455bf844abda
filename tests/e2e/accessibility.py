"""axe-core over a page, as desktop users by day and phone users by night see it."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import ColorScheme, Page, ViewportSize

SOURCE = Path(__file__).parent / "axe"
BUILD = Path(__file__).parents[2] / "build" / "axe"
LOOKS: dict[str, tuple[ViewportSize, ColorScheme]] = {
    "desktop-light": ({"width": 1280, "height": 900}, "light"),
    "phone-dark": ({"width": 390, "height": 844}, "dark"),
}
_RULES = "{resultTypes: ['violations']}"


def check(page: Page, name: str) -> None:
    """No violation of any rule of axe, nothing wider than the screen. Leaves pictures in $MEETLINK_SCREENSHOTS."""
    page.wait_for_load_state()
    for look, (size, scheme) in LOOKS.items():
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        if pictures := os.environ.get("MEETLINK_SCREENSHOTS"):
            page.screenshot(path=Path(pictures) / f"{name}-{look}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{name} is too wide: {look}"
        assert violations(page) == [], look


def violations(page: Page) -> list[str]:
    """What axe finds, one line each."""
    page.evaluate(_axe())
    found: dict[str, Any] = page.evaluate(f"axe.run(document, {_RULES})")
    assert found["testEngine"]["name"] == "axe-core"
    return [
        f"{v['id']}: {node['html'][:200]} {node['failureSummary']}" for v in found["violations"] for node in v["nodes"]
    ]


@cache
def _axe() -> str:
    if shutil.which("npm") is None:
        message = "npm is missing: the pages' accessibility was NOT tested"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted, installed = (SOURCE / "package-lock.json").read_bytes(), BUILD / ".installed"
        if not installed.exists() or installed.read_bytes() != wanted:
            for name in ("package.json", "package-lock.json"):
                shutil.copyfile(SOURCE / name, BUILD / name)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
            subprocess.run(command, cwd=BUILD, check=True, timeout=300, capture_output=True)
            installed.write_bytes(wanted)
    return (BUILD / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
