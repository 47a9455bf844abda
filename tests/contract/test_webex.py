"""Webex passes the providers' contract, at its stand-in; what is its own stands below."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from msgspec.structs import replace

from chalicelib.domain.cohost import CohostState
from chalicelib.domain.meeting import DialIn, ProviderMeeting
from chalicelib.domain.meeting_settings import MeetingSettings, RecordingMode
from chalicelib.errors import ProviderUnavailable, ReconnectNeeded, Rejected
from chalicelib.providers import oauth
from chalicelib.providers.cohost_changes import CohostChange
from chalicelib.providers.webex import Webex
from infra.local.standins.base import HeldMeeting
from infra.local.standins.faults import Action, Fault, Faults
from infra.local.standins.oauth_rules import Person
from infra.local.standins.webex import Webex as StandIn
from infra.local.standins.webex import contract, create_app
from tests.contract.kit.contract import ProviderContract
from tests.contract.kit.subject import COHOSTS, CREDENTIALS, EMAIL, PASSWORD, REDIRECT, Refreshing, Says, Subject, utc
from tests.support.clock import FakeClock

HOST = Person("person-1", EMAIL, PASSWORD, "Demo Host")
NO_SCOPE = "the access token is missing required scopes or the user is missing required roles or licenses."


class WebexSubject(Subject):
    kind = Webex
    refreshing = Refreshing.ROTATING
    create_path = r"/v1/meetings$"
    token_rejected = Says(401, {"message": "The request requires a valid access token.", "trackingId": "ROUTER_1"})
    refused = Says(403, {"message": NO_SCOPE, "errors": [{"description": NO_SCOPE}], "trackingId": "ROUTER_1"})
    shortest_minutes = 10
    lacks = {
        "a_guest_enters_a_new_meeting_without_waiting": "depends on the host's settings at Webex",
        "an_unticked_permission_is_detected": "consent is all or nothing",
        "a_wrong_key_is_refused": "is not connected by a key",
        "a_repeated_create_returns_the_same_meeting": "no idempotent create; found by tag instead",
        "a_create_after_a_deletion_by_hand_does_not_return_the_dead_link": "no idempotent create",
        "a_missing_permission_requires_the_owner": "403 may also mean a missing licence; scopes are checked "
        "when the host connects",
        "disconnecting_revokes_the_tokens": "no revocation API; people revoke access in their settings",
        "a_failed_revocation_is_reported": "no revocation API; people revoke access in their settings",
        "a_visitor_is_admitted_by_a_short_lived_link": "has its own links",
    }

    def origins(self) -> Mapping[str, Any]:
        self.webex = StandIn(
            client_id=CREDENTIALS[0],
            client_secret=CREDENTIALS[1],
            redirect_uris=[REDIRECT],
            accounts=[HOST],
            clock=self.clock,
            random=Random(1),
        )
        return {"https://webexapis.com": create_app(self.webex)}

    @property
    def faults(self) -> Faults:
        return self.webex.faults

    def held(self) -> list[HeldMeeting]:
        return self.webex.meetings

    def delete_by_hand(self, meeting_id: str) -> None:
        self.webex.delete_by_hand(meeting_id)

    def has_setting(self, made: ProviderMeeting, name: str, value: Any) -> bool:
        meeting = self.webex.held[made.id]
        options = meeting.options
        return {
            "waiting_room": options["unlockedMeetingJoinSecurity"] == ("allowJoinWithLobby" if value else "allowJoin"),
            "join_before_host_minutes": options["enabledJoinBeforeHost"] == (value is not None)
            and value in (None, options["joinBeforeHostMinutes"]),
            "recording": options["enabledAutoRecordMeeting"] == (value == "cloud"),
            "passcode": bool(meeting.password),
        }[name]

    def lock_setting(self) -> tuple[Any, MeetingSettings]:
        self.webex.locked = {"enabledAutoRecordMeeting": True}
        return RecordingMode.CLOUD, MeetingSettings(recording=RecordingMode.NONE)

    def accept_cohosts(self, *emails: str) -> None:
        self.webex.qualified = frozenset(emails)

    def cohosts_of(self, made: ProviderMeeting) -> set[str]:
        return {invitee["email"] for invitee in self.webex.held[made.id].invitees.values() if invitee["coHost"]}

    def mailed_cohosts(self) -> list[str]:
        return [mail.title for mail in self.webex.mails]

    def secrets(self) -> list[str]:
        return ["hostKey", *(meeting.host_key for meeting in self.webex.held.values())]

    def end_access_tokens(self) -> None:
        self.webex.identity.end_access_tokens()

    def end_grant(self) -> None:
        self.webex.identity.end_grant(HOST.id)


class TestWebex(ProviderContract):
    subject_kind = WebexSubject


@pytest.fixture
def subject(clock: FakeClock) -> WebexSubject:
    return WebexSubject(clock)


@pytest.fixture
def token(subject: WebexSubject) -> str:
    return subject.connect().access_token


class TestMeetings:
    def test_webex_mails_nothing(self, subject: WebexSubject, token: str) -> None:
        meeting = subject.provider.create(token, subject.request())
        subject.provider.update(token, meeting.id, subject.request(days=8))
        subject.provider.delete(token, meeting.id)
        assert subject.webex.mails == []

    def test_the_tag_survives_a_change(self, subject: WebexSubject, token: str) -> None:
        meeting = subject.provider.create(token, subject.request())
        subject.provider.update(token, meeting.id, subject.request(days=8, title="Other talk"))
        assert [one.id for one in subject.provider.find(token, subject.request())] == [meeting.id]

    @pytest.mark.parametrize("days", [0.2, 6, 8, 400, 3600])
    def test_a_meeting_is_found_however_far_ahead_it_is(self, subject: WebexSubject, token: str, days: float) -> None:
        # Left to itself Webex lists the next seven days.
        meeting = subject.provider.create(token, subject.request(days=days))
        assert [one.id for one in subject.provider.find(token, subject.request(days=1))] == [meeting.id]

    def test_what_is_found_has_the_id_that_it_was_made_with(self, subject: WebexSubject, token: str) -> None:
        # Listed as a scheduled meeting it would have another one, and the settler would delete it as a stranger.
        meeting = subject.provider.create(token, subject.request())
        assert subject.provider.find(token, subject.request()) == [meeting]

    def test_every_page_is_looked_through(self, subject: WebexSubject, token: str) -> None:
        meeting = {subject.provider.create(token, subject.request()).id for _ in range(100)}
        subject.clock.advance(90_000)
        meeting.add(subject.provider.create(token, subject.request(days=9)).id)
        assert {one.id for one in subject.provider.find(token, subject.request())} == meeting

    def test_a_meeting_that_does_not_show_the_tag_is_nobodys_to_delete(self, subject: WebexSubject, token: str) -> None:
        meeting = subject.provider.create(token, subject.request("b"))
        body = {"items": [{"id": meeting.id, "webLink": meeting.join_url}]}
        subject.faults.add(Fault(r"/v1/meetings$", Action.BEFORE, method="GET", status=200, body=body))
        assert subject.provider.find(token, subject.request("a")) == []

    @pytest.mark.parametrize(("method", "state"), [("GET", CohostState.FAILED), ("DELETE", CohostState.HOST)])
    def test_cohosts_that_may_not_be_read_or_removed_are_not_tried_again_and_again(
        self, subject: WebexSubject, token: str, method: str, state: CohostState
    ) -> None:
        subject.accept_cohosts(*COHOSTS)
        former, later = COHOSTS
        meeting = subject.provider.create(token, replace(subject.request(), cohosts=(former,)))
        subject.faults.add(subject.refused.fault("/v1/meetingInvitees", method))
        (result,) = subject.provider.set_cohosts(token, meeting.id, CohostChange((later,), (former,)))
        assert (result.email, result.state) == (later, state)
        assert former in subject.cohosts_of(meeting)

    def test_seconds_are_rounded_so_that_everyone_has_their_time(self, subject: WebexSubject, token: str) -> None:
        request = subject.request(minutes=20)
        odd = replace(
            request, starts_at=request.starts_at + timedelta(seconds=30), ends_at=request.ends_at + timedelta(seconds=1)
        )
        subject.provider.create(token, odd)
        (held,) = subject.held()
        assert held.starts_at == utc(request.starts_at)
        assert held.ends_at == utc(request.ends_at + timedelta(minutes=1))

    def test_a_meeting_that_starts_within_this_minute_still_gets_its_ten(
        self, subject: WebexSubject, token: str
    ) -> None:
        subject.clock.advance(16)
        now = subject.clock()
        soon = replace(
            subject.request(), starts_at=now + timedelta(seconds=12), ends_at=now + timedelta(minutes=10, seconds=12)
        )
        subject.provider.create(token, soon)
        (held,) = subject.held()
        assert held.starts_at is not None
        assert held.ends_at == held.starts_at + timedelta(minutes=10)

    def test_a_booking_of_a_day_is_refused_before_it_costs_one_of_the_days_tries(
        self, subject: WebexSubject, token: str
    ) -> None:
        with pytest.raises(Rejected) as refused:
            subject.provider.create(token, subject.request(minutes=24 * 60))
        assert "23 hours" in refused.value.advice
        assert [call.path for call in subject.faults.calls if call.path.startswith("/v1/meetings")] == []

    def test_dial_in_numbers_come_with_the_code_that_the_bridge_asks_for(
        self, subject: WebexSubject, token: str
    ) -> None:
        made = subject.provider.create(token, subject.request())
        meeting = subject.webex.held[made.id]
        assert made.passcode == meeting.password
        assert made.dial_in == (DialIn(f"+1-415-555-0132,,{meeting.number}#"),)

    @pytest.mark.parametrize("status", [400, 415])
    @pytest.mark.parametrize("takes", ["application/json", "application/json-patch+json"])
    def test_a_reschedule_works_whichever_media_type_webex_takes(
        self, subject: WebexSubject, token: str, takes: str, status: int
    ) -> None:
        subject.webex.patch_types, subject.webex.refuses_type_with = frozenset({takes}), status
        subject.webex.unknown_zones = frozenset({"Europe/Berlin"})
        meeting, moved = subject.provider.create(token, subject.request()), subject.request(days=8)
        subject.provider.update(token, meeting.id, moved)
        assert [utc(held.starts_at) for held in subject.held()] == [utc(moved.starts_at)]

    def test_a_reschedule_that_webex_refuses_as_json_says_why(self, subject: WebexSubject, token: str) -> None:
        meeting = subject.provider.create(token, subject.request())
        past = replace(subject.request(), starts_at=subject.clock() - timedelta(hours=1), ends_at=subject.clock())
        with pytest.raises(Rejected) as refused:
            subject.provider.update(token, meeting.id, past)
        assert refused.value.status == 400

    def test_a_zone_that_webex_does_not_know_costs_one_try_of_the_day(self, subject: WebexSubject, token: str) -> None:
        subject.webex.unknown_zones, subject.webex.daily_limit = frozenset({"Europe/Berlin"}), 4
        for tag in "abc":
            subject.provider.create(token, subject.request(tag))
        assert len(subject.held()) == 3

    def test_a_title_is_cut_as_webex_counts(self, subject: WebexSubject, token: str) -> None:
        subject.provider.create(token, subject.request(title="🚀" * 100))
        assert [held.title for held in subject.held()] == ["🚀" * 64]

    def test_answers_are_as_the_contract_has_them(self, subject: WebexSubject, token: str) -> None:
        with httpx.Client(transport=subject.network, headers={"Authorization": f"Bearer {token}"}) as api:
            meeting = api.post("https://webexapis.com/v1/meetings", json=body(subject)).json()
            listed = api.get("https://webexapis.com/v1/meetings").json()
            changed = api.patch(
                f"https://webexapis.com/v1/meetings/{meeting['id']}",
                json={"title": "Other"},
                headers={"Content-Type": "application/json-patch+json"},
            ).json()
        assert contract.response_errors("post", "/meetings", "200", meeting) == []
        assert contract.response_errors("get", "/meetings", "200", listed) == []
        assert contract.response_errors("patch", "/meetings/{meetingId}", "200", changed) == []
        assert listed["items"]
        assert subject.webex.mails, "sendEmail is true unless it is said otherwise"


class TestTheDailyLimit:
    def test_the_hundred_and_first_waits_until_the_first_is_a_day_old(self, subject: WebexSubject, token: str) -> None:
        for number in range(100):
            subject.provider.create(token, subject.request(f"a{number}"))
        with pytest.raises(ProviderUnavailable) as limited:
            subject.provider.create(token, subject.request("b"))
        assert limited.value.reason == "rate_limited"
        assert limited.value.retry_at is not None
        waits = limited.value.retry_at - subject.clock()
        assert timedelta(hours=24) <= waits <= timedelta(hours=24, seconds=1)
        subject.clock.advance(waits.total_seconds())
        assert subject.provider.create(token, subject.request("b")).id

    def test_failed_tries_count(self, subject: WebexSubject, token: str) -> None:
        subject.webex.daily_limit = 2  # The refused create is tried once more, without its time zone.
        past = replace(subject.request(), starts_at=subject.clock() - timedelta(hours=1), ends_at=subject.clock())
        with pytest.raises(Rejected):
            subject.provider.create(token, past)
        with pytest.raises(ProviderUnavailable):
            subject.provider.create(token, subject.request())


class TestTheTokenEndpoint:
    def test_both_ends_of_both_tokens_are_read(self, subject: WebexSubject) -> None:
        tokens, now = subject.connect(), subject.clock()
        assert timedelta(days=13) < tokens.expires_at - now <= timedelta(days=14)
        assert tokens.lapses_at == now + timedelta(days=90)

    def test_a_refresh_token_that_webex_refuses_in_words_is_dead(self, subject: WebexSubject) -> None:
        tokens = subject.connect()
        subject.clock.advance(91 * 86_400)
        with pytest.raises(ReconnectNeeded):
            subject.refresh(tokens)

    def test_another_400_is_no_proof_while_the_refresh_token_lives(self, subject: WebexSubject) -> None:
        tokens = subject.connect()
        subject.faults.add(Says(400, {"message": "The request could not be understood."}).fault("/access_token$"))
        with pytest.raises(ProviderUnavailable):
            subject.refresh(tokens)

    def test_any_400_is_proof_once_it_has_lapsed(self, subject: WebexSubject) -> None:
        tokens = subject.connect()
        subject.clock.advance(91 * 86_400)
        subject.faults.add(Says(400, "<html>").fault("/access_token$"))
        with pytest.raises(ReconnectNeeded):
            subject.refresh(tokens)

    def test_an_answer_that_names_no_scopes_grants_what_was_asked_for(self, subject: WebexSubject) -> None:
        body = {"access_token": "a", "refresh_token": "r", "expires_in": 1209600, "refresh_token_expires_in": 7776000}
        subject.faults.add(Says(200, body).fault("/access_token$"))
        assert not Webex.oauth.missing_scopes(frozenset(subject.connect().scopes))

    def test_a_challenge_is_sent_so_that_a_stolen_code_is_worth_nothing(self, subject: WebexSubject) -> None:
        asked = parse_qs(urlsplit(subject.authorization_url()).query)
        assert asked["code_challenge_method"] == ["S256"]
        assert len(asked["code_challenge"][0]) == 43

    def test_a_wrong_secret_is_the_deployments_fault_and_no_one_must_reconnect(self, subject: WebexSubject) -> None:
        tokens = subject.connect()
        with pytest.raises(ProviderUnavailable):
            oauth.refresh(subject.oauth_provider(), (CREDENTIALS[0], "wrong"), tokens)


def body(subject: WebexSubject) -> dict[str, Any]:
    request = subject.request()
    return {"title": "Talk", "start": request.starts_at.isoformat(), "end": request.ends_at.isoformat()}
