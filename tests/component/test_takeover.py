"""No path attaches another person's account to a user, or lets an ended link or session act (issue 14, item 1)."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from msgspec.structs import replace

from chalicelib.handlers import operations
from chalicelib.providers.base import OAuthProvider
from chalicelib.providers.registry import PROVIDERS
from chalicelib.usecases.connect_links import LONGEST_LINK_LIFE, ConnectLinks, Session, Visitor
from infra.local.standins.catalogue import Host, create_stand_in
from infra.local.visitor import press
from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.product import APP, SECOND_ACCOUNT, WORKSPACE, Product, calendar
from tests.support.webhooks import Receivers, Streams

HOOK = "https://receiver.example/hooks"


@pytest.fixture
def cautious(product: Product) -> Product:
    """A workspace whose backend confirms connections before they count."""
    product.caller()
    workspace = product.services.workspace_store.get(WORKSPACE)
    assert workspace is not None
    product.services.workspace_store.put(replace(workspace, confirms_connections=True))
    return product


def connection(product: Product) -> dict[str, Any]:
    known: dict[str, Any] = product.caller().get("/v1/users/u-1/connection").json()
    return known


def confirm(product: Product, **body: Any) -> httpx.Response:
    return product.caller().post("/v1/users/u-1/connection/confirm", json=body)


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


def connect_with(product: Product, browser: httpx.Client, page: httpx.Response, **account: Any) -> httpx.Response:
    return browser.get(product.consent(browser, page, **account), follow_redirects=True)


class TestConfirmation:
    def test_the_same_account_twice_stays_pending(self, cautious: Product) -> None:
        for _ in range(3):
            cautious.connect()
            assert (connection(cautious)["state"], connection(cautious)["reason"]) == ("pending", "not_confirmed")
        assert cautious.caller().put("/v1/calendars/c-1", json=calendar()).status_code == 409

    def test_the_same_key_twice_stays_pending(self, cautious: Product) -> None:
        for _ in range(2):
            cautious.connect_with_key("jitsi", {"server": "meet.example.com"})
            assert connection(cautious)["state"] == "pending"

    def test_a_pending_account_without_a_sign_in_is_not_called_signed_in(self, cautious: Product) -> None:
        page = cautious.connect_with_key("jitsi", {}).text
        assert "<strong>meet.jit.si</strong> is connected, but not confirmed yet." in page
        assert "has confirmed that the account is yours" in page
        assert "signed in" not in page.partition("<details")[0]

    def test_a_confirmed_account_is_pending_again_once_another_one_takes_its_place(self, cautious: Product) -> None:
        cautious.connect()
        assert confirm(cautious, account_id="zoom-user-1").json()["state"] == "connected"
        cautious.connect(account=SECOND_ACCOUNT)
        assert connection(cautious)["state"] == "pending"

    def test_a_confirmation_names_the_account_it_means(self, cautious: Product) -> None:
        cautious.connect()
        assert problem(cautious.caller().post("/v1/users/u-1/connection/confirm")) == (422, "invalid_input")
        assert problem(confirm(cautious)) == (422, "invalid_input")
        assert problem(confirm(cautious, account_id="zoom-user-2")) == (409, "account_changed")
        assert connection(cautious)["state"] == "pending"
        assert confirm(cautious, account_id="zoom-user-1").json()["state"] == "connected"
        assert confirm(cautious, account_id="zoom-user-1").status_code == 200

    def test_an_account_that_was_swapped_after_the_look_is_not_confirmed(self, cautious: Product) -> None:
        cautious.connect()
        seen = connection(cautious)["account"]["id"]
        cautious.connect(account=SECOND_ACCOUNT)
        assert problem(confirm(cautious, account_id=seen)) == (409, "account_changed")
        assert connection(cautious)["state"] == "pending"

    def test_an_account_that_is_swapped_during_the_confirmation_is_not_confirmed(
        self, cautious: Product, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cautious.connect()
        connections = cautious.services.connection_store
        read, swaps = connections.get, [lambda: cautious.connect(account=SECOND_ACCOUNT)]

        def get(workspace_id: str, user_id: str) -> Any:
            found = read(workspace_id, user_id)
            if swaps:
                swaps.pop()()
            return found

        monkeypatch.setattr(connections, "get", get)
        assert problem(confirm(cautious, account_id="zoom-user-1")) == (409, "account_changed")
        assert connection(cautious)["account"]["id"] == "zoom-user-2"
        assert connection(cautious)["state"] == "pending"

    def test_the_workspace_hears_of_each_pending_account_and_of_the_confirmation(
        self, moto_aws: Aws, clock: FakeClock
    ) -> None:
        product = Product(moto_aws, clock)
        receivers = Receivers.of(product)
        product.caller().put("/v1/webhook-endpoints/e-1", json={"url": HOOK})
        workspace = product.services.workspace_store.get(WORKSPACE)
        assert workspace is not None
        product.services.workspace_store.put(replace(workspace, confirms_connections=True))
        streams = Streams(product)

        def told() -> list[tuple[str, str | None, str | None]]:
            streams.announce()
            events = [one.event for one in receivers.received]
            receivers.received.clear()
            return [(e["type"], e["data"]["account"]["id"], e["data"]["reason"]) for e in events]

        product.connect()
        assert told() == [("connection.created", "zoom-user-1", "not_confirmed")]
        product.connect()
        assert told() == []
        product.connect(account=SECOND_ACCOUNT)
        assert told() == [
            ("connection.removed", "zoom-user-1", "replaced"),
            ("connection.created", "zoom-user-2", "not_confirmed"),
        ]
        confirm(product, account_id="zoom-user-2")
        assert told() == [("connection.confirmed", "zoom-user-2", None)]


@pytest.mark.parametrize("name", [name for name, kind in PROVIDERS.items() if issubclass(kind, OAuthProvider)])
def test_a_stolen_code_connects_nothing_for_the_thief(moto_aws: Aws, clock: FakeClock, name: str) -> None:
    stand_in = create_stand_in(name, Host("host@example.com", "password-1", "Demo Host"), clock=clock, random=Random(7))
    assert stand_in.app is not None
    assert stand_in.sign_in is not None
    stand_in.configure("https://provider.example", frozenset({f"{APP}/oauth/{name}/callback"}))
    environment = {k: v for k, v in stand_in.environment("https://provider.example").items() if v}
    product = Product(moto_aws, clock, stand_ins={"https://provider.example": stand_in.app}, **environment)
    victim, thief = product.browser(), product.browser()
    start = f"/oauth/{name}/start"
    leave = press(victim, product.open_settings(victim, "victim"), start, follow=False).headers["Location"]
    stolen = parse_qs(urlsplit(stand_in.sign_in(product.browser(), leave)).query)["code"][0]
    own = press(thief, product.open_settings(thief, "thief"), start, follow=False).headers["Location"]
    state = parse_qs(urlsplit(own).query)["state"][0]

    answer = thief.get(f"{APP}/oauth/{name}/callback", params={"code": stolen, "state": state}, follow_redirects=True)

    assert "Nothing was connected." in answer.text
    assert product.caller().get("/v1/users/thief/connection").json()["state"] == "none"


class Page:
    """A settings page that was opened some time ago."""

    def __init__(self, product: Product) -> None:
        self.product, self.browser = product, product.browser()
        self.shown = product.open_settings(self.browser)
        assert self.shown.status_code == 200

    def is_alive(self) -> bool:
        return self.browser.get("/settings").status_code == 200

    def acts(self) -> bool:
        """Whether any of the page's forms still does anything."""
        csrf = self.shown.text.partition('name="csrf" value="')[2].partition('"')[0]
        actions = ["/oauth/zoom/start", "/settings/connect/jitsi", "/settings/disconnect", "/settings/check"]
        answers = [self.browser.post(action, data={"csrf": csrf, "server": ""}) for action in actions]
        return any(answer.status_code != 403 for answer in answers)


def disconnect(product: Product) -> None:
    assert product.caller().delete("/v1/users/u-1/connection").status_code == 204


def sign_out_by_the_caller(product: Product) -> None:
    assert product.caller().delete("/v1/users/u-1/sessions").status_code == 204


def sign_out_on_the_page(product: Product) -> None:
    page = Page(product)
    answer = press(page.browser, page.shown, "/settings/sign-out")
    assert "You are signed out" in answer.text
    assert page.browser.cookies == {}


def disconnect_on_the_page(product: Product) -> None:
    page = Page(product)
    product.connect_with_key("jitsi", {"server": "meet.example.com"})
    page = Page(product)
    press(page.browser, page.browser.get("/settings/disconnect"), "/settings/disconnect")
    assert page.is_alive()  # The one that did it goes on.


def connect_an_account(product: Product) -> None:
    product.connect()


def connect_with_a_key(product: Product) -> None:
    product.connect_with_key("jitsi", {"server": "meet.example.com"})


def revoke_the_key(product: Product) -> None:
    workspace = product.services.workspace_store.get(WORKSPACE)
    assert workspace is not None
    request = {"do": "revoke-key", "workspace_id": WORKSPACE, "key_id": workspace.keys[0].key_id}
    assert "error" not in operations.run(request, product.services)


ENDS = [
    disconnect,
    sign_out_by_the_caller,
    sign_out_on_the_page,
    disconnect_on_the_page,
    connect_an_account,
    connect_with_a_key,
    revoke_the_key,
]


class TestAWindowThatAFrameOpens:
    """Providers refuse to be signed in to in a frame, so the frame opens the settings page in a window."""

    def test_connecting_in_the_window_ends_other_sessions_but_not_the_frames(self, product: Product) -> None:
        sessions = product.services.connect_links
        frame, other = _open(sessions), _open(sessions)
        link, _ = sessions.create_link(frame.visitor, opener=frame)
        window = sessions.open_session(link)
        sessions.end_others(window)
        assert [sessions.find_session(one.token) is not None for one in (frame, window, other)] == [True, True, False]

    def test_a_frame_that_was_signed_out_is_not_revived_by_its_window(self, product: Product) -> None:
        sessions = product.services.connect_links
        frame = _open(sessions)
        link, _ = sessions.create_link(frame.visitor, opener=frame)
        window = sessions.open_session(link)
        sessions.end_all(frame.visitor.workspace_id, frame.visitor.user_id)
        sessions.end_others(window)
        assert sessions.find_session(frame.token) is None


def _open(sessions: ConnectLinks) -> Session:
    return sessions.open_session(sessions.create_link(Visitor("demo", "u-1"))[0])


@pytest.mark.parametrize("end", ENDS)
class TestWhatEndsLinksAndSessions:
    def test_an_old_session_does_nothing_any_more(self, product: Product, end: Callable[[Product], None]) -> None:
        old = Page(product)
        end(product)
        assert not old.is_alive()
        assert not old.acts()

    def test_an_old_link_opens_nothing_any_more(self, product: Product, end: Callable[[Product], None]) -> None:
        link, browser = product.connect_link(), product.browser()
        shown = browser.get(link)
        end(product)
        assert browser.get(link).status_code == 404
        assert press(browser, shown, "/connect/").status_code == 404
        assert not browser.cookies

    def test_an_old_sign_in_finishes_nothing_any_more(self, product: Product, end: Callable[[Product], None]) -> None:
        old = Page(product)
        back = product.consent(old.browser, old.shown, SECOND_ACCOUNT)
        end(product)
        assert old.browser.get(back).status_code == 403
        accounts = [row["grant_id"]["S"] for row in product.aws.scan("connections")]
        assert "zoom#zoom-user-2" not in accounts

    def test_another_user_is_left_alone(self, product: Product, end: Callable[[Product], None]) -> None:
        if end is revoke_the_key:
            return  # The key's links are of all users.
        browser, link = product.browser(), product.connect_link("u-2")
        product.open_settings(browser, "u-2")
        end(product)
        assert browser.get("/settings").status_code == 200
        assert product.browser().get(link).status_code == 200


def test_after_all_that_a_new_link_works(product: Product) -> None:
    for end in ENDS[:-1]:
        end(product)
        assert Page(product).is_alive()


def test_who_connects_goes_on_in_the_same_session(product: Product) -> None:
    page = Page(product)
    after = connect_with(product, page.browser, page.shown)
    assert (after.status_code, "Connected." in after.text) == (200, True)
    again = press(page.browser, page.browser.get("/settings/disconnect"), "/settings/disconnect")
    assert "Disconnected." in again.text


def test_a_mailed_link_ends_with_the_reconnection_and_outlives_a_week(product: Product, clock: FakeClock) -> None:
    visitor = Visitor(WORKSPACE, "u-1")
    product.caller()
    used, _ = product.services.connect_links.create_link(visitor, LONGEST_LINK_LIFE)
    clock.advance(7.9 * 24 * 3600)
    assert product.browser().get(f"/connect/{used}").status_code == 200
    product.connect()
    assert product.browser().get(f"/connect/{used}").status_code == 404


def test_a_link_does_not_die_because_its_users_epoch_was_old(product: Product, clock: FakeClock) -> None:
    product.caller()
    disconnect(product)
    clock.advance(8.5 * 24 * 3600)
    link, _ = product.services.connect_links.create_link(Visitor(WORKSPACE, "u-1"), LONGEST_LINK_LIFE)
    clock.advance(7.5 * 24 * 3600)
    assert product.browser().get(f"/connect/{link}").status_code == 200


def test_a_forwarded_link_names_whom_it_is_for_and_works_once(product: Product) -> None:
    link, victim = product.connect_link(email="attacker@example.com"), product.browser()
    assert "attacker@example.com" in victim.get(link).text
    press(victim, victim.get(link), "/connect/")
    assert product.browser().get(link).status_code == 404


def test_a_forwarded_link_gives_the_attacker_no_links_from_the_victims_account(cautious: Product) -> None:
    browser = cautious.browser()
    page = press(browser, browser.get(cautious.connect_link()), "/connect/")
    connect_with(cautious, browser, page)
    assert connection(cautious)["state"] == "pending"
    assert problem(cautious.caller().put("/v1/calendars/c-1", json=calendar())) == (409, "not_confirmed")


def test_a_row_of_an_epoch_goes_nine_days_after_its_last_use(product: Product, clock: FakeClock) -> None:
    product.connect_link()
    (row,) = [row for row in product.aws.scan("ephemeral") if row["key"]["S"] == f"epoch#{WORKSPACE}#u-1"]
    assert int(row["expires_at"]["N"]) == int(clock().timestamp()) + 9 * 24 * 3600
