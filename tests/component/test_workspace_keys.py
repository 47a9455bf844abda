"""API keys and the audit log on the workspace's own pages."""

from __future__ import annotations

import re

import httpx
import pytest

from infra.local.visitor import press
from tests.component.test_audit import entries
from tests.support.product import WORKSPACE, Product
from tests.support.workspace_visitor import follow_emailed_link, open_workspace, sign_in_by_email

ADMIN = "admin@example.com"


@pytest.fixture
def admin(product: Product) -> httpx.Client:
    product.caller(name="Acme", admin_emails=[ADMIN])
    browser = product.browser()
    sign_in_by_email(product, browser, ADMIN)
    return browser


def create(browser: httpx.Client, note: str = "reports") -> httpx.Response:
    return press(browser, browser.get("/workspace/keys"), "/keys/create", typed={"note": note})


class TestKeys:
    def test_a_new_key_works_and_is_shown_once(self, product: Product, admin: httpx.Client) -> None:
        page = create(admin)
        found = re.search(r'value="(meetlink\.[^"]+)"', page.text)
        assert found is not None
        client = product.stranger()
        client.headers["Authorization"] = f"Bearer {found[1]}"
        assert client.get("/v1/me").json()["workspace_id"] == WORKSPACE
        again = admin.get("/workspace/keys").text
        assert found[1] not in again and "reports" in again
        assert page.headers["Cache-Control"] == "no-store"
        (audited,) = [one for one in entries(product) if one["verb"] == "create-key"]
        assert audited["key_id"] == found[1].split(".")[-2] and audited["caller"].startswith("member#")

    def test_it_needs_a_sign_in_at_most_ten_minutes_old(self, product: Product, admin: httpx.Client) -> None:
        page = admin.get("/workspace/keys")
        product.clock.advance(600)
        assert "Create key" in admin.get("/workspace/keys").text
        product.clock.advance(1)
        assert "sign in again" in admin.get("/workspace/keys").text
        refused = press(admin, page, "/keys/create")
        assert (refused.status_code, "Sign in again." in refused.text) == (403, True)
        assert len(product.services.workspace_store.get(WORKSPACE).keys) == 1  # type: ignore[union-attr]
        sign_in_by_email(product, admin, ADMIN)
        assert "Create key" in admin.get("/workspace/keys").text

    def test_a_key_creates_no_others_by_a_link(self, product: Product, admin: httpx.Client) -> None:
        """They would survive its revocation. Who came by a link and is an administrator signs in by email."""
        browser, page = product.browser(), admin.get("/workspace/keys")
        open_workspace(product, browser, role="admin", email=ADMIN)
        shown = browser.get("/workspace/keys").text
        assert "sign in again" in shown and "/keys/create" not in shown
        csrf = re.search(r'name="csrf" value="([^"]+)"', shown)
        assert csrf is not None and csrf[1] not in page.text
        refused = browser.post("/workspace/keys/create", data={"csrf": csrf[1], "note": "x"})
        assert (refused.status_code, "Sign in again." in refused.text) == (403, True)
        assert len(product.services.workspace_store.get(WORKSPACE).keys) == 1  # type: ignore[union-attr]
        asked = press(browser, browser.get("/workspace/keys"), "/workspace/sign-in")
        assert "Check your inbox" in asked.text
        follow_emailed_link(product, browser)
        assert "Your new key" in create(browser).text

    def test_a_revoked_key_ends_and_the_last_use_is_shown(self, product: Product, admin: httpx.Client) -> None:
        assert "Never" in admin.get("/workspace/keys").text
        assert product.caller().get("/v1/me").is_success
        page = admin.get("/workspace/keys")
        assert "Never" not in page.text and page.text.count("Tue, 1 Dec 2026") == 2
        assert "The key is revoked." in press(admin, page, "/keys/revoke").text
        assert product.caller().get("/v1/me").status_code == 401
        assert press(admin, page, "/keys/revoke").status_code == 404

    def test_support_reads_them(self, product: Product, admin: httpx.Client) -> None:
        browser = product.browser()
        open_workspace(product, browser)
        page = browser.get("/workspace/keys")
        assert "first key" in page.text and "/keys/revoke" not in page.text and "/keys/create" not in page.text

    def test_there_is_a_limit(self, product: Product, admin: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
        from chalicelib.api.pages import workspace_keys

        monkeypatch.setattr(workspace_keys, "_MAX_KEYS", 1)
        assert create(admin).status_code == 409


class TestAudit:
    def test_it_names_members_backends_and_keys(self, product: Product, admin: httpx.Client) -> None:
        create(admin)
        open_workspace(product, product.browser(), email="visitor@example.com")
        page = admin.get("/workspace/audit").text
        key_id = product.services.workspace_store.get(WORKSPACE).keys[0].key_id  # type: ignore[union-attr]
        rows = re.findall(r"<code>([\w-]+)</code></td><td[^>]*>([^<]*)</td>", page)
        assert set(rows) >= {
            ("create-key", ADMIN),
            ("create-workspace-link", "API"),
            ("sign-in", ADMIN),
            ("sign-in", f"Not a member now, by a link of key {key_id}"),
            ("create-workspace", "operate"),
        }

    def test_it_names_the_key_whose_link_opened_the_session(self, product: Product, admin: httpx.Client) -> None:
        browser = product.browser()
        open_workspace(product, browser, role="admin", email="visitor@example.com")
        (first,) = product.services.workspace_store.get(WORKSPACE).keys  # type: ignore[union-attr]
        create(admin)
        key_id = product.services.workspace_store.get(WORKSPACE).keys[-1].key_id  # type: ignore[union-attr]
        press(browser, browser.get("/workspace/keys"), "/keys/revoke", typed={"key_id": key_id})
        by_verb = {one["verb"]: (one["key_id"], one["link_key_id"]) for one in entries(product)}
        assert by_verb["revoke-key"] == (key_id, first.key_id)
        assert by_verb["create-key"] == (key_id, None)
        page = browser.get("/workspace/audit").text
        assert f'<td data-label="By">visitor@example.com, by a link of key {first.key_id}</td>' in page

    def test_it_has_pages_without_gaps(self, product: Product, admin: httpx.Client) -> None:
        for number in range(60):
            product.clock.advance(1)
            product.services.audit.record(f"action-{number}", WORKSPACE, caller="API")
        first = admin.get("/workspace/audit")
        more = re.search(r'class="button" href="([^"]+)"', first.text)
        assert more is not None
        listed = [re.findall(r"action-(\d+)", page.text) for page in (first, admin.get(more[1]))]
        assert [int(number) for number in listed[0] + listed[1]] == list(range(59, -1, -1))
