"""The caller's guide: its commands do what it says, in the order in which it says it, and its lists are complete."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from chalicelib.api.problems import REASONS
from chalicelib.domain.connection import Reason
from chalicelib.domain.meeting import MeetingReason, MeetingState
from infra.local.stack import HOST_EMAIL, LocalStack
from tests.support.guide_reader import GuideReader, blocks, environment

GUIDE = (Path(__file__).parents[2] / "docs" / "callers.md").read_text(encoding="utf-8")
BLOCKS = blocks(GUIDE, "bash", "python", "ts", "json")
RUN = ("bash", "python")
TO_THE_FIRST_LINK = GUIDE[: GUIDE.index("## Move it")]


@pytest.fixture(scope="module")
def printed(stack: LocalStack) -> list[tuple[str, str, str]]:
    """(language, code, what it prints) of each block of the guide, run in order; blocks of other languages print ""."""
    reader = GuideReader(stack)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(stack).items():
            patch.setenv(name, value)
        return [(kind, code, reader.run(kind, code) if kind in RUN else "") for kind, code in BLOCKS]


def test_every_command_does_what_the_guide_says(printed: list[tuple[str, str, str]]) -> None:
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
    assert said[8] == "https://rooms.example.com/b-10"
    assert said[9] == "1 True"
    assert said[10] == "Demo Guest and Demo Host | Introduction, by video."
    assert said[11].startswith("[('cohost@example.com', 'host', None), ")
    assert said[12] == "cohost@example.com"
    assert said[13].startswith("[('host@example.com', None, None), ")
    assert said[14:16] == ["[]\n[]", "14"]
    assert said[16].startswith("http")


def test_each_call_shows_its_answer(printed: list[tuple[str, str, str]]) -> None:
    compared = 0
    for number, (language, _, said) in enumerate(printed):
        after = [(kind, text) for kind, text, _ in printed[number + 1 :] if kind not in ("python", "ts")]
        # A list is what the last line of a program prints: every answer is an object.
        if language == "bash" and said and after and after[0][0] == "json" and after[0][1].startswith("{"):
            assert_shown(json.loads(after[0][1]), json.JSONDecoder().raw_decode(said)[0])
            compared += 1
    assert compared >= 8


def assert_shown(shown: Any, real: Any) -> None:
    """What the guide shows is part of a real answer. Texts and numbers differ; null, true and false do not."""
    if isinstance(shown, dict):
        assert shown.keys() <= real.keys()
        for name, value in shown.items():
            assert_shown(value, real[name])
    elif isinstance(shown, list):
        for value, real_value in zip(shown, real, strict=False):
            assert_shown(value, real_value)
    else:
        assert type(shown) is type(real)
        assert shown == real or not isinstance(shown, bool)


def test_the_first_link_takes_at_most_six_commands() -> None:
    commands = re.findall(r"^curl", TO_THE_FIRST_LINK, re.MULTILINE)
    assert len(commands) == 1 + 4  # The first only checks the key.


def test_each_step_stands_there_for_curl_and_for_python() -> None:
    for step in re.split(r"^## (?=\d)", TO_THE_FIRST_LINK, flags=re.MULTILINE)[1:]:
        assert "```bash" in step, step[:40]
        assert "```python" in step, step[:40]
        assert "```ts" in step, step[:40]


def test_the_lists_of_reasons_and_states_are_complete() -> None:
    for word in (*MeetingReason, *MeetingState, *Reason):
        assert f"| `{word}` |" in GUIDE, word


def test_the_list_of_problems_is_complete_and_right() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| (\d{3}) \|", GUIDE, re.MULTILINE))
    assert told == {reason: str(status) for reason, (status, _) in REASONS.items()}
