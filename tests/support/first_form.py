"""Rows and stream records as the first release wrote them, put before the present code.

`tests.support.record_first_form` recorded them once, from that release. Later releases must read them unchanged.
What only the old deployment's key could open (tokens, webhook secrets) is recorded in plain text and sealed here.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from chalicelib.store.encryption import Owner, Purpose
from tests.support.product import ACCOUNT, SECOND_ACCOUNT, WORKSPACE, Product, booking, calendar

PATH = Path(__file__).parent.parent / "component" / "first_form" / "rows_and_records.json"
RECORDED: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
LATER_TABLES = {"daily_counts", "provider_events", "references"}
"""Tables that the first release did not have."""
_ROW_KEYS = {
    "audit": ("workspace_id", "entry_name"),
    "bookings": ("workspace_id", "booking_id"),
    "calendars": ("workspace_id", "calendar_id"),
    "connections": ("workspace_id", "user_id"),
    "daily_counts": ("workspace_id", "day"),
    "deliveries": ("endpoint_key", "delivery_name"),
    "endpoints": ("workspace_id", "endpoint_id"),
    "ephemeral": ("key",),
    "grants": ("grant_id",),
    "provider_events": ("meeting_key", "event_name"),
    "references": ("key",),
    "workspaces": ("workspace_id",),
}


def inherit(product: Product, *, unknown: bool = False) -> dict[str, Any]:
    """Have the product begin with the recorded rows; the answer holds what was recorded beside them.

    With `unknown` every row has fields that this release does not know, as after a step back from a later one.
    """
    product.connect("u-1", ACCOUNT)
    product.connect("u-2", SECOND_ACCOUNT)
    assert product.caller().put("/v1/calendars/c-1", json=calendar()).is_success
    live = {row["grant_id"]["S"]: _open(product, row) for row in product.aws.scan("grants")}
    meeting_id = _meeting_as_recorded(product)
    text = json.dumps(RECORDED).replace(str(RECORDED["meeting_id"]), meeting_id)
    recorded: dict[str, Any] = json.loads(text)
    _empty(product)
    for table, rows in recorded["tables"].items():
        for row in rows:
            _seal(product, row, live)
            if unknown:
                _add_unknown(row)
            product.aws.client("dynamodb").put_item(TableName=product.aws.table_prefix + table, Item=row)
    product.mails.sent.clear()
    product.stream_records()  # Drop the records of this loading.
    return recorded


def _meeting_as_recorded(product: Product) -> str:
    """The recorded booking's meeting, alive at the stand-in; its id there."""
    assert product.caller().put("/v1/bookings/b-ready", json=booking()).is_success
    product.settle()
    record = product.services.booking_store.get(WORKSPACE, "b-ready")
    assert record is not None
    return str(record.settlement.meeting.id)


def _open(product: Product, row: dict[str, Any]) -> str:
    return product.services.encryption.open(Owner(Purpose.TOKENS, row["grant_id"]["S"]), row["tokens"]["B"]).decode()


def _seal(product: Product, row: dict[str, Any], live: dict[str, str]) -> None:
    vault = product.services.encryption
    if "tokens" in row:
        grant_id, tokens = row["grant_id"]["S"], json.loads(row["tokens"]["plain"])
        now = json.loads(live[grant_id])
        tokens |= {name: now[name] for name in ("access_token", "refresh_token")}
        row["tokens"] = {"B": vault.seal(Owner(Purpose.TOKENS, grant_id), json.dumps(tokens).encode())}
    document = json.loads(row.get("document", {}).get("S") or "null")
    if not isinstance(document, dict):
        return
    for name, purpose in (("secrets", Purpose.ENDPOINT_SECRETS), ("inbound_secrets", Purpose.BOOKING_SECRETS)):
        for secret in document.get(name, ()):
            plain = secret["sealed"].removeprefix("plain:").encode()
            secret["sealed"] = base64.b64encode(vault.seal(Owner(purpose, WORKSPACE), plain)).decode()
    row["document"]["S"] = json.dumps(document)


def _add_unknown(row: dict[str, Any]) -> None:
    row["of_a_later_release"] = {"S": "unknown"}
    for attribute in ("document", "desired", "observed"):
        document = json.loads(row.get(attribute, {}).get("S") or "null")
        if isinstance(document, dict):
            row[attribute]["S"] = json.dumps(document | {"of_a_later_release": {"a": [1]}})


def _empty(product: Product) -> None:
    client = product.aws.client("dynamodb")
    for table, keys in _ROW_KEYS.items():
        for row in product.aws.scan(table):
            client.delete_item(TableName=product.aws.table_prefix + table, Key={key: row[key] for key in keys})
