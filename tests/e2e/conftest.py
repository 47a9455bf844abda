"""The whole local stack, and a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from infra.local.stack import LocalStack, Ports

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    """The local stack on free ports. It sets the environment, which is put back afterwards."""
    before = dict(os.environ)
    try:
        with LocalStack(Ports()) as running:
            yield running
    finally:
        os.environ.clear()
        os.environ.update(before)
        _forget_environment()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. Without one the test says so and is left out; in CI that is a failure."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        message = "No Chromium is installed: the browser's pages are NOT tested. Install the package chromium."
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=30_000)  # As long as Playwright's clicks: a busy machine is slow, not wrong.
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=executable, args=quiet)
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a browser session of its own."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


def _forget_environment() -> None:
    """The process's services were built for a stack that is gone."""
    import sys

    from chalicelib import wiring
    from chalicelib.store.tables import MODELS

    for model in MODELS:
        model._connection = None  # Its client knows the address of the AWS that has ended.
    wiring.services.cache_clear()
    sys.modules.pop("app", None)
