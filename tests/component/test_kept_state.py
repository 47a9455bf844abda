"""What a local stack keeps: the stand-ins' tokens and meetings, and nothing of another version of the stack."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from infra.local.console.received import ReceivedWebhook
from infra.local.kept_state import KeptState, StackData
from infra.local.standins.catalogue import Host, create_stand_in
from tests.support.clock import START

HOST = Host("host@example.com", "password", "Demo Host")


def data(provider: str = "zoom") -> StackData:
    webhook = ReceivedWebhook("evt_1", "meeting.ready", START, True, "{}")
    kept = create_stand_in(provider, HOST).keep()
    return StackData("tag", "key", "whsec_", timedelta(days=1), [], [webhook], {provider: kept})


def test_a_later_start_finds_what_a_stop_kept(tmp_path: Path) -> None:
    first = KeptState(tmp_path / "state")
    assert first.data is None
    first.keep(data())
    later = KeptState(tmp_path / "state")
    assert later.data is not None
    assert (later.data.api_key, later.data.skipped) == ("key", timedelta(days=1))
    later.forget()
    assert KeptState(tmp_path / "state").data is None


def test_data_of_another_version_is_deleted_with_a_line_about_it(tmp_path: Path) -> None:
    KeptState(tmp_path / "state").keep(data())
    (tmp_path / "state" / "format").write_text("another")
    lines: list[str] = []
    assert KeptState(tmp_path / "state", lines.append).data is None
    assert not (tmp_path / "state").exists()
    assert "another version" in lines[0]


@pytest.mark.parametrize("provider", ["zoom", "google_meet", "microsoft_teams", "webex"])
def test_a_restarted_stand_in_knows_its_tokens(provider: str, tmp_path: Path) -> None:
    stand_in, later = create_stand_in(provider, HOST), create_stand_in(provider, HOST)
    assert stand_in.identity is not None
    assert later.identity is not None
    stand_in.identity.consent(HOST.email)
    KeptState(tmp_path).keep(StackData("tag", "key", "whsec_", stand_ins={provider: stand_in.keep()}))
    kept = KeptState(tmp_path).data
    assert kept is not None
    later.restore(kept.stand_ins[provider])
    assert later.identity.all_tokens() == stand_in.identity.all_tokens() != []


def test_a_restarted_daily_accepts_the_key_of_its_form(tmp_path: Path) -> None:
    stand_in, later = create_stand_in("daily", HOST), create_stand_in("daily", HOST)
    KeptState(tmp_path).keep(StackData("tag", "key", "whsec_", stand_ins={"daily": stand_in.keep()}))
    kept = KeptState(tmp_path).data
    assert kept is not None
    later.restore(kept.stand_ins["daily"])
    assert later.key_form == stand_in.key_form
