"""The stand-in Zoom keeps Zoom's published rules: pages, tokens and what they give access to."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from infra.local.standins.zoom import Zoom
from infra.local.visitor import sign_in_and_consent
from tests.contract.zoom_stand_in.visit import (
    API,
    CLIENT,
    HOST,
    OTHER,
    PRODUCT,
    REDIRECT,
    VERIFIER,
    WEB,
    Api,
    ManualClock,
    Receiver,
    authorize_url,
    connect,
    consent,
    exchange,
    refresh,
)

LOGIN = {"email": HOST.email, "password": HOST.password}


class TestPages:
    def test_allowing_leads_back_with_a_code_and_the_state(self, client: httpx.Client) -> None:
        answer = consent(client)
        assert (answer["state"], answer["from"], len(answer["code"])) == (["s-1"], ["zoom"], 1)

    def test_denying_leads_back_with_an_error_and_the_state(self, client: httpx.Client) -> None:
        back = sign_in_and_consent(client, authorize_url(), HOST.email, HOST.password, allow=False)
        assert parse_qs(urlsplit(back).query) == {"from": ["zoom"], "error": ["access_denied"], "state": ["s-1"]}

    @pytest.mark.parametrize(
        "changes",
        [
            {"client_id": "somebody"},
            {"redirect_uri": f"{PRODUCT}/callback"},
            {"response_type": "token"},
            {"code_challenge": "short"},
            {"code_challenge": VERIFIER, "code_challenge_method": "S512"},
        ],
    )
    def test_a_wrong_request_is_shown_and_never_redirected(self, client: httpx.Client, changes: dict[str, str]) -> None:
        answer = client.get(authorize_url(**changes))
        assert answer.status_code == 400
        assert "Location" not in answer.headers
        assert "That did not work" in answer.text

    def test_a_redirect_address_must_be_in_the_allow_list_too(self, client: httpx.Client, zoom: Zoom) -> None:
        zoom.redirect_uris = frozenset({f"{PRODUCT}/another"})
        answer = client.get(authorize_url())
        assert answer.status_code == 400
        assert "(4,700)" in answer.text

    def test_adding_the_app_leads_back_with_a_code_and_without_a_state(self, client: httpx.Client, zoom: Zoom) -> None:
        back = client.post(f"{WEB}/apps/add", data=LOGIN).headers["Location"]
        answer = parse_qs(urlsplit(back).query)
        assert sorted(answer) == ["code", "from"]
        assert exchange(client, answer["code"][0], code_verifier="").is_success

    def test_a_wrong_password_stays_with_a_message(self, client: httpx.Client) -> None:
        with pytest.raises(ValueError, match="Wrong email or password"):
            sign_in_and_consent(client, authorize_url(), HOST.email, "guess")

    def test_every_consent_needs_the_password(self, client: httpx.Client) -> None:
        consent(client)
        for path in (authorize_url(), f"{WEB}/apps/add", f"{WEB}/apps/remove"):
            assert client.post(path, data={"decision": "allow", "email": HOST.email}).status_code == 403

    def test_the_consent_page_lists_the_scopes(self, client: httpx.Client, zoom: Zoom) -> None:
        page = client.get(authorize_url()).text
        assert all(scope in page for scope in zoom.scopes)

    def test_every_page_says_that_it_is_a_stand_in(self, client: httpx.Client) -> None:
        pages = [client.get(url).text for url in (authorize_url(), authorize_url(client_id="x"), f"{WEB}/apps")]
        assert all("Stand-in Zoom" in page and "<script" not in page for page in pages)

    def test_the_demo_login_is_shown_only_on_request(self, client: httpx.Client, zoom: Zoom) -> None:
        assert HOST.password in client.get(authorize_url()).text
        zoom.identity.shows_login = False
        assert HOST.password not in client.get(authorize_url()).text

    def test_removing_the_app_ends_its_tokens(self, client: httpx.Client, api: Api, receiver: Receiver) -> None:
        page = client.post(f"{WEB}/apps/remove", data=LOGIN)
        assert "no longer has access" in page.text
        assert api("GET", "/users/me").status_code == 401
        assert len(receiver.events) == 1

    def test_a_join_link_opens_only_with_its_passcode(self, client: httpx.Client, api: Api) -> None:
        link = api.create().json()["join_url"]
        assert "Talk" in client.get(link).text
        assert client.get(link.split("?")[0]).status_code == 404


class TestTokens:
    def test_an_exchange_answers_what_the_documentation_says(self, client: httpx.Client, zoom: Zoom) -> None:
        answer = connect(client)
        assert {key: answer[key] for key in ("token_type", "expires_in", "api_url", "scope")} == {
            "token_type": "bearer",
            "expires_in": 3599,
            "api_url": API,
            "scope": " ".join(zoom.scopes),
        }
        assert answer.keys() - {"token_type", "expires_in", "api_url", "scope"} == {"access_token", "refresh_token"}

    def test_a_code_works_once(self, client: httpx.Client) -> None:
        code = consent(client)["code"][0]
        assert [exchange(client, code).status_code for _ in range(2)] == [200, 400]

    def test_a_code_lives_five_minutes(self, client: httpx.Client, clock: ManualClock) -> None:
        code = consent(client)["code"][0]
        clock.advance(minutes=5)
        assert exchange(client, code).json()["error"] == "invalid_grant"

    def test_an_exchange_must_repeat_the_redirect_uri(self, client: httpx.Client) -> None:
        assert exchange(client, consent(client)["code"][0], redirect_uri=PRODUCT).status_code == 400

    @pytest.mark.parametrize(
        ("method", "verifier", "status"),
        [("S256", VERIFIER, 200), ("S256", "w" * 43, 400), ("S256", "", 400), ("plain", VERIFIER, 200), ("", "", 400)],
    )
    def test_a_challenge_demands_its_verifier(
        self, client: httpx.Client, method: str, verifier: str, status: int
    ) -> None:
        digest = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
        pkce = {"code_challenge": digest if method == "S256" else VERIFIER}
        code = consent(client, **pkce, **({"code_challenge_method": method} if method else {}))["code"][0]
        assert exchange(client, code, **({"code_verifier": verifier} if verifier else {})).status_code == status

    def test_client_credentials_in_the_body_are_refused(self, client: httpx.Client) -> None:
        form = {"grant_type": "refresh_token", "client_id": CLIENT[0], "client_secret": CLIENT[1]}
        answer = client.post(f"{WEB}/oauth/token", data=form)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client")

    def test_a_wrong_client_secret_is_refused(self, client: httpx.Client) -> None:
        answer = client.post(f"{WEB}/oauth/token", data={"grant_type": "refresh_token"}, auth=(CLIENT[0], "guess"))
        assert answer.json()["error"] == "invalid_client"

    def test_an_unknown_grant_type_is_refused(self, client: httpx.Client) -> None:
        answer = client.post(f"{WEB}/oauth/token", data={"grant_type": "password"}, auth=CLIENT)
        assert answer.json()["error"] == "unsupported_grant_type"

    def test_a_refresh_takes_nothing_but_the_token(self, client: httpx.Client) -> None:
        token = connect(client)["refresh_token"]
        assert refresh(client, token, redirect_uri=REDIRECT).status_code == 400
        assert refresh(client, token).status_code == 200

    def test_a_refresh_rotates_both_tokens(self, client: httpx.Client) -> None:
        old = connect(client)
        new = refresh(client, old["refresh_token"]).json()
        assert new.keys() == old.keys()
        assert all(new[name] != old[name] for name in ("access_token", "refresh_token"))

    def test_a_refresh_token_dies_with_its_use(self, client: httpx.Client, zoom: Zoom) -> None:
        token = connect(client)["refresh_token"]
        refresh(client, token)
        answer = refresh(client, token)
        assert (answer.status_code, answer.json()) == (400, {"reason": "Invalid Token!", "error": "invalid_grant"})
        assert zoom.refresh_calls == 2

    def test_a_refresh_token_lives_ninety_days(self, client: httpx.Client, clock: ManualClock) -> None:
        token = connect(client)["refresh_token"]
        clock.advance(days=90)
        assert refresh(client, token).status_code == 400

    def test_an_access_token_lives_an_hour(self, api: Api, clock: ManualClock) -> None:
        clock.advance(minutes=59)
        assert api("GET", "/users/me").status_code == 200
        clock.advance(minutes=1)
        answer = api("GET", "/users/me")
        assert (answer.status_code, answer.json()["code"]) == (401, 124)

    def test_authorizing_again_kills_the_earlier_pair(self, client: httpx.Client, api: Api) -> None:
        earlier, later = connect(client), connect(client)
        assert Api(client, earlier["access_token"])("GET", "/users/me").status_code == 401
        assert refresh(client, earlier["refresh_token"]).status_code == 400
        assert refresh(client, later["refresh_token"]).status_code == 200

    def test_revoking_ends_both_tokens(self, client: httpx.Client) -> None:
        pair = connect(client)
        answer = client.post(f"{WEB}/oauth/revoke", data={"token": pair["access_token"]}, auth=CLIENT)
        assert (answer.status_code, answer.json()) == (200, {"status": "success"})
        assert Api(client, pair["access_token"])("GET", "/users/me").status_code == 401
        assert refresh(client, pair["refresh_token"]).status_code == 400


class TestAccess:
    def test_me_is_described(self, api: Api) -> None:
        body = api("GET", "/users/me").json()
        expected = ("user-1", "account-1", HOST.email, 2, "Europe/Berlin")
        assert tuple(body[key] for key in ("id", "account_id", "email", "type", "timezone")) == expected

    def test_the_address_needs_no_scope_of_its_own(self, client: httpx.Client, zoom: Zoom) -> None:
        zoom.scopes = ("user:read:user",)
        assert "email" in Api(client, connect(client)["access_token"])("GET", "/users/me").json()

    def test_an_unknown_token_is_refused(self, client: httpx.Client) -> None:
        answer = Api(client, "guess")("GET", "/users/me")
        assert (answer.status_code, answer.json()) == (401, {"code": 124, "message": "Invalid access token."})

    def test_a_missing_scope_is_named(self, client: httpx.Client, zoom: Zoom) -> None:
        zoom.scopes = ("user:read:user",)
        answer = Api(client, connect(client)["access_token"]).create()
        assert (answer.status_code, answer.json()["code"]) == (400, 4711)
        assert "does not contain scopes:[meeting:write:meeting, " in answer.json()["message"]

    def test_classic_scopes_still_work(self, client: httpx.Client, zoom: Zoom) -> None:
        zoom.scopes = ("meeting:write",)
        assert Api(client, connect(client)["access_token"]).create().status_code == 201

    def test_a_scope_added_to_the_app_needs_consent_anew(self, client: httpx.Client, zoom: Zoom) -> None:
        every_scope, zoom.scopes = zoom.scopes, ("user:read:user",)
        pair = connect(client)
        zoom.scopes = every_scope
        assert refresh(client, pair["refresh_token"]).json()["scope"] == "user:read:user"
        assert connect(client)["scope"] == " ".join(every_scope)

    @pytest.mark.parametrize("user_id", [HOST.user_id, HOST.email, OTHER.user_id])
    def test_user_level_tokens_must_say_me(self, api: Api, user_id: str) -> None:
        for method, path in (("GET", ""), ("GET", "/meetings"), ("POST", "/meetings")):
            assert api(method, f"/users/{user_id}{path}").json()["code"] == 4711

    def test_someone_elses_meeting_does_not_exist(self, client: httpx.Client, api: Api) -> None:
        meeting_id = api.create().json()["id"]
        other = Api(client, connect(client, OTHER)["access_token"])
        for method in ("GET", "DELETE"):
            answer = other(method, f"/meetings/{meeting_id}")
            expected = {"code": 3001, "message": f"Meeting does not exist: {meeting_id}."}
            assert (answer.status_code, answer.json()) == (404, expected)

    def test_every_reply_can_be_traced(self, client: httpx.Client, api: Api) -> None:
        answers = [api.create(), api("GET", "/meetings/1"), client.get(authorize_url()), refresh(client, "x")]
        assert len({answer.headers["x-zm-trackingid"] for answer in answers}) == len(answers)
