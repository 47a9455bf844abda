"""Daily passes the providers' contract, at its stand-in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from chalicelib.domain.meeting import ProviderMeeting, Visit
from chalicelib.errors import MeetingGone, Rejected
from chalicelib.providers.daily import Daily
from infra.local.standins.base import HeldMeeting
from infra.local.standins.daily import Daily as StandIn
from infra.local.standins.faults import Faults
from tests.contract.kit.contract import ProviderContract
from tests.contract.kit.subject import COHOSTS_BY_LINK, WITH_A_KEY, Says, Subject
from tests.support.clock import FakeClock

KEY = "daily-key-canary"


class DailySubject(Subject):
    kind = Daily
    create_path = "/v1/rooms$"
    token_rejected = Says(401, {"error": "authentication-error"})
    refused = Says(403, {"error": "forbidden", "info": "not on this plan"})
    lacks = (
        WITH_A_KEY
        | COHOSTS_BY_LINK
        | {
            "a_setting_that_the_account_locks_is_reported": "no setting can be locked",
            "a_guest_enters_a_new_meeting_without_waiting": "visitors join with a short-lived link",
            "a_deleted_meeting_admits_no_guest": "visitors join with a short-lived link",
        }
    )

    def origins(self) -> Mapping[str, Any]:
        self.daily = StandIn(api_key=KEY, clock=self.clock, random=Random(1))
        return {"https://api.daily.co": self.daily.app()}

    @property
    def faults(self) -> Faults:
        return self.daily.faults

    def held(self) -> list[HeldMeeting]:
        return self.daily.held()

    def delete_by_hand(self, meeting_id: str) -> None:
        del self.daily.rooms[meeting_id]

    def has_setting(self, made: ProviderMeeting, name: str, value: Any) -> bool:
        config = self.daily.rooms[made.id]["config"]
        return {
            "mute_on_entry": config.get("start_audio_off") == value,
            "recording": config.get("enable_recording", "none") == value,
        }[name]

    def secrets(self) -> list[str]:
        return [KEY]

    def end_access_tokens(self) -> None:
        raise NotImplementedError

    def end_grant(self) -> None:
        self.daily.keys.clear()

    def key_form(self) -> dict[str, str]:
        return {"api_key": KEY}


class TestDaily(ProviderContract):
    subject_kind = DailySubject


def test_a_room_is_private_and_open_around_the_booking_only(clock: FakeClock) -> None:
    subject = DailySubject(clock)
    tokens, request = subject.connect(), subject.request(days=7)
    meeting = subject.create(tokens, request)
    assert subject.daily.rooms[meeting.id]["privacy"] == "private"
    assert subject.daily.opens(meeting.id) == (
        request.starts_at - timedelta(minutes=15),
        request.ends_at + timedelta(hours=1),
    )
    moved = subject.request(days=9)
    subject.provider.update(tokens.access_token, meeting.id, moved)
    assert subject.daily.opens(meeting.id)[0] == moved.starts_at - timedelta(minutes=15)


def test_only_the_host_owns_the_room_and_no_one_is_let_in_for_longer_than_the_visit(clock: FakeClock) -> None:
    subject = DailySubject(clock)
    tokens = subject.connect()
    meeting = subject.create(tokens)
    visit = Visit(True, "visitor-1", "Demo Host", "Talk", clock(), clock() + timedelta(hours=2))
    address = subject.provider.create_join_link(tokens.access_token, meeting.id, visit)
    assert address.startswith(f"https://demo.daily.co/{meeting.id}?t=")
    (given,) = parse_qs(urlsplit(address).query)["t"]
    assert subject.daily.tokens[given] == {
        "room_name": meeting.id,
        "is_owner": True,
        "user_name": "Demo Host",
        "nbf": int(visit.opens_at.timestamp()),
        "exp": int(visit.closes_at.timestamp()),
    }


@pytest.mark.parametrize("typed", ["", "two words", "schlüssel", "line\nbreak"])
def test_what_cannot_be_a_key_is_refused_before_it_is_sent(clock: FakeClock, typed: str) -> None:
    with pytest.raises(Rejected) as refused:
        DailySubject(clock).provider.read_key({"api_key": typed})  # type: ignore[attr-defined]
    assert "Paste the API key" in refused.value.advice


def test_a_domain_without_an_id_connects_under_its_name(clock: FakeClock) -> None:
    subject = DailySubject(clock)
    subject.daily.domain_id = None
    account = subject.provider.read_account(subject.connect().access_token)
    assert (account.id, account.label) == ("demo", "demo.daily.co")


def test_a_room_that_exists_is_recognized_by_looking_and_not_by_words(clock: FakeClock) -> None:
    subject = DailySubject(clock)
    tokens = subject.connect()
    meeting = subject.create(tokens)
    refusal = Says(400, {"error": "invalid-request-error", "info": "something else"})
    subject.faults.add(refusal.fault("/v1/rooms$", "POST"))
    moved = subject.request(days=9)
    assert subject.create(tokens, moved) == meeting
    assert subject.daily.opens(meeting.id)[0] == moved.starts_at - timedelta(minutes=15)


def test_a_plan_whose_rooms_are_used_up_is_told_to_the_host(clock: FakeClock) -> None:
    subject = DailySubject(clock)
    subject.daily.max_rooms = 1
    tokens = subject.connect()
    subject.create(tokens, subject.request("a"))
    with pytest.raises(Rejected) as refused:
        subject.create(tokens, subject.request("b"))
    assert "rooms are used up" in refused.value.advice
    assert "how many rooms" in Daily.limits


def test_a_room_is_gone_after_its_end(clock: FakeClock) -> None:
    subject = DailySubject(clock)
    tokens = subject.connect()
    meeting = subject.create(tokens, subject.request(days=1))
    clock.advance(86_400 + 3 * 3600)
    assert subject.held() == []
    with pytest.raises(MeetingGone):
        subject.provider.update(tokens.access_token, meeting.id, subject.request(days=2))
