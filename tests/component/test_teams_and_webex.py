"""Bookings with Microsoft Teams and with Webex, end to end: one meeting on good days and on bad ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any

import httpx
import pytest

from infra.local.standins import microsoft, webex
from infra.local.standins.faults import Action, Fault
from infra.local.standins.oauth_rules import Person
from infra.local.visitor import press, sign_in_and_consent
from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.mailcheck import texts_of
from tests.support.product import APP, Product, booking, calendar

HOST = Person("5b1c4ed2-7c9d-4ab8-9f6e-0d2c1a3b4c5d", "host@example.com", "password-1", "Demo Host")
TEAMS = ("https://login.microsoftonline.com", "https://graph.microsoft.com")
MAKES = {"microsoft_teams": "/createOrGet$", "webex": "/v1/meetings$"}


@dataclass
class Stage:
    """The product, its only provider and that provider's stand-in."""

    product: Product
    provider: str
    stand_in: Any

    def connect(self) -> httpx.Response:
        """Through the real pages; what the browser shows in the end."""
        browser = self.product.browser()
        leave = press(browser, self.product.open_settings(browser), f"/oauth/{self.provider}/start", follow=False)
        back = sign_in_and_consent(self.product.browser(), leave.headers["Location"], HOST.email, HOST.password)
        return browser.get(back, follow_redirects=True)

    def put(self, **changes: Any) -> dict[str, Any]:
        assert self.product.caller().put("/v1/bookings/b-1", json=booking(**changes)).is_success
        assert self.product.settle() == []
        return self.meeting()

    def cancel(self) -> None:
        assert self.product.caller().delete("/v1/bookings/b-1").status_code == 200
        self.product.settle()

    def meeting(self) -> dict[str, Any]:
        known: dict[str, Any] = self.product.caller().get("/v1/bookings/b-1").json()["meeting"]
        return known

    def lose_the_next_answer(self) -> None:
        self.stand_in.faults.add(Fault(MAKES[self.provider], Action.LOST_AFTER, method="POST"))

    def only_link(self) -> str:
        (held,) = self.stand_in.meetings
        return str(held.link)


def stage(aws: Aws, clock: FakeClock, provider: str, **rules: Any) -> Stage:
    kind, apps = (
        (microsoft.Microsoft, TEAMS) if provider == "microsoft_teams" else (webex.Webex, ("https://webexapis.com",))
    )
    stand_in: Any = kind(
        client_id="client-1",
        client_secret="client-secret-1",
        redirect_uris=[f"{APP}/oauth/{provider}/{end}" for end in ("callback", "approved")],
        accounts=[HOST],
        clock=clock,
        random=Random(1),
        **rules,
    )
    app = microsoft.create_app(stand_in) if provider == "microsoft_teams" else webex.create_app(stand_in)
    own = {f"{provider.upper()}_CLIENT_ID": "client-1", f"{provider.upper()}_CLIENT_SECRET": "client-secret-1"}
    product = Product(aws, clock, stand_ins=dict.fromkeys(apps, app), MEETLINK_PROVIDERS=provider, **own)
    return Stage(product, provider, stand_in)


@pytest.fixture(params=sorted(MAKES))
def connected(moto_aws: Aws, clock: FakeClock, request: pytest.FixtureRequest) -> Stage:
    made = stage(moto_aws, clock, request.param)
    assert ">Connected<" in made.connect().text
    assert made.product.caller().put("/v1/calendars/c-1", json=calendar()).is_success
    return made


class TestGoodDays:
    def test_a_booking_gets_its_link_keeps_it_when_moved_and_gives_it_back(self, connected: Stage) -> None:
        made = connected.put(days=35)
        assert (made["state"], made["join_url"]) == ("ready", connected.only_link())
        moved = connected.put(days=36, title="Gespräch")
        assert (moved["state"], moved["join_url"]) == ("ready", made["join_url"])
        assert [held.title for held in connected.stand_in.meetings] == ["Gespräch"]
        connected.cancel()
        assert connected.stand_in.meetings == []

    def test_the_phone_is_told_the_code_as_well(self, connected: Stage) -> None:
        connected.put()
        _, html = texts_of(connected.product.mails.to("guest@example.com")[0].raw)
        assert ",," in connected.meeting()["dial_in"][0]["number"]
        assert "tel:+1" in html
        assert "%23" in html


class TestBadDays:
    def test_a_create_without_a_response_leaves_one_meeting(self, connected: Stage) -> None:
        connected.lose_the_next_answer()
        connected.put()
        connected.product.tick(65)
        assert connected.meeting()["state"] == "ready"
        assert connected.meeting()["join_url"] == connected.only_link()

    def test_a_create_without_an_answer_is_found_although_the_booking_moved_far(self, connected: Stage) -> None:
        connected.lose_the_next_answer()
        connected.put(days=200)
        connected.put(days=3)
        connected.product.tick(65)
        assert connected.meeting()["join_url"] == connected.only_link()
        (held,) = connected.stand_in.meetings
        assert (
            held.starts_at == connected.product.services.booking_store.get("ws-1", "b-1").booking.appointment.starts_at
        )

    def test_a_booking_cancelled_while_its_create_is_in_doubt_leaves_no_meeting(self, connected: Stage) -> None:
        connected.lose_the_next_answer()
        connected.put()
        connected.cancel()
        connected.product.tick(65)
        assert connected.meeting()["state"] == "removed"
        assert connected.stand_in.meetings == []

    def test_a_meeting_deleted_by_hand_is_made_again_before_the_booking_starts(self, connected: Stage) -> None:
        dead = connected.put(days=3)["join_url"]
        connected.stand_in.delete_by_hand(connected.stand_in.meetings[0].id)
        connected.product.tick(2.1 * 86_400)
        assert connected.meeting()["state"] == "ready"
        assert connected.meeting()["join_url"] == connected.only_link() != dead

    def test_a_meeting_that_is_there_is_looked_at_and_left_alone(self, connected: Stage) -> None:
        link = connected.put(days=3)["join_url"]
        connected.product.tick(2.1 * 86_400)
        assert connected.meeting()["join_url"] == connected.only_link() == link


class TestTheLobby:
    """Of Teams: a guest waits there unless it is opened after the create."""

    @pytest.fixture
    def teams(self, moto_aws: Aws, clock: FakeClock) -> Stage:
        made = stage(moto_aws, clock, "microsoft_teams")
        made.connect()
        assert made.product.caller().put("/v1/calendars/c-1", json=calendar()).is_success
        return made

    def test_guests_enter_until_the_booking_is_cancelled(self, teams: Stage) -> None:
        link = teams.put()["join_url"]
        assert teams.stand_in.open_link(link) is microsoft.Door.ENTERS
        teams.cancel()
        assert teams.stand_in.meetings == []
        assert teams.stand_in.open_link(link) is microsoft.Door.WAITS

    @pytest.mark.parametrize("status", [404, 503])
    def test_one_that_cannot_be_opened_at_once_delays_no_link_and_is_opened_a_minute_later(
        self, teams: Stage, status: int
    ) -> None:
        teams.stand_in.faults.add(Fault("onlineMeetings/", Action.BEFORE, method="PATCH", status=status))
        made = teams.put()
        assert made["state"] == "ready"
        assert len(teams.product.mails.to("guest@example.com")) == 1
        assert teams.stand_in.open_link(made["join_url"]) is microsoft.Door.WAITS
        teams.product.tick(65)
        assert teams.stand_in.open_link(made["join_url"]) is microsoft.Door.ENTERS
        assert teams.meeting()["join_url"] == made["join_url"] == teams.only_link()
        assert len(teams.product.mails.to("guest@example.com")) == 1

    def test_an_outage_right_after_the_create_is_waited_for(self, teams: Stage) -> None:
        teams.stand_in.faults.add(Fault("onlineMeetings/", Action.BEFORE, method="PATCH", status=503, times=3))
        link = teams.put()["join_url"]
        for _ in range(4):
            teams.product.tick(65)
        assert teams.meeting()["state"] == "ready"
        assert teams.stand_in.open_link(link) is microsoft.Door.ENTERS

    def test_a_policy_that_keeps_it_closed_is_told_by_the_check_and_by_the_page(self, teams: Stage) -> None:
        teams.stand_in.lobby_policy = microsoft.LobbyPolicy.REFUSES
        assert teams.put()["state"] == "ready"
        report = teams.product.caller().post("/v1/users/u-1/connection/check").json()
        assert report["ok"] is True
        assert report["guest_experience"]["admission"] == "knock"
        assert "meeting policies" in report["guest_experience"]["notes"][0].lower()
        teams.product.clock.advance(60)
        browser = teams.product.browser()
        page = press(browser, teams.product.open_settings(browser), "/settings/check")
        assert "They ask to join, and wait until you let them in." in page.text
        assert "Who can bypass the lobby" in page.text
        assert [held.title for held in teams.stand_in.meetings] == ["Introductory call"]

    def test_before_a_check_the_page_says_what_microsoft_documents(self, teams: Stage) -> None:
        page = teams.product.open_settings(teams.product.browser()).text
        assert "They open the link and enter the meeting." in page
        assert "30 hours" in page
        assert "This is what Microsoft Teams documents." in page


class TestAnAdministratorHasToApprove:
    @pytest.fixture
    def strict(self, moto_aws: Aws, clock: FakeClock) -> Stage:
        return stage(moto_aws, clock, "microsoft_teams", needs_admin=True)

    def test_the_page_tells_the_host_to_send_the_link(self, strict: Stage) -> None:
        page = strict.connect()
        assert page.status_code == 200
        assert "administrator at Microsoft Teams has to approve" in page.text
        assert "approval link on this page" in page.text
        assert "https://login.microsoftonline.com/organizations/v2.0/adminconsent?client_id=client-1" in page.text

    def test_after_the_approval_the_host_connects(self, strict: Stage) -> None:
        link = strict.product.services.oauth_flow.admin_consent_url("microsoft_teams", APP)
        assert link is not None
        administrator = strict.product.browser()
        back = sign_in_and_consent(administrator, link, "admin@example.com", "any")
        assert "Thank you" in administrator.get(back).text
        assert ">Connected<" in strict.connect().text

    def test_a_refusal_is_shown_to_the_administrator(self, strict: Stage) -> None:
        link = strict.product.services.oauth_flow.admin_consent_url("microsoft_teams", APP)
        assert link is not None
        administrator = strict.product.browser()
        back = sign_in_and_consent(administrator, link, "admin@example.com", "any", allow=False)
        assert "Not approved" in administrator.get(back).text

    def test_whoever_turns_back_is_told_of_the_link_too(self, strict: Stage) -> None:
        browser = strict.product.browser()
        leave = press(browser, strict.product.open_settings(browser), "/oauth/microsoft_teams/start", follow=False)
        state = httpx.URL(leave.headers["Location"]).params["state"]
        page = browser.get(f"/oauth/microsoft_teams/callback?state={state}&error=access_denied", follow_redirects=True)
        assert "The sign-in was cancelled." in page.text
        assert "approval link on this page" in page.text


def test_a_refresh_token_of_fourteen_days_is_renewed_after_half_of_them(moto_aws: Aws, clock: FakeClock) -> None:
    webex_stage = stage(moto_aws, clock, "webex")
    identity = webex_stage.stand_in.identity
    identity.rules = replace(identity.rules, refresh_life=timedelta(days=14), access_life=timedelta(hours=12))
    webex_stage.connect()
    refreshed_on = []
    for day in range(1, 16):
        before = identity.refresh_calls
        webex_stage.product.tick(86_400)
        refreshed_on += [day] if identity.refresh_calls > before else []
    # The end that is stored is that of the newest one: the second half counts from the first renewal.
    assert refreshed_on == [7, 14]
    known = webex_stage.product.caller().get("/v1/users/u-1/connection").json()
    assert known["state"] == "connected"


def test_webexs_daily_limit_is_waited_for(moto_aws: Aws, clock: FakeClock) -> None:
    webex_stage = stage(moto_aws, clock, "webex", daily_limit=1)
    webex_stage.connect()
    caller = webex_stage.product.caller()
    assert caller.put("/v1/calendars/c-1", json=calendar()).is_success
    assert caller.put("/v1/bookings/b-0", json=booking(days=30)).is_success
    limited = webex_stage.put(days=31)
    assert (limited["state"], limited["reason"]) == ("waiting", "rate_limited")
    webex_stage.product.tick(86_400)
    webex_stage.product.tick(60)
    assert webex_stage.meeting()["state"] == "ready"


class TestAnAppThatMicrosoftDoesNotKnow:
    """`unauthorized_client` (AADSTS700016): the operator's client id is wrong, or an organization removed the app."""

    UNKNOWN = Fault(
        "/oauth2/v2.0/token$",
        Action.BEFORE,
        times=None,
        status=400,
        body={"error": "unauthorized_client", "error_description": "AADSTS700016: Application not found."},
    )

    @pytest.fixture
    def refused(self, moto_aws: Aws, clock: FakeClock) -> Stage:
        teams = stage(moto_aws, clock, "microsoft_teams")
        teams.connect()
        assert teams.product.caller().put("/v1/calendars/c-1", json=calendar()).is_success
        clock.advance(2 * 3600)  # The access token is expired.
        teams.stand_in.faults.add(self.UNKNOWN)
        assert teams.put(days=10)["join_url"] is None
        return teams

    def test_what_the_operator_corrects_within_a_day_breaks_no_connection(self, refused: Stage) -> None:
        for _ in range(23):
            refused.product.tick(3600)
        assert refused.meeting()["reason"] == "provider_unavailable"
        assert refused.product.mails.notices == []

        refused.stand_in.faults.clear()
        refused.product.tick(3600)
        assert refused.meeting()["join_url"] == refused.only_link()

    def test_a_host_whose_organization_removed_the_app_is_asked_to_reconnect(self, refused: Stage) -> None:
        refused.cancel()
        refused.product.tick(86_400)
        refused.product.tick()
        known = refused.product.caller().get("/v1/users/u-1/connection").json()
        assert (known["state"], known["reason"]) == ("broken", "reconnect_needed")
        assert len(refused.product.mails.notices) == 1
