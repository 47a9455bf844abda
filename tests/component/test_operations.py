"""What operators do through `chalice invoke` (no public endpoint)."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.handlers import operations
from tests.support.product import Product


def run(product: Product, do: str, **request: Any) -> dict[str, Any]:
    return operations.run({"do": do, **request}, product.services)


def works(product: Product, api_key: str) -> bool:
    answer = product.stranger().get("/v1/providers", headers={"Authorization": f"Bearer {api_key}"})
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


def test_a_new_workspace_gets_a_key_that_works(product: Product) -> None:
    made = run(product, "create-workspace", workspace_id="ws-1", name="Example")
    assert made["workspace_id"] == "ws-1"
    assert works(product, made["api_key"])


def test_a_workspace_is_not_made_twice(product: Product) -> None:
    first = run(product, "create-workspace", workspace_id="ws-1")
    assert "exists already" in run(product, "create-workspace", workspace_id="ws-1")["error"]
    assert works(product, first["api_key"])


@pytest.mark.parametrize("workspace_id", ["", " ", "a b", "a/b", "ä", "x" * 129, "a\n", None, ["a"], {"a": 1}])
def test_an_id_that_is_none_is_refused(product: Product, workspace_id: Any) -> None:
    assert "workspace_id" in run(product, "create-workspace", workspace_id=workspace_id)["error"]
    assert product.aws.scan("workspaces") == []


@pytest.mark.parametrize("workspace_id", ["a.b.c", "a:b", "-", "A_Z-0.9"])
def test_every_allowed_id_can_be_told_from_its_key(product: Product, workspace_id: str) -> None:
    assert works(product, run(product, "create-workspace", workspace_id=workspace_id)["api_key"])


def test_keys_are_stored_only_as_hashes_and_shown_once(product: Product) -> None:
    key = run(product, "create-workspace", workspace_id="ws-1")["api_key"]
    secret = key.rsplit(".", 1)[1]
    assert len(secret) >= 43  # 256 bits
    assert secret not in repr(product.aws.scan("workspaces"))
    assert secret not in repr(run(product, "show-workspace", workspace_id="ws-1"))


def test_a_second_key_works_beside_the_first_until_that_is_revoked(product: Product) -> None:
    first = run(product, "create-workspace", workspace_id="ws-1")["api_key"]
    second = run(product, "create-key", workspace_id="ws-1", note="rotation")["api_key"]
    assert works(product, first) and works(product, second)
    known = run(product, "show-workspace", workspace_id="ws-1")["keys"]
    assert [key["note"] for key in known] == ["first key", "rotation"]
    assert run(product, "revoke-key", workspace_id="ws-1", key_id=known[0]["key_id"])["revoked"] == known[0]["key_id"]
    assert not works(product, first)
    assert works(product, second)


@pytest.mark.parametrize("do", ["create-key", "revoke-key", "show-workspace"])
@pytest.mark.parametrize("request_", [{}, {"workspace_id": "never-seen"}, {"workspace_id": None}])
def test_a_workspace_that_is_not_there_is_an_error_and_no_exception(
    product: Product, do: str, request_: dict[str, Any]
) -> None:
    assert "error" in run(product, do, **request_)


def test_a_key_that_is_not_there_cannot_be_revoked(product: Product) -> None:
    run(product, "create-workspace", workspace_id="ws-1")
    assert "error" in run(product, "revoke-key", workspace_id="ws-1", key_id="00000000")


def test_a_field_that_the_command_does_not_take_is_refused_and_nothing_is_changed(product: Product) -> None:
    run(product, "create-workspace", workspace_id="ws-1")
    answer = run(product, "update-workspace", workspace_id="ws-1", hold_minutes=5, allowed_origin=["https://a.example"])
    assert answer["error"] == (
        "update-workspace takes workspace_id, confirms_connections, meetings_at_once, hold_minutes, reminder_minutes, "
        "brand, language, emails, reminders, members, not allowed_origin."
    )
    assert run(product, "show-workspace", workspace_id="ws-1")["hold_minutes"] == 15


def test_a_list_is_replaced_or_emptied_and_the_others_stay(product: Product) -> None:
    run(
        product,
        "create-workspace",
        workspace_id="ws-1",
        admin_emails=["a@example.com"],
        return_to=["https://a.example/"],
    )
    run(product, "set-lists", workspace_id="ws-1", return_to=[], frame_ancestors=["https://b.example"])
    lists = run(product, "show-workspace", workspace_id="ws-1")
    assert (lists["admin_emails"], lists["return_to"]) == (["a@example.com"], [])
    assert lists["frame_ancestors"] == ["https://b.example"]


@pytest.mark.parametrize("do", ["", "delete-everything", None, 7, "__class__"])
def test_what_is_not_understood_is_answered_with_what_is(product: Product, do: Any) -> None:
    assert "create-workspace" in operations.run({"do": do}, product.services)["error"]


def test_one_address_instead_of_a_list_is_not_taken_apart(product: Product) -> None:
    """`chalice invoke` is fed JSON by hand."""
    made = run(product, "create-workspace", workspace_id="ws-1", admin_emails="admin@example.com")
    known = run(product, "show-workspace", workspace_id="ws-1")
    assert "error" in made or known["admin_emails"] == ["admin@example.com"]


@pytest.mark.parametrize(
    "fields", [{"admin_emails": None}, {"return_to": None}, {"admin_emails": 7}, {"return_to": [7]}]
)
def test_fields_of_a_wrong_kind_are_an_error_and_no_exception(product: Product, fields: dict[str, Any]) -> None:
    made = run(product, "create-workspace", workspace_id="ws-1", **fields)
    assert set(made) <= {"error", "workspace_id", "api_key"}
    if "api_key" in made:
        assert works(product, made["api_key"])
