"""The OAuth messages that are sent, and what the answers mean."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.connection import Tokens
from chalicelib.errors import Ambiguous, ClientRefused, ProviderError, ProviderUnavailable, ReconnectNeeded
from chalicelib.providers import oauth
from chalicelib.providers.base import OAuth, OAuthProvider
from chalicelib.providers.google_meet import GoogleMeet
from chalicelib.providers.http_client import HttpClient
from chalicelib.providers.microsoft_teams import MicrosoftTeams
from chalicelib.providers.zoom import Zoom
from chalicelib.settings import from_environment
from chalicelib.wiring import build

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CREDENTIALS = ("client-1", "client-secret-1")
REDIRECT = "https://product.example/oauth/zoom/callback?x=1&y=ä"
VERIFIER = "v" * 64
OLD = Tokens("access-1", "refresh-1", NOW, ("meeting:read",))
GOOD = {
    "access_token": "access-2",
    "token_type": "bearer",
    "refresh_token": "refresh-2",
    "expires_in": 3599,
    "scope": "meeting:write meeting:read",
    "api_url": "https://api.zoom.us",
}


class Scoped(Zoom):
    """A provider that differs from Zoom in everything that can be declared."""

    oauth = OAuth(
        authorize_path="/authorize",
        token_path="/token",
        revoke_path=None,
        scope_sets=(frozenset({"write", "read"}), frozenset({"all"})),
        basic_auth=False,
        requested_scopes=("read", "write"),
        pkce=False,
        extra_parameters={"access_type": "offline", "prompt": "consent"},
    )


class Conversation:
    """A provider that gives one answer and remembers what it was asked."""

    def __init__(self, body: Any = GOOD, status: int = 200, kind: type[OAuthProvider] = Zoom, **headers: str) -> None:
        self.requests: list[httpx.Request] = []
        self._answer = (status, body if isinstance(body, str) else json.dumps(body), headers)
        client = httpx.Client(transport=httpx.MockTransport(self._handle))
        self.provider = kind(HttpClient(lambda: client), lambda: NOW)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        status, body, headers = self._answer
        return httpx.Response(status, content=body, headers={k.replace("_", "-"): v for k, v in headers.items()})

    @property
    def form(self) -> dict[str, str]:
        (request,) = self.requests
        return {name: value for name, (value,) in parse_qs(request.content.decode(), strict_parsing=True).items()}

    def refresh(self) -> Tokens:
        return oauth.refresh(self.provider, CREDENTIALS, OLD)

    def exchange(self) -> Tokens:
        return oauth.exchange(self.provider, CREDENTIALS, code="code-1", redirect_uri=REDIRECT, verifier=VERIFIER)

    def revoke(self) -> None:
        oauth.revoke(self.provider, CREDENTIALS, OLD.access_token)


def authorize(kind: type[Zoom]) -> tuple[str, dict[str, str]]:
    url = oauth.authorization_url(
        Conversation(kind=kind).provider, "client-1", redirect_uri=REDIRECT, state="state-1", verifier=VERIFIER
    )
    address = urlsplit(url)
    return f"{address.scheme}://{address.netloc}{address.path}", {k: v for k, (v,) in parse_qs(address.query).items()}


class TestAuthorizing:
    def test_the_browser_is_sent_with_state_and_challenge(self) -> None:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
        assert authorize(Zoom) == (
            "https://zoom.us/oauth/authorize",
            {
                "response_type": "code",
                "client_id": "client-1",
                "redirect_uri": REDIRECT,
                "state": "state-1",
                "code_challenge": challenge,
                "code_challenge_method": "S256",
            },
        )

    def test_the_verifier_stays_here(self) -> None:
        assert VERIFIER not in str(authorize(Zoom))

    def test_a_provider_that_asks_for_scopes_gets_what_it_asks_for_and_its_own_extras(self) -> None:
        address, query = authorize(Scoped)
        assert address == "https://zoom.us/authorize"
        assert query["scope"] == "read write"
        assert (query["access_type"], query["prompt"]) == ("offline", "consent")
        assert "code_challenge" not in query

    def test_a_deployment_can_switch_pkce_off(self) -> None:
        settings = from_environment({"MEETLINK_WITHOUT_PKCE": "zoom, webex"})
        zoom = build(settings).providers["zoom"]
        assert isinstance(zoom, OAuthProvider)
        url = oauth.authorization_url(zoom, "client-1", redirect_uri=REDIRECT, state="state-1", verifier=VERIFIER)
        assert "code_challenge" not in url
        conversation = Conversation()
        conversation.provider.may_use_pkce = False
        conversation.exchange()
        assert "code_verifier" not in conversation.form

    @pytest.mark.parametrize(
        ("granted", "missing"),
        [({"write", "read"}, set()), ({"all"}, set()), ({"all", "more"}, set()), ({"write"}, {"read"})],
    )
    def test_what_is_missing_is_measured_by_the_set_that_comes_nearest(
        self, granted: set[str], missing: set[str]
    ) -> None:
        assert Scoped.oauth.missing_scopes(frozenset(granted)) in (missing, {"all"} if missing else missing)


class TestExchanging:
    def test_the_message_holds_code_redirect_and_verifier_and_nothing_else(self) -> None:
        conversation = Conversation()
        conversation.exchange()
        assert str(conversation.requests[0].url) == "https://zoom.us/oauth/token"
        assert conversation.form == {
            "grant_type": "authorization_code",
            "code": "code-1",
            "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER,
        }

    def test_the_client_authenticates_by_http_basic(self) -> None:
        conversation = Conversation()
        conversation.exchange()
        basic = base64.b64encode(b"client-1:client-secret-1").decode()
        assert conversation.requests[0].headers["Authorization"] == f"Basic {basic}"

    def test_the_client_authenticates_in_the_form_where_the_provider_wants_it(self) -> None:
        conversation = Conversation(kind=Scoped)
        conversation.exchange()
        assert conversation.form.items() >= {"client_id": "client-1", "client_secret": "client-secret-1"}.items()
        assert "Authorization" not in conversation.requests[0].headers
        assert "code_verifier" not in conversation.form

    def test_the_answer_becomes_tokens(self) -> None:
        scopes = ("meeting:write", "meeting:read")
        assert Conversation().exchange() == Tokens("access-2", "refresh-2", NOW + timedelta(seconds=3599), scopes)

    def test_a_code_that_is_not_accepted_needs_a_new_consent(self) -> None:
        with pytest.raises(ReconnectNeeded):
            Conversation({"reason": "Invalid authorization code", "error": "invalid_grant"}, 400).exchange()


class TestRefreshing:
    def test_the_message_holds_the_refresh_token_and_nothing_else(self) -> None:
        # Zoom's own client sends only these two: PROVIDERS 1.1.
        conversation = Conversation()
        conversation.refresh()
        assert conversation.form == {"grant_type": "refresh_token", "refresh_token": "refresh-1"}

    def test_the_new_pair_takes_the_old_ones_place(self) -> None:
        tokens = Conversation().refresh()
        assert (tokens.access_token, tokens.refresh_token) == ("access-2", "refresh-2")

    @pytest.mark.parametrize(
        "missing", [{}, {"refresh_token": None}, {"refresh_token": ""}], ids=["absent", "null", "empty"]
    )
    def test_an_answer_without_a_refresh_token_keeps_the_old_one(self, missing: dict[str, Any]) -> None:
        body = {name: value for name, value in GOOD.items() if name != "refresh_token"} | missing
        assert Conversation(body).refresh().refresh_token == "refresh-1"

    def test_an_answer_without_scopes_keeps_the_old_ones(self) -> None:
        body = {name: value for name, value in GOOD.items() if name != "scope"}
        assert Conversation(body).refresh().scopes == OLD.scopes

    @pytest.mark.parametrize("scope", ["a b", "a,b", "a, b", " a  b "])
    def test_scopes_are_separated_by_blanks_or_commas(self, scope: str) -> None:
        assert Conversation(GOOD | {"scope": scope}).refresh().scopes == ("a", "b")

    @pytest.mark.parametrize("seconds", [3599, "3599", 3599.0], ids=["number", "text", "with a point"])
    def test_the_lifetime_is_read_in_every_form_that_is_seen(self, seconds: Any) -> None:
        # A rotated pair that is thrown away over its lifetime's form ends the grant.
        assert Conversation(GOOD | {"expires_in": seconds}).refresh().expires_at == NOW + timedelta(seconds=3599)

    @pytest.mark.parametrize("seconds", [None, "", "soon", -1, True, float("nan"), []], ids=str)
    def test_a_rotated_pair_without_a_readable_lifetime_is_kept(self, seconds: Any) -> None:
        # `expires_in` is only recommended (RFC 6749, 5.1), and the old pair is dead by now.
        tokens = Conversation(GOOD | {"expires_in": seconds}).refresh()
        assert (tokens.access_token, tokens.refresh_token) == ("access-2", "refresh-2")

    def test_a_lifetime_of_ages_does_not_overflow(self) -> None:
        assert Conversation(GOOD | {"expires_in": 10**30}).refresh().expires_at > NOW + timedelta(days=365)


REFUSALS: dict[str, tuple[int, Any, type[ProviderError]]] = {
    "the grant is dead": (400, {"reason": "Invalid Token!", "error": "invalid_grant"}, ReconnectNeeded),
    "the grant is dead, in 401": (401, {"error": "invalid_grant"}, ReconnectNeeded),
    "the grant is dead, in Zoom's older words": (
        400,
        {"reason": "Invalid Token!", "error": "invalid_request"},
        ReconnectNeeded,
    ),
    "the person must act": (400, {"error": "interaction_required"}, ReconnectNeeded),
    "the person must consent": (400, {"error": "consent_required"}, ReconnectNeeded),
    "another invalid request": (
        400,
        {"reason": "Redirect URI mismatch", "error": "invalid_request"},
        ProviderUnavailable,
    ),
    "a wrong client": (401, {"error": "invalid_client"}, ClientRefused),
    "a wrong client, in Zoom's numbers": (400, {"code": 4702, "message": "Invalid client_id"}, ClientRefused),
    "a grant whose scopes are not the app's any more": (
        400,
        {"code": 4711, "message": "Refresh token invalid."},
        ReconnectNeeded,
    ),
    "a rate limit": (429, {"message": "too many"}, ProviderUnavailable),
    "a rate limit in HTML": (429, "<html>", ProviderUnavailable),
    "an outage": (503, "", ProviderUnavailable),
    "an error that is no text": (400, {"error": ["invalid_grant"]}, ProviderUnavailable),
    "a redirect": (302, "", ProviderUnavailable),
    "a failure": (500, "", Ambiguous),
    "a bad gateway": (502, "<html>", Ambiguous),
    "a gateway that waited too long": (504, "", Ambiguous),
    "a success without a body": (200, "", Ambiguous),
    "a success with an error": (200, {"error": "server_error"}, Ambiguous),
    "a success without a token": (200, {"expires_in": 3599, "refresh_token": "refresh-2"}, Ambiguous),
    "a success with an empty token": (200, GOOD | {"access_token": ""}, Ambiguous),
    "a success with a token that is no text": (200, GOOD | {"access_token": 5}, Ambiguous),
    "a success with a refresh token that is no text": (200, GOOD | {"refresh_token": 5}, Ambiguous),
}


APP_REMOVED = {"error": "unauthorized_client", "error_description": "AADSTS700016: Application not found."}
APP_SWITCHED_OFF = {"error": "unauthorized_client", "error_description": "AADSTS7000112: Application is disabled."}
BLOCKED = {"error": "access_denied", "error_description": "AADSTS50105: The user is not assigned to a role."}
WRONG_SECRET = {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}


class TestRefusals:
    def test_an_organization_that_blocks_a_user_at_microsoft_ends_the_grant(self) -> None:
        with pytest.raises(ReconnectNeeded):
            Conversation(BLOCKED, 400, MicrosoftTeams).refresh()

    @pytest.mark.parametrize("body", [APP_REMOVED, APP_SWITCHED_OFF], ids=["removed", "off"])
    def test_an_app_that_microsoft_does_not_know_may_be_the_operators_fault(self, body: dict[str, str]) -> None:
        with pytest.raises(ClientRefused) as caught:
            Conversation(body, 400, MicrosoftTeams).refresh()
        assert caught.value.may_be_grant

    def test_a_wrong_secret_at_microsoft_ends_no_grant(self) -> None:
        with pytest.raises(ProviderUnavailable):
            Conversation(WRONG_SECRET, 401, MicrosoftTeams).refresh()

    @pytest.mark.parametrize("code", ["unauthorized_client", "access_denied"])
    def test_what_is_said_of_the_app_ends_no_grant_elsewhere(self, code: str) -> None:
        with pytest.raises(ProviderUnavailable):
            Conversation({"error": code}, 400).refresh()

    @pytest.mark.parametrize(("status", "body", "means"), REFUSALS.values(), ids=REFUSALS)
    def test_an_answer_means(self, status: int, body: Any, means: type[ProviderError]) -> None:
        with pytest.raises(ProviderError) as caught:
            Conversation(body, status).refresh()
        assert type(caught.value) is means

    @pytest.mark.parametrize(("status", "body", "means"), REFUSALS.values(), ids=REFUSALS)
    def test_an_error_shows_no_secret(self, status: int, body: Any, means: type[ProviderError]) -> None:
        with pytest.raises(means) as caught:
            Conversation(body, status).exchange()
        shown = f"{caught.value} {vars(caught.value)} {caught.value.__cause__!r} {caught.value.__context__!r}"
        secrets = ("client-secret-1", "code-1", VERIFIER, "access-2", "refresh-2")
        assert not [secret for secret in secrets if secret in shown]

    def test_the_time_that_the_provider_names_is_passed_on(self) -> None:
        with pytest.raises(ProviderUnavailable) as caught:
            Conversation("", 429, Retry_After="60").refresh()
        assert caught.value.retry_at == NOW + timedelta(seconds=60)

    @given(
        st.sampled_from([200, 204, 302, 400, 401, 403, 404, 429, 500, 503]),
        st.one_of(
            st.text(max_size=20),
            st.dictionaries(
                st.sampled_from(["access_token", "refresh_token", "expires_in", "scope", "error", "reason"]),
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.lists(st.none()),
            ),
            st.sampled_from(
                [GOOD | {"expires_in": "\xb2"}, GOOD | {"expires_in": "9" * 5000}, GOOD | {"expires_in": -1}]
            ),
        ),
    )
    def test_whatever_is_answered_only_our_own_errors_come_out(self, status: int, body: Any) -> None:
        try:
            tokens = Conversation(body, status).refresh()
        except ProviderError:
            return
        assert tokens.access_token
        assert tokens.expires_at >= NOW


class TestRevoking:
    def test_the_message_holds_the_access_token(self) -> None:
        conversation = Conversation({"status": "success"})
        conversation.revoke()
        assert str(conversation.requests[0].url) == "https://zoom.us/oauth/revoke"
        assert conversation.form == {"token": "access-1"}

    def test_a_token_that_is_dead_already_is_success(self) -> None:
        Conversation({"reason": "Invalid Token!", "error": "invalid_grant"}, 400).revoke()

    @pytest.mark.parametrize("error", ["invalid_grant", "invalid_request"])
    def test_zooms_unknown_token_is_success(self, error: str) -> None:
        Conversation({"reason": "Invalid Token!", "error": error}, 400).revoke()

    def test_googles_unknown_token_is_success(self) -> None:
        Conversation(
            {"error": "invalid_token", "error_description": "Token expired or revoked"}, 400, GoogleMeet
        ).revoke()

    def test_google_gets_the_token_and_nothing_else(self) -> None:
        conversation = Conversation({}, kind=GoogleMeet)
        conversation.revoke()
        assert str(conversation.requests[0].url) == "https://oauth2.googleapis.com/revoke"
        assert conversation.form == {"token": "access-1"}

    @pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
    def test_an_outage_is_to_be_tried_again(self, status: int) -> None:
        with pytest.raises((ProviderUnavailable, Ambiguous)):
            Conversation("", status).revoke()

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (401, {"error": "invalid_client"}),
            (400, {"error": "invalid_client", "reason": "Invalid client_id or client_secret"}),
            (400, {"error": "unsupported_token_type"}),
            (403, "<html>"),
            (404, {}),
        ],
    )
    def test_a_refusal_that_revoked_nothing_is_no_success(self, status: int, body: Any) -> None:
        with pytest.raises(ProviderUnavailable):
            Conversation(body, status).revoke()

    def test_a_provider_without_such_a_call_is_not_called(self) -> None:
        conversation = Conversation(kind=Scoped)
        conversation.revoke()
        assert conversation.requests == []


def test_tokens_that_are_printed_show_nothing() -> None:
    shown = repr(Conversation().refresh())
    assert "access-2" not in shown
    assert "refresh-2" not in shown
