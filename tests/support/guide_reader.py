"""Someone who copies the commands and programs of a guide, and does what its text asks in between."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import httpx
from meetlink import Meetlink

from infra.local.stack import HOST_EMAIL, PASSWORD, LocalStack
from infra.local.visitor import press, sign_in_and_consent

_CONNECT_LINK = re.compile(r"http[^\"\s]+/connect/[^\"\s]+")


def blocks(guide: str, *languages: str) -> list[tuple[str, str]]:
    """(language, code) of each block of the guide in one of the languages, in order."""
    return re.findall(rf"^```({'|'.join(languages)})\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)


def environment(stack: LocalStack) -> dict[str, str]:
    return {
        "MEETLINK_URL": stack.app_url,
        "MEETLINK_KEY": stack.demo.api_key,
        "RETURN_TO": f"{stack.console_url}/book",
    }


def client(stack: LocalStack) -> Meetlink:
    """The client of the stack's workspace."""
    return Meetlink(stack.app_url, stack.demo.api_key)


class GuideReader:
    """Runs blocks one after the other, in one shell's environment and one Python interpreter."""

    def __init__(self, stack: LocalStack) -> None:
        self._environment = os.environ | environment(stack)
        self._names: dict[str, Any] = {}

    def run(self, language: str, code: str) -> str:
        """Return what the block prints. A connect link in it is opened, and the host signs in."""
        printed = self._bash(code) if language == "bash" else self._python(code)
        for link in _CONNECT_LINK.findall(printed):
            connect(link)
        return printed

    def _bash(self, code: str) -> str:
        command = ["bash", "-euo", "pipefail", "-c", code]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, (code, done.stdout, done.stderr)
        return done.stdout

    def _python(self, code: str) -> str:
        with redirect_stdout(StringIO()) as printed:
            exec(compile(code, "guide", "exec"), self._names)
        return printed.getvalue()


def connect(link: str) -> None:
    """What a guide asks the host to do in a browser."""
    with httpx.Client(timeout=30, trust_env=False) as browser:
        leave = press(browser, browser.get(link), "/connect/", follow=False)
        if leave.headers["Location"].endswith("/settings"):  # The link names no provider.
            leave = press(browser, browser.get(leave.headers["Location"]), "/oauth/zoom/start", follow=False)
        back = sign_in_and_consent(browser, leave.headers["Location"], HOST_EMAIL, PASSWORD)
        assert "Connected" in browser.get(back, follow_redirects=True).text
