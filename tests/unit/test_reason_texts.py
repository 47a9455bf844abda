"""Every reason of a meeting has a sentence, and the callers' guide contains it."""

from __future__ import annotations

import re
from pathlib import Path

from chalicelib.domain.meeting import MeetingReason
from chalicelib.domain.reason_texts import MEETING_REASON_TEXTS

GUIDE = Path(__file__).parents[2] / "docs" / "callers.md"


def test_every_reason_has_a_sentence() -> None:
    assert set(MEETING_REASON_TEXTS) == set(MeetingReason)


def test_the_guide_lists_every_reason_with_its_sentence() -> None:
    table = GUIDE.read_text(encoding="utf-8").partition("The list of reasons is closed:")[2].partition("\n## ")[0]
    meanings = dict(re.findall(r"(?m)^\| `(\w+)` \| (.+) \|$", table))
    assert set(meanings) == set(MEETING_REASON_TEXTS)
    assert [reason for reason, text in MEETING_REASON_TEXTS.items() if not meanings[reason].startswith(text)] == []
