"""Signing in to the workspace's own pages: by email, by a link of the backend, and how sessions end."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from chalicelib.errors import MailUnavailable
from chalicelib.handlers import email_queue, operations
from infra.local.visitor import press
from tests.component.test_audit import entries
from tests.support.product import APP, WORKSPACE, LambdaContext, Product
from tests.support.queues import Queues
from tests.support.workspace_visitor import open_workspace, sign_in_by_email

ADMIN, SUPPORT, STRANGER = "admin@example.com", "support@example.com", "stranger@example.com"
LINK = re.compile(rf"{APP}/workspace/sign-in/[\w-]+")


@pytest.fixture
def acme(product: Product) -> Product:
    product.caller(name="Acme", admin_emails=[ADMIN])
    return product


def set_members(product: Product, *members: tuple[str, str], workspace_id: str = WORKSPACE) -> None:
    body = {"members": [{"email": email, "role": role} for email, role in members]}
    answer = product.caller(workspace_id).put("/v1/members", json=body)
    assert answer.status_code == 200, answer.text


def request_link(product: Product, email: str) -> httpx.Response:
    return product.browser().post("/workspace/sign-in", data={"email": email})


def emailed_links(product: Product) -> list[str]:
    return [link for notice in product.mails.notices for link in LINK.findall(notice.text)[:1]]


class TestByEmail:
    def test_a_member_gets_a_link_and_lands_on_the_pages(self, acme: Product) -> None:
        browser = acme.browser()
        page = sign_in_by_email(acme, browser, ADMIN)
        assert page.status_code == 200
        assert ADMIN in page.text and "Administrator" in page.text
        assert [notice.to for notice in acme.mails.notices] == [ADMIN]

    def test_every_address_gets_the_same_response_and_only_a_member_an_email(self, acme: Product) -> None:
        pages = {email: request_link(acme, email) for email in (ADMIN, STRANGER, "ADMIN@Example.com")}
        shown = {page.text.replace(email, "…") for email, page in pages.items()}
        assert len(shown) == 1
        assert {page.status_code for page in pages.values()} == {200}
        # To the address that is stored, however it was spelled.
        assert [notice.to for notice in acme.mails.notices] == [ADMIN, ADMIN]

    def test_the_request_does_the_same_work_for_every_address(self, acme: Product) -> None:
        queues = Queues(acme)
        sizes = {}
        for email in (ADMIN, STRANGER):
            request_link(acme, email)
            sizes[email] = len(queues.messages("Emails"))
        assert sizes == {ADMIN: 1, STRANGER: 1}
        assert acme.mails.notices == []

    def test_three_links_can_be_requested_in_an_hour(self, acme: Product) -> None:
        texts = {request_link(acme, ADMIN).text for _ in range(5)}
        assert len(texts) == 1, "the fourth request looks like the others"
        assert len(emailed_links(acme)) == 3
        acme.clock.advance(3599)
        request_link(acme, ADMIN)
        assert len(emailed_links(acme)) == 3
        acme.clock.advance(1)
        request_link(acme, ADMIN)
        assert len(emailed_links(acme)) == 4

    @pytest.mark.parametrize("email", ["", "no-address", "a@b", "x" * 300 + "@example.com"])
    def test_what_is_no_address_is_not_looked_up(self, acme: Product, email: str) -> None:
        page = request_link(acme, email)
        assert page.status_code == 400
        assert "This is not an email address." in page.text

    def test_the_email_is_in_the_browsers_language_and_has_the_workspaces_name(self, acme: Product) -> None:
        acme.browser().post("/workspace/sign-in", data={"email": ADMIN}, headers={"Accept-Language": "de-AT"})
        (notice,) = acme.mails.notices
        assert notice.subject == "Bei Acme anmelden"

    def test_a_suppressed_address_gets_no_email(self, acme: Product) -> None:
        from chalicelib.domain.invitation import Trouble

        acme.services.suppression_store.add(WORKSPACE, ADMIN, Trouble.HARD_BOUNCE, acme.clock())
        request_link(acme, ADMIN)
        assert acme.mails.notices == []

    def test_a_member_of_two_workspaces_chooses_one(self, acme: Product) -> None:
        acme.caller("ws-2", name="Beta")
        set_members(acme, (ADMIN, "support"), workspace_id="ws-2")
        request_link(acme, ADMIN)
        (link,) = emailed_links(acme)
        browser = acme.browser()
        page = browser.get(link)
        assert "Sign in to Acme" in page.text and "Sign in to Beta" in page.text
        assert browser.post(link, data={"workspace": "ws-3"}).status_code == 404
        landed = browser.post(link, data={"workspace": "ws-2"}, follow_redirects=True)
        assert "Beta" in landed.text and "Support" in landed.text

    def test_a_message_that_is_lost_costs_another_request_and_a_doubled_one_no_second_email(
        self, acme: Product
    ) -> None:
        queues = Queues(acme)
        request_link(acme, ADMIN)
        queues.messages("Emails")  # It is lost.
        request_link(acme, ADMIN)
        (message,) = queues.messages("Emails")
        for _ in range(2):
            answer = email_queue.send_emails({"Records": [message]}, LambdaContext(), acme.services)
            assert answer == {"batchItemFailures": []}
        assert len(emailed_links(acme)) == 1

    def test_a_refused_email_is_sent_when_the_message_comes_again(self, acme: Product) -> None:
        queues = Queues(acme)
        request_link(acme, ADMIN)
        (message,) = queues.messages("Emails")
        acme.mails.refusals.append(MailUnavailable("SES: Throttling"))
        event = {"Records": [message]}
        assert email_queue.send_emails(event, LambdaContext(), acme.services)["batchItemFailures"]
        assert email_queue.send_emails(event, LambdaContext(), acme.services) == {"batchItemFailures": []}
        assert len(emailed_links(acme)) == 1

    def test_a_message_that_comes_after_ten_minutes_sends_nothing(self, acme: Product) -> None:
        queues = Queues(acme)
        request_link(acme, ADMIN)
        (message,) = queues.messages("Emails")
        acme.clock.advance(600)
        email_queue.send_emails({"Records": [message]}, LambdaContext(), acme.services)
        assert acme.mails.notices == []


class TestTheLink:
    @pytest.fixture
    def link(self, acme: Product) -> str:
        request_link(acme, ADMIN)
        return emailed_links(acme)[0]

    def test_looking_does_not_use_it_up_and_its_button_works_once(self, acme: Product, link: str) -> None:
        first, second = acme.browser(), acme.browser()
        for _ in range(3):
            page = first.get(link)
            assert (page.status_code, "Set-Cookie" in page.headers) == (200, False)
        assert press(first, page, "/workspace/sign-in/").status_code == 200
        assert second.post(link, data={"workspace": WORKSPACE}).status_code == 404
        again = second.get(link)
        assert "already used" in again.text and 'name="email"' in again.text

    def test_it_ends_after_ten_minutes(self, acme: Product, link: str) -> None:
        acme.clock.advance(599)
        assert acme.browser().get(link).status_code == 200
        acme.clock.advance(1)
        assert acme.browser().get(link).status_code == 404

    @pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
    def test_another_sites_form_neither_opens_it_nor_requests_one(
        self, acme: Product, link: str, headers: dict[str, str]
    ) -> None:
        browser = acme.browser()
        refused = browser.post(link, data={"workspace": WORKSPACE}, headers=headers)
        assert (refused.status_code, "Set-Cookie" in refused.headers) == (403, False)
        assert browser.post("/workspace/sign-in", data={"email": ADMIN}, headers=headers).status_code == 403
        assert browser.post(link, data={"workspace": WORKSPACE}).status_code == 303

    def test_only_hashes_of_tokens_are_stored(self, acme: Product, link: str) -> None:
        browser = acme.browser()
        press(browser, browser.get(link), "/workspace/sign-in/")
        token = browser.cookies["meetlink-workspace"]
        stored = str(acme.aws.scan("ephemeral"))
        assert token not in stored and link.rpartition("/")[2] not in stored

    def test_a_member_who_was_removed_cannot_use_it(self, acme: Product, link: str) -> None:
        set_members(acme, (SUPPORT, "support"))
        assert acme.browser().get(link).status_code == 404


class TestByTheBackend:
    def test_a_link_needs_no_membership_and_is_for_support_unless_it_says_otherwise(self, acme: Product) -> None:
        for body, role in (({"email": STRANGER}, "Support"), ({"email": STRANGER, "role": "admin"}, "Administrator")):
            answer = acme.caller().post("/v1/workspace-links", json=body)
            assert answer.status_code == 201
            assert answer.json().keys() == {"url", "expires_at"}
            browser = acme.browser()
            page = press(browser, browser.get(answer.json()["url"]), "/workspace/sign-in/")
            assert f'<span class="badge">{role}</span>' in page.text
        verbs = [entry["verb"] for entry in entries(acme)]
        assert (verbs.count("create-workspace-link"), verbs.count("sign-in")) == (2, 2)

    def test_it_ends_with_its_api_key(self, acme: Product) -> None:
        browser = acme.browser()
        open_workspace(acme, browser, role="admin")
        unused = acme.caller().post("/v1/workspace-links", json={"email": STRANGER}).json()["url"]
        key = acme.caller().headers["Authorization"].split(".")[-2]
        operations.run({"do": "revoke-key", "workspace_id": WORKSPACE, "key_id": key}, acme.services)
        assert browser.get("/workspace/members").status_code == 403
        assert acme.browser().get(unused).status_code == 404

    @pytest.mark.parametrize("body", [{}, {"email": "x"}, {"email": STRANGER, "role": "owner"}, {"mail": STRANGER}])
    def test_a_body_that_is_invalid_is_refused(self, acme: Product, body: dict[str, str]) -> None:
        assert acme.caller().post("/v1/workspace-links", json=body).status_code == 422


class TestTheSession:
    def test_signed_out_every_page_asks_for_the_address(self, acme: Product) -> None:
        browser = acme.browser()
        home = browser.get("/workspace")
        assert (home.status_code, 'name="email"' in home.text) == (200, True)
        other = browser.get("/workspace/members")
        assert (other.status_code, 'name="email"' in other.text) == (403, True)

    def test_it_ends_by_signing_out(self, acme: Product) -> None:
        browser = acme.browser()
        page = sign_in_by_email(acme, browser, ADMIN)
        token = browser.cookies["meetlink-workspace"]
        out = press(browser, page, "/workspace/sign-out")
        assert "You are signed out." in out.text
        browser.cookies.set("meetlink-workspace", token)
        assert browser.get("/workspace/members").status_code == 403

    def test_it_ends_when_the_member_is_removed(self, acme: Product) -> None:
        browser = acme.browser()
        sign_in_by_email(acme, browser, ADMIN)
        set_members(acme, (SUPPORT, "support"))
        assert browser.get("/workspace/members").status_code == 403

    def test_its_role_is_the_members_present_one(self, acme: Product) -> None:
        browser = acme.browser()
        page = sign_in_by_email(acme, browser, ADMIN)
        csrf = page.text.split('name="csrf" value="')[1].split('"')[0]
        set_members(acme, (ADMIN, "support"))
        form = {"csrf": csrf, "email": STRANGER, "role": "admin"}
        assert browser.post("/workspace/members/add", data=form).status_code == 403
        assert len(acme.caller().get("/v1/members").json()["items"]) == 1

    def test_it_ends_after_eight_hours(self, acme: Product) -> None:
        browser = acme.browser()
        sign_in_by_email(acme, browser, ADMIN)
        acme.clock.advance(8 * 3600 - 1)
        assert browser.get("/workspace/members").status_code == 200
        acme.clock.advance(1)
        assert browser.get("/workspace/members").status_code == 403

    def test_a_host_with_a_session_on_the_settings_page_is_no_member(self, acme: Product) -> None:
        browser = acme.browser()
        acme.open_settings(browser)
        browser.cookies.set("meetlink-workspace", browser.cookies["meetlink"])
        assert browser.get("/workspace/members").status_code == 403

    def test_its_cookie_is_for_this_host_only(self, acme: Product) -> None:
        request_link(acme, ADMIN)
        answer = acme.browser().post(emailed_links(acme)[0], data={"workspace": WORKSPACE})
        assert answer.headers["Set-Cookie"].endswith("; Path=/; Max-Age=28800; HttpOnly; SameSite=Lax")


class TestMembers:
    def test_administrators_addresses_are_admins_until_members_are_set(self, acme: Product) -> None:
        caller = acme.caller()
        assert caller.get("/v1/members").json()["items"] == [{"email": ADMIN, "role": "admin"}]
        set_members(acme, (SUPPORT, "support"))
        assert caller.get("/v1/members").json()["items"] == [{"email": SUPPORT, "role": "support"}]
        shown = operations.run({"do": "show-workspace", "workspace_id": WORKSPACE}, acme.services)
        assert shown["admin_emails"] == [], "who was removed gets no more notices"

    def test_operators_set_them_too(self, acme: Product) -> None:
        request = {"do": "update-workspace", "workspace_id": WORKSPACE, "members": [{"email": SUPPORT}]}
        assert operations.run(request, acme.services)["members"] == [{"email": SUPPORT, "role": "support"}]
        assert "error" in operations.run(request | {"members": [{"email": "x"}]}, acme.services)
        sign_in_by_email(acme, acme.browser(), SUPPORT)

    @pytest.mark.parametrize(
        "members", [[{"email": "x"}], [{"email": ADMIN}, {"email": "ADMIN@example.com"}], [{"role": "admin"}], "x"]
    )
    def test_a_list_that_is_invalid_changes_nothing(self, acme: Product, members: object) -> None:
        assert acme.caller().put("/v1/members", json={"members": members}).status_code == 422
        assert len(acme.caller().get("/v1/members").json()["items"]) == 1

    def test_a_crash_between_the_two_rows_leaves_no_one_out(
        self, acme: Product, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def crash(*_: object) -> None:
            raise MemoryError

        with monkeypatch.context() as patch:
            patch.setattr(type(acme.services.reference_store), "remove_member", crash)
            acme.caller().put("/v1/members", json={"members": [{"email": SUPPORT, "role": "admin"}]})
        request_link(acme, ADMIN)
        assert acme.mails.notices == [], "a reference that is left over is of no use"
        sign_in_by_email(acme, acme.browser(), SUPPORT)

    def test_an_address_that_leaves_its_last_workspace_leaves_no_row(self, acme: Product) -> None:
        acme.caller("ws-2")
        set_members(acme, (ADMIN, "support"), workspace_id="ws-2")
        for workspace_id in (WORKSPACE, "ws-2"):
            assert len(member_rows(acme)) == 1
            set_members(acme, workspace_id=workspace_id)
        assert member_rows(acme) == []


def member_rows(product: Product) -> list[str]:
    return [row["key"]["S"] for row in product.aws.scan("references") if row["key"]["S"].startswith("member#")]


class TestTheMembersPage:
    @pytest.fixture
    def browser(self, acme: Product) -> Iterator[httpx.Client]:
        browser = acme.browser()
        sign_in_by_email(acme, browser, ADMIN)
        yield browser

    def test_an_admin_adds_changes_and_removes(self, acme: Product, browser: httpx.Client) -> None:
        page = browser.get("/workspace/members")
        page = press(browser, page, "/workspace/members/add", typed={"email": SUPPORT})
        assert "Added." in page.text
        page = press(browser, page, "/workspace/members/role")
        assert {member["role"] for member in acme.caller().get("/v1/members").json()["items"]} == {"admin"}
        page = press(browser, page, "/workspace/members/remove")
        assert [m["email"] for m in acme.caller().get("/v1/members").json()["items"]] == [ADMIN]
        verbs = [(entry["verb"], entry["caller"][:7]) for entry in entries(acme)]
        assert set(verbs) >= {(verb, "member#") for verb in ("add-member", "change-member-role", "remove-member")}

    @pytest.mark.parametrize("path", ["remove", "role"])
    def test_no_one_locks_themselves_out(self, acme: Product, browser: httpx.Client, path: str) -> None:
        page = browser.get("/workspace/members")
        csrf = page.text.split('name="csrf" value="')[1].split('"')[0]
        form = {"csrf": csrf, "email": ADMIN.upper(), "role": "support"}
        answer = browser.post(f"/workspace/members/{path}", data=form)
        assert (answer.status_code, "your own role" in answer.text) == (400, True)
        assert acme.caller().get("/v1/members").json()["items"] == [{"email": ADMIN, "role": "admin"}]

    @pytest.mark.parametrize("path", ["remove", "role"])
    def test_who_is_no_member_is_neither_removed_nor_changed(
        self, acme: Product, browser: httpx.Client, path: str
    ) -> None:
        page = browser.get("/workspace/members")
        csrf = page.text.split('name="csrf" value="')[1].split('"')[0]
        form = {"csrf": csrf, "email": STRANGER, "role": "admin"}
        answer = browser.post(f"/workspace/members/{path}", data=form)
        assert (answer.status_code, "does not belong to a member" in answer.text) == (404, True)
        assert {"remove-member", "change-member-role"} & {entry["verb"] for entry in entries(acme)} == set()

    @pytest.mark.parametrize(("email", "text"), [("x", "not an email address"), (ADMIN, "already belongs")])
    def test_an_address_that_cannot_be_added_is_explained(
        self, acme: Product, browser: httpx.Client, email: str, text: str
    ) -> None:
        page = press(browser, browser.get("/workspace/members"), "/workspace/members/add", typed={"email": email})
        assert (page.status_code, text in page.text) == (400, True)
