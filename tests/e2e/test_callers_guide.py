"""The caller's guide: its commands do what it says, in the order in which it says it, and its lists are complete."""

from __future__ import annotations

import json
import os
import re
import subprocess
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import httpx

from chalicelib.api.problems import REASONS
from chalicelib.domain.connection import Reason
from chalicelib.domain.meeting import MeetingReason, MeetingState
from infra.local.stack import HOST_EMAIL, PASSWORD, LocalStack
from infra.local.visitor import press, sign_in_and_consent

GUIDE = (Path(__file__).parents[2] / "docs" / "callers.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(bash|python)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
TO_THE_FIRST_LINK = GUIDE[: GUIDE.index("## Move it")]


class Reader:
    """Someone who copies every command and does what the text asks in between."""

    def __init__(self, stack: LocalStack) -> None:
        self.environment = os.environ | {"MEETLINK_URL": stack.app_url, "MEETLINK_KEY": stack.demo.api_key}
        self.names: dict[str, Any] = {}

    def run(self, language: str, code: str) -> str:
        printed = self._bash(code) if language == "bash" else self._python(code)
        for link in re.findall(r"http[^\"\s]+/connect/[^\"\s]+", printed):
            connect(link)
        return printed

    def _bash(self, code: str) -> str:
        command = ["bash", "-euo", "pipefail", "-c", code]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, (code, done.stdout, done.stderr)
        return done.stdout

    def _python(self, code: str) -> str:
        with redirect_stdout(StringIO()) as printed:
            exec(compile(code, "callers.md", "exec"), self.names)
        return printed.getvalue()


def test_every_command_does_what_the_guide_says(stack: LocalStack, monkeypatch: Any) -> None:
    reader = Reader(stack)
    for name in ("MEETLINK_URL", "MEETLINK_KEY"):
        monkeypatch.setenv(name, reader.environment[name])
    printed = [(language, code, reader.run(language, code)) for language, code in BLOCKS]

    bookings = [json.loads(said) for _, code, said in printed if '"Prefer: wait=20"' in code]
    assert [booking["meeting"]["state"] for booking in bookings] == ["ready"]
    assert bookings[0]["meeting"]["join_url"].startswith("http")
    said = [text.strip() for language, _, text in printed if language == "python" and text]
    assert said[1] == f"connected {HOST_EMAIL}"
    assert said[2].startswith("ready http")
    assert said[3] == "BEGIN:VCALENDAR"
    assert said[4] == "cancelled"
    assert said[5] == "text/calendar; charset=utf-8; method=REQUEST"
    assert said[6] == "[{'minutes_before': 1440, 'to': 'all'}, {'minutes_before': 60, 'to': 'guests'}]"
    assert said[7] == "{'waiting_room': True, 'recording': 'cloud', 'mute_on_entry': True} []"
    assert said[8].startswith("[('host@example.com', None, None), ")
    assert said[9:] == ["[]\n[]", "7"]


def test_the_first_link_takes_at_most_six_commands() -> None:
    commands = re.findall(r"^curl", TO_THE_FIRST_LINK, re.MULTILINE)
    assert len(commands) == 1 + 4  # The first only checks the key.


def test_each_step_stands_there_for_curl_and_for_python() -> None:
    for step in re.split(r"^## (?=\d)", TO_THE_FIRST_LINK, flags=re.MULTILINE)[1:]:
        assert "```bash" in step, step[:40]
        assert "```python" in step, step[:40]


def test_the_lists_of_reasons_and_states_are_complete() -> None:
    for word in (*MeetingReason, *MeetingState, *Reason):
        assert f"| `{word}` |" in GUIDE, word


def test_the_list_of_problems_is_complete_and_right() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| (\d{3}) \|", GUIDE, re.MULTILINE))
    assert told == {reason: str(status) for reason, (status, _) in REASONS.items()}


def connect(link: str) -> None:
    """What the guide asks the host to do in a browser."""
    with httpx.Client(timeout=30, trust_env=False) as browser:
        settings = press(browser, browser.get(link), "/connect/")
        leave = press(browser, settings, "/oauth/zoom/start", follow=False)
        back = sign_in_and_consent(browser, leave.headers["Location"], HOST_EMAIL, PASSWORD)
        assert "Connected" in browser.get(back, follow_redirects=True).text
