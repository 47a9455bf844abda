"""Administrative actions and refused requests leave a trace, and no outsider turns one into a server error."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from chalicelib import observability
from chalicelib.domain.invitation import Trouble
from chalicelib.errors import StoreUnavailable
from chalicelib.handlers import operations
from infra.local.visitor import press
from tests.component.test_calls_per_booking import counted
from tests.support.meter import Meter
from tests.support.product import WORKSPACE, Product, booking
from tests.support.webhooks import SECRET, send_event


def entries(product: Product, workspace_id: str = WORKSPACE) -> list[dict[str, Any]]:
    shown = operations.run({"do": "show-audit", "workspace_id": workspace_id}, product.services)
    listed: list[dict[str, Any]] = shown["entries"]
    return listed


def key_id(product: Product) -> str:
    workspace = product.services.workspace_store.get(WORKSPACE)
    assert workspace is not None
    return workspace.keys[0].key_id


def test_operators_actions_are_recorded_with_verb_workspace_key_and_caller(product: Product) -> None:
    product.caller()
    first = key_id(product)
    for request in (
        {"do": "create-key"},
        {"do": "revoke-key", "key_id": first},
        {"do": "set-lists", "return_to": ["https://booking.example.com/"]},
        {"do": "update-workspace", "hold_minutes": 5},
        {"do": "show-workspace"},
    ):
        product.clock.advance(1)
        asked = {"workspace_id": WORKSPACE, **request}
        forged = operations.run(asked | {"caller": "forged"}, product.services, "the real caller")
        assert "not caller" in forged["error"]
        assert "error" not in operations.run(asked, product.services, "arn:aws:iam::123456789012:user/operator")
    created = key_id(product)
    told = [(entry["verb"], entry["key_id"], entry["caller"].rpartition("/")[2]) for entry in entries(product)]
    assert told == [
        ("update-workspace", None, "operator"),
        ("set-lists", None, "operator"),
        ("revoke-key", first, "operator"),
        ("create-key", created, "operator"),
        ("create-workspace", first, "operate"),
    ]


def test_callers_administrative_actions_are_recorded_with_their_key(product: Product) -> None:
    caller = product.caller()
    caller.put("/v1/webhook-endpoints/e-1", json={"url": "https://example.com/hook"})
    caller.post("/v1/webhook-endpoints/e-1/rotate-secret")
    caller.delete("/v1/webhook-endpoints/e-1")
    made = caller.post("/v1/webhook-secrets", json={"secret": SECRET}).json()
    caller.delete(f"/v1/webhook-secrets/{made['id']}")
    caller.delete("/v1/users/u-1/connection")
    caller.delete("/v1/users/u-1/sessions")
    caller.post("/v1/users/u-1/connection/confirm", json={"account_id": "a"})
    told = [entry for entry in entries(product) if entry["caller"] == "API"]
    assert {entry["verb"] for entry in told} == {
        "put-webhook-endpoint",
        "rotate-endpoint-secret",
        "delete-webhook-endpoint",
        "add-webhook-secret",
        "delete-webhook-secret",
        "disconnect",
        "sign-out",
        "confirm-connection",
    }
    assert {entry["key_id"] for entry in told} == {key_id(product)}


def test_an_entry_stays_for_400_days_and_holds_no_secret(product: Product) -> None:
    product.caller()
    (row,) = product.aws.scan("audit")
    assert int(row["expires_at"]["N"]) == int(product.clock().timestamp()) + 400 * 24 * 3600
    assert set(json.loads(row["document"]["S"])) == {"workspace_id", "at", "verb", "caller", "key_id", "link_key_id"}


def test_what_cannot_be_recorded_is_not_done(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    product.caller()

    def out(*_: object) -> None:
        raise StoreUnavailable("no answer")

    monkeypatch.setattr(product.services.audit_store, "add", out)
    assert "error" in operations.run({"do": "create-key", "workspace_id": WORKSPACE}, product.services)
    workspace = product.services.workspace_store.get(WORKSPACE)
    assert workspace is not None
    assert len(workspace.keys) == 1


def wrong_key(product: Product) -> httpx.Response:
    headers = {"Authorization": f"Bearer meetlink.{WORKSPACE}.0123abcd.wrong"}
    return product.stranger().get("/v1/bookings", headers=headers)


def no_key(product: Product) -> httpx.Response:
    return product.stranger().get("/v1/bookings")


def wrong_signature(product: Product) -> httpx.Response:
    return send_event(product, {"type": "booking.cancelled"}, secret="whsec_" + "A" * 32)


def wrong_provider_signature(product: Product) -> httpx.Response:
    return product.stranger().post("/v1/webhooks/providers/zoom", json={"event": "app_deauthorized"})


def no_session(product: Product) -> httpx.Response:
    return product.browser().get("/settings")


def foreign_form(product: Product) -> httpx.Response:
    browser = product.browser()
    product.open_settings(browser)
    return browser.post("/settings/disconnect", data={"csrf": "wrong"})


def foreign_callback(product: Product) -> httpx.Response:
    return product.browser().get("/oauth/zoom/callback?state=foreign&code=code")


def callback_of_no_sign_in(product: Product) -> httpx.Response:
    browser = product.browser()
    product.open_settings(browser)
    return browser.get("/oauth/zoom/callback?state=foreign&code=code")


REFUSED = {
    wrong_key: "key",
    no_key: "key",
    wrong_signature: "signature",
    wrong_provider_signature: "signature",
    no_session: "session",
    foreign_form: "form",
    foreign_callback: "sign-in",
    callback_of_no_sign_in: "sign-in",
}


@pytest.mark.parametrize(("attempt", "what"), REFUSED.items())
def test_each_refusal_is_one_line_and_one_count(
    product: Product,
    attempt: Callable[[Product], httpx.Response],
    what: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    product.caller()
    lines: list[dict[str, Any]] = []
    counts: list[str] = []
    monkeypatch.setattr(observability.Log, "warning", lambda _, message, **ids: lines.append({"m": message} | ids))
    monkeypatch.setattr(observability, "count", lambda metric, *_, **__: counts.append(metric))
    # A browser with a session goes back to its settings page.
    assert attempt(product).status_code in ((303,) if attempt is callback_of_no_sign_in else (401, 403))
    assert [line["refused"] for line in lines] == [what]
    assert counts == ["RequestsRefused"]
    if attempt is wrong_key:
        assert (lines[0]["workspace_id"], lines[0]["key_id"]) == (WORKSPACE, "0123abcd")
    assert "wrong" not in json.dumps(lines)


NO_KEYS = [
    "Bearer meetlink.ws-1#no-mail#{digest}.k.s",
    "Bearer meetlink.ws-1#no-mail#{digest}.0a.s",
    "Bearer meetlink.ws-1\n.0a.s",
    "Bearer meetlink.*.0a.s",
    "Bearer meetlink..0a.s",
    "Bearer meetlink." + "w" * 129 + ".0a.s",
    "Bearer meetlink.ws-1.0a.",
]


@pytest.mark.parametrize("header", NO_KEYS)
def test_whatever_is_sent_as_a_key_the_answer_is_401_and_tells_nothing_of_suppressed_addresses(
    product: Product, header: str
) -> None:
    product.caller()
    product.services.suppression_store.add("ws-1", "bounced@example.com", Trouble.HARD_BOUNCE, product.clock())
    digest = hashlib.sha256(b"bounced@example.com").hexdigest()
    key = header.format(digest=digest).encode()
    for method, path in (("GET", "/v1/bookings"), ("PUT", "/v1/bookings/b-1")):
        answer = product.stranger().request(method, path, headers=[(b"Authorization", key)], json=booking())
        assert answer.status_code == 401


def test_a_row_that_is_no_workspace_is_read_as_none(product: Product) -> None:
    product.services.suppression_store.add("ws-1", "bounced@example.com", Trouble.HARD_BOUNCE, product.clock())
    digest = hashlib.sha256(b"bounced@example.com").hexdigest()
    assert product.services.workspace_store.get(f"ws-1#no-mail#{digest}") is None


class Unasked:
    """A client that must not be asked."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


def test_an_unknown_provider_costs_no_call_of_secrets_manager(product: Product) -> None:
    vars(product.services.deployment_secrets)["_client"] = Unasked()
    for name in ("nobody", "a:b", "zoom2"):
        assert product.stranger().post(f"/v1/webhooks/providers/{name}", json={}).status_code == 404
    assert not [name for name in vars(product.services.deployment_secrets)["_cache"] if name.startswith("providers/")]


@pytest.mark.parametrize(
    "changes",
    [{"webhook-signature": ""}, {"webhook-id": ""}, {"webhook-timestamp": "1"}, {"webhook-timestamp": "x"}],
    ids=["no signature", "no id", "too old", "no time"],
)
def test_an_event_that_cannot_be_signed_opens_no_secret(product: Product, changes: dict[str, str]) -> None:
    assert product.caller().post("/v1/webhook-secrets", json={"secret": SECRET}).is_success
    with counted(product) as calls:
        assert send_event(product, {"type": "x"}, **changes).status_code == 401
    assert calls == []


def test_a_wrong_key_reads_its_workspace_and_the_usage_of_its_rate_and_nothing_else(
    connected: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert connected.caller().put("/v1/bookings/b-1", json=booking()).is_success
    headers = {"Authorization": f"Bearer meetlink.{WORKSPACE}.0123abcd.wrong"}
    meter = Meter(connected.aws, monkeypatch)
    with meter.running():
        assert connected.stranger().put("/v1/bookings/b-1", json=booking(), headers=headers).status_code == 401
    assert meter.calls == {"dynamodb:BatchGetItem": 1}
    assert meter.units == {"reads": 2}


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "http://booking.example.com/", "//x", "data:,x", "https://"]
)
def test_an_address_to_go_back_to_is_an_https_address(product: Product, address: str) -> None:
    product.caller()
    request = {"do": "set-lists", "workspace_id": WORKSPACE, "return_to": [address]}
    assert "is not an https address" in operations.run(request, product.services)["error"]


def test_who_signs_out_presses_one_button(product: Product) -> None:
    browser = product.browser()
    assert "signed out" in press(browser, product.open_settings(browser), "/settings/sign-out").text
