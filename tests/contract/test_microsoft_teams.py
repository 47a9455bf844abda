"""Microsoft Teams passes the providers' contract, at its stand-in; what is its own stands below."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from chalicelib.domain.guest_experience import GuestEntry
from chalicelib.domain.meeting import DialIn, ProviderMeeting
from chalicelib.domain.meeting_settings import MeetingSettings, RecordingMode
from chalicelib.errors import Ambiguous, MeetingGone, ProviderUnavailable, ReconnectNeeded, Rejected
from chalicelib.providers import oauth
from chalicelib.providers.microsoft_teams import MicrosoftTeams
from infra.local.standins.base import HeldMeeting
from infra.local.standins.faults import Action, Fault, Faults
from infra.local.standins.microsoft import Door, LobbyPolicy, Microsoft, create_app, metadata
from infra.local.standins.oauth_rules import Person
from infra.local.visitor import sign_in_and_consent
from tests.contract.kit.contract import ProviderContract
from tests.contract.kit.subject import (
    CREDENTIALS,
    EMAIL,
    PASSWORD,
    REDIRECT,
    WITHOUT_COHOSTS,
    Refreshing,
    Says,
    Subject,
    utc,
)
from tests.support.clock import FakeClock

HOST = Person("5b1c4ed2-7c9d-4ab8-9f6e-0d2c1a3b4c5d", EMAIL, PASSWORD, "Demo Host")
PERSONAL = Person("48d31887fad8b2f1", "personal@example.com", PASSWORD, "Demo Person")
APPROVED = "https://product.example/oauth/approved"
NOT_TOLD = "403 may also mean a missing licence; scopes are checked when the host connects"
MAKING = "find creates the meeting; settling deletes an unwanted one"
CREATE = r"/createOrGet$"


class TeamsSubject(Subject):
    kind = MicrosoftTeams
    needs_admin = False
    refreshing = Refreshing.ROTATING
    create_path = CREATE
    token_rejected = Says(
        401,
        {"error": {"code": "InvalidAuthenticationToken", "message": "Continuous access evaluation resulted in …"}},
        {"WWW-Authenticate": 'Bearer realm="", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ=="'},
    )
    refused = Says(403, {"error": {"code": "Forbidden", "message": "", "innerError": {"request-id": "r-1"}}})
    lacks = WITHOUT_COHOSTS | {
        "an_unticked_permission_is_detected": "consent is all or nothing",
        "a_wrong_key_is_refused": "is not connected by a key",
        "a_deleted_meeting_is_gone": MAKING,
        "find_returns_nothing_if_nothing_was_created": MAKING,
        "a_missing_permission_requires_the_owner": NOT_TOLD,
        "the_expiry_of_a_refresh_token_is_known": "not reported",
        "disconnecting_revokes_the_tokens": "no revocation API; people revoke access at myapps.microsoft.com",
        "a_failed_revocation_is_reported": "no revocation API; people revoke access at myapps.microsoft.com",
        "a_visitor_is_admitted_by_a_short_lived_link": "has its own links",
    }

    def origins(self) -> Mapping[str, Any]:
        self.microsoft = Microsoft(
            client_id=CREDENTIALS[0],
            client_secret=CREDENTIALS[1],
            redirect_uris=[REDIRECT, APPROVED],
            accounts=[HOST, PERSONAL],
            clock=self.clock,
            random=Random(1),
            needs_admin=self.needs_admin,
        )
        app = create_app(self.microsoft)
        return {"https://login.microsoftonline.com": app, "https://graph.microsoft.com": app}

    @property
    def faults(self) -> Faults:
        return self.microsoft.faults

    def held(self) -> list[HeldMeeting]:
        return self.microsoft.meetings

    def delete_by_hand(self, meeting_id: str) -> None:
        self.microsoft.delete_by_hand(meeting_id)

    def lets_guest_in(self, made: ProviderMeeting) -> bool:
        return self.microsoft.open_link(str(made.join_url)) is Door.ENTERS

    def has_setting(self, made: ProviderMeeting, name: str, value: Any) -> bool:
        meeting = self.microsoft.held[made.id]
        return {
            "waiting_room": meeting.lobby == ("organizer" if value else "everyone"),
            "recording": meeting.records == (value == "cloud"),
        }[name]

    def lock_setting(self) -> tuple[Any, MeetingSettings]:
        self.microsoft.recording_policy = LobbyPolicy.REFUSES
        return RecordingMode.NONE, MeetingSettings(recording=RecordingMode.CLOUD)

    def secrets(self) -> list[str]:
        return ["meetingOptions"]

    def end_access_tokens(self) -> None:
        self.microsoft.identity.end_access_tokens()

    def end_grant(self) -> None:
        self.microsoft.identity.end_grant(HOST.id)

    def calls(self) -> list[tuple[str, int | None]]:
        """Method and status of the calls to Graph so far."""
        return [(call.method, call.status) for call in self.faults.calls if call.path.startswith("/v1.0/")]


class StrictSubject(TeamsSubject):
    """In an organization where only the administrator may consent."""

    needs_admin = True


class TestMicrosoftTeams(ProviderContract):
    subject_kind = TeamsSubject


@pytest.fixture
def subject(clock: FakeClock) -> TeamsSubject:
    return TeamsSubject(clock)


@pytest.fixture
def token(subject: TeamsSubject) -> str:
    return subject.connect().access_token


class TestMeetings:
    def test_a_deleted_meeting_is_gone(self, subject: TeamsSubject, token: str) -> None:
        meeting = subject.provider.create(token, subject.request())
        subject.provider.delete(token, meeting.id)
        assert subject.held() == []

    def test_looking_for_a_meeting_that_was_never_made_makes_it_known(self, subject: TeamsSubject, token: str) -> None:
        # After a create without an answer whose booking was cancelled: what is found is what the settler deletes.
        (found,) = subject.provider.find(token, subject.request())
        subject.provider.delete(token, found.id)
        assert subject.held() == []

    def test_a_meeting_deleted_by_hand_is_looked_for_and_is_another_one(
        self, subject: TeamsSubject, token: str
    ) -> None:
        meeting = subject.provider.create(token, subject.request())
        subject.delete_by_hand(meeting.id)
        (found,) = subject.provider.find(token, subject.request())
        assert found.id != meeting.id

    def test_a_meeting_that_is_there_is_seen_to_be_alive(self, subject: TeamsSubject, token: str) -> None:
        # Whether createOrGet can still get a meeting that was deleted is not known.
        subject.provider.create(token, subject.request())
        subject.faults.add(Fault(r"/onlineMeetings/\w+$", Action.BEFORE, method="GET", status=404))
        assert subject.provider.find(token, subject.request()) == []

    @pytest.mark.parametrize("title", ["Talk", "Gespräch über Straßen", "日本語", "🚀 Start"])
    def test_the_lobby_and_any_title_beyond_ascii_follow_by_one_patch(
        self, subject: TeamsSubject, token: str, title: str
    ) -> None:
        subject.provider.create(token, subject.request(title=title))
        assert [held.title for held in subject.held()] == [title]
        assert subject.calls() == [("POST", 201), ("PATCH", 200)]

    def test_what_was_got_is_moved_to_where_the_booking_is(self, subject: TeamsSubject, token: str) -> None:
        subject.provider.create(token, subject.request(days=7, title="Talk"))
        later = subject.request(days=9, minutes=45, title="Other talk")
        subject.provider.create(token, later)
        (held,) = subject.held()
        assert (held.title, held.starts_at, held.ends_at) == ("Other talk", utc(later.starts_at), utc(later.ends_at))

    def test_what_was_got_and_is_dead_is_told_so_that_the_next_tag_is_taken(
        self, subject: TeamsSubject, token: str
    ) -> None:
        subject.provider.create(token, subject.request())
        subject.faults.add(Fault("onlineMeetings/", Action.BEFORE, method="PATCH", status=404))
        with pytest.raises(MeetingGone):
            subject.provider.create(token, subject.request())

    @pytest.mark.parametrize("status", [401, 404, 429, 503, 500])
    def test_a_new_meeting_that_cannot_be_changed_yet_is_handed_out_as_unfinished(
        self, subject: TeamsSubject, token: str, status: int
    ) -> None:
        subject.faults.add(Fault("onlineMeetings/", Action.BEFORE, method="PATCH", status=status))
        meeting = subject.provider.create(token, subject.request(title="Gespräch"))
        assert meeting.is_unfinished
        assert meeting.join_url
        subject.provider.update(token, meeting.id, subject.request(title="Gespräch"))
        assert [held.title for held in subject.held()] == ["Gespräch"]
        assert subject.microsoft.open_link(meeting.join_url) is Door.ENTERS

    @pytest.mark.parametrize("status", [401, 429, 503, 500])
    def test_an_existing_meeting_that_cannot_be_updated_is_in_doubt(
        self, subject: TeamsSubject, token: str, status: int
    ) -> None:
        subject.provider.create(token, subject.request())
        subject.faults.add(Fault("onlineMeetings/", Action.BEFORE, method="PATCH", status=status))
        with pytest.raises(Ambiguous):
            subject.provider.create(token, subject.request(days=9))

    def test_a_new_meeting_whose_real_title_is_refused_keeps_a_plain_one(
        self, subject: TeamsSubject, token: str
    ) -> None:
        subject.faults.add(Fault("onlineMeetings/", Action.BEFORE, method="PATCH", status=400, times=2))
        assert subject.provider.create(token, subject.request(title="Gespräch")).join_url
        assert [held.title for held in subject.held()] == ["Gesprach"]

    def test_times_with_seven_fractional_digits_are_read(self, subject: TeamsSubject, token: str) -> None:
        subject.provider.create(token, subject.request())
        with httpx.Client(transport=subject.network, headers={"Authorization": f"Bearer {token}"}) as graph:
            (held,) = subject.held()
            body = graph.get(f"https://graph.microsoft.com/v1.0/me/onlineMeetings/{held.id}").json()
        assert body["startDateTime"].endswith(".0000000Z")
        assert metadata.errors(metadata.properties("onlineMeeting"), body) == []

    def test_passcode_and_dial_in_are_told_with_the_code_that_the_bridge_asks_for(
        self, subject: TeamsSubject, token: str
    ) -> None:
        made = subject.provider.create(token, subject.request())
        meeting = subject.microsoft.held[made.id]
        assert made.passcode == meeting.passcode
        assert made.dial_in == (DialIn(f"+1 323 555 0166,,{meeting.digits}#"),)

    def test_without_a_licence_for_audio_conferencing_there_is_no_number(
        self, subject: TeamsSubject, token: str
    ) -> None:
        subject.microsoft.without_audio.add(HOST.id)
        assert subject.provider.create(token, subject.request()).dial_in == ()


class TestTheLobby:
    def test_it_is_closed_to_guests_unless_it_is_opened(self, subject: TeamsSubject, token: str) -> None:
        (found,) = subject.provider.find(token, subject.request())
        assert subject.microsoft.open_link(str(found.join_url)) is Door.WAITS
        assert subject.microsoft.open_link(str(found.join_url), HOST.id) is Door.ENTERS

    def test_a_guest_of_a_new_meeting_enters_by_link_and_by_phone(self, subject: TeamsSubject, token: str) -> None:
        meeting = subject.provider.create(token, subject.request())
        assert subject.microsoft.open_link(str(meeting.join_url)) is Door.ENTERS
        assert subject.microsoft.held[meeting.id].dial_in_bypasses

    def test_what_was_found_is_opened_by_its_update(self, subject: TeamsSubject, token: str) -> None:
        (found,) = subject.provider.find(token, subject.request())
        subject.provider.update(token, found.id, subject.request())
        assert subject.microsoft.open_link(str(found.join_url)) is Door.ENTERS

    def test_a_create_that_is_repeated_after_a_crash_opens_it(self, subject: TeamsSubject, token: str) -> None:
        subject.faults.add(Fault("onlineMeetings/", Action.LOST_BEFORE, method="PATCH"))
        assert subject.provider.create(token, subject.request()).is_unfinished
        meeting = subject.provider.create(token, subject.request())
        assert subject.microsoft.open_link(str(meeting.join_url)) is Door.ENTERS

    @pytest.mark.parametrize("policy", [LobbyPolicy.REFUSES, LobbyPolicy.IGNORES])
    def test_a_policy_that_keeps_it_closed_fails_neither_create_nor_update(
        self, subject: TeamsSubject, token: str, policy: LobbyPolicy
    ) -> None:
        subject.microsoft.lobby_policy = policy
        meeting = subject.provider.create(token, subject.request(title="Gespräch"))
        assert not meeting.is_unfinished
        subject.provider.update(token, meeting.id, subject.request(title="Vortrag – kurz"))
        assert [held.title for held in subject.held()] == ["Vortrag – kurz"]
        assert subject.microsoft.open_link(str(meeting.join_url)) is Door.WAITS

    def test_no_one_but_the_organizer_enters_by_the_link_of_a_deleted_meeting(
        self, subject: TeamsSubject, token: str
    ) -> None:
        meeting = subject.provider.create(token, subject.request())
        subject.provider.delete(token, meeting.id)
        assert subject.held() == []
        assert subject.microsoft.open_link(str(meeting.join_url)) is Door.WAITS
        assert [held.id for held in subject.held()] == [meeting.id]  # The link brought it back.

    def test_a_meeting_whose_lobby_cannot_be_closed_is_deleted_all_the_same(
        self, subject: TeamsSubject, token: str
    ) -> None:
        meeting = subject.provider.create(token, subject.request())
        subject.faults.add(Fault("onlineMeetings/", Action.BEFORE, method="PATCH", status=403))
        subject.provider.delete(token, meeting.id)
        assert subject.held() == []

    def test_a_deletion_waits_while_the_lobby_cannot_be_closed_now(self, subject: TeamsSubject, token: str) -> None:
        meeting = subject.provider.create(token, subject.request())
        subject.faults.add(Fault("onlineMeetings/", Action.BEFORE, method="PATCH", status=503))
        with pytest.raises(ProviderUnavailable):
            subject.provider.delete(token, meeting.id)
        subject.provider.delete(token, meeting.id)
        assert subject.microsoft.open_link(str(meeting.join_url)) is Door.WAITS

    @pytest.mark.parametrize(
        ("policy", "admission"),
        [
            (LobbyPolicy.ALLOWS, GuestEntry.DIRECT),
            (LobbyPolicy.REFUSES, GuestEntry.KNOCK),
            (LobbyPolicy.IGNORES, GuestEntry.KNOCK),
        ],
    )
    def test_what_guests_experience_is_read_from_the_meeting(
        self, subject: TeamsSubject, token: str, policy: LobbyPolicy, admission: GuestEntry
    ) -> None:
        subject.microsoft.lobby_policy = policy
        meeting = subject.provider.create(token, subject.request())
        experience = subject.provider.observe_guest_experience(token, meeting, subject.provider.read_account(token))
        assert (experience.admission, experience.is_observed) == (admission, True)
        assert bool(experience.notes) == (admission is GuestEntry.KNOCK)


class TestAccounts:
    def test_a_personal_account_is_refused_with_words(self, subject: TeamsSubject) -> None:
        with httpx.Client(transport=subject.network) as browser:
            back = sign_in_and_consent(browser, subject.authorization_url(), PERSONAL.email, PASSWORD)
        code = parse_qs(urlsplit(back).query)["code"][0]
        tokens = oauth.exchange(
            subject.oauth_provider(), CREDENTIALS, code=code, redirect_uri=REDIRECT, verifier="v" * 64
        )
        with pytest.raises(Rejected) as refused:
            subject.provider.read_account(tokens.access_token)
        assert "work or school account" in refused.value.advice

    def test_an_account_without_a_mailbox_is_known_by_its_sign_in_name(self, subject: TeamsSubject, token: str) -> None:
        assert subject.provider.read_account(token).email == EMAIL

    def test_a_missing_licence_is_told_to_the_host(self, subject: TeamsSubject, token: str) -> None:
        subject.microsoft.unlicensed.add(HOST.id)
        with pytest.raises(Rejected) as refused:
            subject.provider.create(token, subject.request())
        assert "licence" in refused.value.advice

    def test_an_account_that_teams_does_not_know_is_no_meeting_that_is_gone(
        self, subject: TeamsSubject, token: str
    ) -> None:
        # MeetingGone would have the settler try under one tag after another.
        subject.faults.add(Fault(CREATE, Action.BEFORE, status=404))
        with pytest.raises(Rejected):
            subject.provider.create(token, subject.request())

    def test_granted_scopes_count_with_and_without_their_prefix(self, subject: TeamsSubject) -> None:
        scopes = subject.connect().scopes
        assert set(scopes) == {"https://graph.microsoft.com/OnlineMeetings.ReadWrite", "User.Read"}
        assert not MicrosoftTeams.oauth.missing_scopes(frozenset(scopes))
        assert MicrosoftTeams.oauth.missing_scopes(frozenset({"User.Read"})) == {"OnlineMeetings.ReadWrite"}


class TestConsent:
    def test_an_organization_that_wants_approval_says_so_in_words_only(self, clock: FakeClock) -> None:
        subject = StrictSubject(clock)
        back = parse_qs(urlsplit(subject.back_from_sign_in()).query)
        assert back["error"] == ["access_denied"]
        code = MicrosoftTeams.oauth.error_code(back["error"][0], back["error_description"][0])
        assert code == "admin_consent_required"

    def test_after_the_administrator_approved_people_can_connect(self, clock: FakeClock) -> None:
        subject = StrictSubject(clock)
        link = oauth.admin_consent_url(subject.oauth_provider(), CREDENTIALS[0], redirect_uri=APPROVED)
        assert link is not None
        with httpx.Client(transport=subject.network) as browser:
            back = sign_in_and_consent(browser, link, "admin@example.com", PASSWORD)
        assert back.startswith(f"{APPROVED}?admin_consent=True&tenant=")
        assert subject.connect().refresh_token

    def test_an_administrator_who_refuses_comes_back_with_an_error(self, clock: FakeClock) -> None:
        subject = StrictSubject(clock)
        link = oauth.admin_consent_url(subject.oauth_provider(), CREDENTIALS[0], redirect_uri=APPROVED)
        assert link is not None
        with httpx.Client(transport=subject.network) as browser:
            back = sign_in_and_consent(browser, link, "admin@example.com", PASSWORD, allow=False)
        assert "admin_consent=True&error=consent_required" in back

    def test_people_are_asked_which_account_it_is(self, subject: TeamsSubject) -> None:
        query = parse_qs(urlsplit(subject.authorization_url()).query)
        assert query["prompt"] == ["select_account"]
        assert query["code_challenge_method"] == ["S256"]
        assert "offline_access" in query["scope"][0].split()


class TestTheTokenEndpoint:
    @pytest.mark.parametrize("error", ["invalid_grant", "interaction_required", "consent_required"])
    def test_only_the_owner_can_help(self, subject: TeamsSubject, error: str) -> None:
        tokens = subject.connect()
        subject.faults.add(Says(400, {"error": error, "error_description": "AADSTS50076: …"}).fault("/token$"))
        with pytest.raises(ReconnectNeeded):
            subject.refresh(tokens)

    def test_consent_that_was_taken_back_is_told_as_a_matter_of_approval(self, subject: TeamsSubject) -> None:
        tokens = subject.connect()
        body = {"error": "invalid_grant", "error_description": "AADSTS65001: …", "error_codes": [65001]}
        subject.faults.add(Says(400, body).fault("/token$"))
        with pytest.raises(ReconnectNeeded) as raised:
            subject.refresh(tokens)
        assert raised.value.code == "admin_consent_required"

    def test_a_wrong_secret_is_the_deployments_fault_and_no_one_must_reconnect(self, subject: TeamsSubject) -> None:
        tokens = subject.connect()
        with pytest.raises(ProviderUnavailable):
            oauth.refresh(subject.oauth_provider(), (CREDENTIALS[0], "the-id-of-the-secret"), tokens)
