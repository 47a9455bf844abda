"""Zoom passes the providers' contract, at its stand-in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from random import Random
from typing import Any

import httpx
import pytest

from chalicelib.domain.meeting import ProviderMeeting
from chalicelib.domain.meeting_settings import MeetingSettings, RecordingMode
from chalicelib.errors import Rejected
from chalicelib.providers.zoom import Zoom
from infra.local.standins.base import HeldMeeting
from infra.local.standins.faults import Faults
from infra.local.standins.zoom import Account, create_app
from infra.local.standins.zoom import Zoom as StandIn
from infra.local.standins.zoom.bodies import join_url
from infra.local.visitor import sign_in_and_consent
from tests.contract.kit.contract import ProviderContract
from tests.contract.kit.subject import CREDENTIALS, EMAIL, PASSWORD, REDIRECT, Refreshing, Says, Subject, utc
from tests.support.clock import FakeClock


class ZoomSubject(Subject):
    kind = Zoom
    refreshing = Refreshing.SINGLE_USE
    create_path = r"/users/me/meetings$"
    token_rejected = Says(401, {"code": 124, "message": "Invalid access token."})
    scope_missing = Says(400, {"code": 4711, "message": "Invalid access token, does not contain scopes:[x]."})
    refused = Says(400, {"code": 3161, "message": "Not allowed to host."})
    lacks = {
        "a_guest_enters_a_new_meeting_without_waiting": "depends on the host's settings at Zoom",
        "an_unticked_permission_is_detected": "scopes belong to the app",
        "a_wrong_key_is_refused": "is not connected by a key",
        "a_repeated_create_returns_the_same_meeting": "no idempotent create; found by tag instead",
        "a_create_after_a_deletion_by_hand_does_not_return_the_dead_link": "no idempotent create",
        "the_expiry_of_a_refresh_token_is_known": "not reported",
        "a_visitor_is_admitted_by_a_short_lived_link": "has its own links",
    }

    def origins(self) -> Mapping[str, Any]:
        self.zoom = StandIn(
            client_id=CREDENTIALS[0],
            client_secret=CREDENTIALS[1],
            webhook_secret="webhook-secret-1",
            redirect_uris=[REDIRECT],
            accounts=[Account("user-1", "account-1", EMAIL, PASSWORD, "Demo Host")],
            clock=self.clock,
            random=Random(1),
        )
        app = create_app(self.zoom)
        return {"https://zoom.us": app, "https://api.zoom.us": app}

    @property
    def faults(self) -> Faults:
        return self.zoom.faults

    def held(self) -> list[HeldMeeting]:
        return [
            HeldMeeting(
                str(m.id),
                m.topic,
                m.start_time,
                m.start_time + timedelta(minutes=m.duration),
                join_url(m, self.zoom.web_url),
            )
            for m in self.zoom.meetings.values()
        ]

    def delete_by_hand(self, meeting_id: str) -> None:
        del self.zoom.held.by_id[int(meeting_id)]

    def has_setting(self, made: ProviderMeeting, name: str, value: Any) -> bool:
        meeting = self.zoom.meetings[int(made.id)]
        settings, is_early = meeting.settings, value is not None
        return {
            "waiting_room": settings["waiting_room"] == value,
            "join_before_host_minutes": (settings["join_before_host"], settings["jbh_time"] if is_early else None)
            == (is_early and not settings["waiting_room"], value),
            "recording": settings["auto_recording"] == value,
            "mute_on_entry": settings["mute_upon_entry"] == value,
            "summary": settings["auto_start_meeting_summary"] == value,
            "passcode": bool(meeting.password) == (value != "none"),
        }[name]

    def lock_setting(self) -> tuple[Any, MeetingSettings]:
        self.zoom.held.locked = {"auto_recording": "cloud"}
        return RecordingMode.CLOUD, MeetingSettings(recording=RecordingMode.NONE)

    def accept_cohosts(self, *emails: str) -> None:
        self.zoom.held.licensed = frozenset(emails)

    def cohosts_of(self, made: ProviderMeeting) -> set[str]:
        return set(filter(None, self.zoom.meetings[int(made.id)].settings.get("alternative_hosts", "").split(";")))

    def mailed_cohosts(self) -> list[str]:
        return sorted(self.zoom.held.mailed)

    def secrets(self) -> list[str]:
        return ["zak=", "start_url"]

    def end_access_tokens(self) -> None:
        self.clock.advance(3700)

    def end_grant(self) -> None:
        self.zoom.identity.end_grant("user-1")

    def back_from_sign_in(self, *, allow: bool = True, untick: str = "") -> str:
        with httpx.Client(transport=self.network) as browser:
            return sign_in_and_consent(browser, self.authorization_url(), EMAIL, PASSWORD, allow=allow)


class TestZoom(ProviderContract):
    subject_kind = ZoomSubject


class WithoutAgendas(ZoomSubject):
    """A Zoom whose lists leave out every agenda."""

    def origins(self) -> Mapping[str, Any]:
        served = super().origins()
        self.zoom.lists_agenda = False
        return served


class TestZoomWhoseListsLeaveOutAgendas(ProviderContract):
    subject_kind = WithoutAgendas


@pytest.fixture
def subject(clock: FakeClock) -> ZoomSubject:
    return ZoomSubject(clock)


class TestTimeZones:
    def test_a_zone_that_zoom_does_not_know_is_left_out(self, subject: ZoomSubject) -> None:
        subject.zoom.held.unknown_zones = frozenset({"Europe/Berlin"})
        tokens = subject.connect()
        meeting = subject.create(tokens)
        moved = subject.request(days=9)
        subject.provider.update(tokens.access_token, meeting.id, moved)
        (held,) = subject.held()
        assert utc(held.starts_at) == utc(moved.starts_at)

    def test_a_refused_zone_costs_one_call_and_not_one_for_each_booking(self, subject: ZoomSubject) -> None:
        subject.zoom.held.unknown_zones = frozenset({"Europe/Berlin"})
        tokens = subject.connect()
        for tag in "abc":
            subject.create(tokens, subject.request(tag))
        statuses = [call.status for call in subject.faults.calls if call.path == "/v2/users/me/meetings"]
        assert statuses == [400, 201, 201, 201]

    def test_another_refusal_stays_what_it_is(self, subject: ZoomSubject) -> None:
        refusal = Says(400, {"code": 300, "message": "Validation Failed."})
        tokens = subject.connect()
        for _ in range(2):
            subject.faults.add(refusal.fault(subject.create_path, "POST"))
        with pytest.raises(Rejected) as refused:
            subject.create(tokens)
        assert refused.value.code == "300"
        subject.create(tokens)
        assert subject.zoom.meetings.popitem()[1].timezone == "Europe/Berlin"


def test_a_phone_sends_the_meetings_id_and_its_passcode_for_phones(subject: ZoomSubject) -> None:
    made = subject.create(subject.connect())
    meeting = subject.zoom.meetings[int(made.id)]
    assert made.dial_in[0].number == f"+1 212 555 0143,,{made.id}#,,,,*{meeting.dial_in_password}#"


def test_a_meeting_of_the_same_start_without_our_tag_is_left_alone(subject: ZoomSubject) -> None:
    subject.zoom.lists_agenda = False
    tokens = subject.connect()
    other = subject.create(tokens, subject.request("b"))
    meeting = subject.create(tokens, subject.request("a"))
    assert [found.id for found in subject.provider.find(tokens.access_token, subject.request("a"))] == [meeting.id]
    assert meeting.id != other.id
