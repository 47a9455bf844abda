"""Record the rows and stream records of a release: `python -m tests.support.record_first_form`.

Run it once, at the release whose form later releases must read. `tests.support.first_form` describes what is recorded.
"""

from __future__ import annotations

import base64
import json
import os
from typing import Any

from moto import mock_aws

from chalicelib.domain.deadline import NO_DEADLINE
from chalicelib.domain.invitation import Trouble
from chalicelib.handlers import webhook_streams
from chalicelib.store.encryption import Owner, Purpose
from chalicelib.webhooks.http_sender import Outcome
from infra.local.aws import REGION
from infra.local.standins.faults import Action, Fault
from infra.tables import connections_stream
from tests.support.aws import furnish_moto
from tests.support.clock import FakeClock
from tests.support.first_form import PATH
from tests.support.product import ACCOUNT, SECOND_ACCOUNT, WORKSPACE, LambdaContext, Product, booking, calendar
from tests.support.webhooks import SECRET, Receivers, Streams

_RECEIVER = "https://receiver.example/hooks"
_CREATE = "/v2/users/me/meetings"


def record() -> dict[str, Any]:
    """Return the rows of all tables and the records that no function has read yet, in the midst of work."""
    product = Product(furnish_moto("moto-"), FakeClock())
    receivers, streams = Receivers.of(product), Streams(product)
    caller = product.caller(name="Example", admin_emails=["admin@example.com"])
    product.connect("u-1", ACCOUNT)
    _put(caller, "/v1/calendars/c-1", calendar())
    _put(caller, "/v1/calendars/c-2", calendar("phone"))
    _put(caller, "/v1/webhook-endpoints/e-1", {"url": _RECEIVER})
    assert caller.post("/v1/webhook-secrets", json={"secret": SECRET}).is_success

    _put(caller, "/v1/bookings/b-ready", booking(metadata={"ticket": "T-1"}))
    product.settle()
    _put(caller, "/v1/bookings/b-cancelled", booking(days=36))
    product.settle()
    assert caller.delete("/v1/bookings/b-cancelled").is_success
    product.settle()
    _put(caller, "/v1/bookings/b-phone", booking("c-2", days=37))
    product.settle()
    product.services.booking_store.add_mail_trouble(WORKSPACE, "b-ready", "mail-2", Trouble.HARD_BOUNCE)
    product.clock.advance(60)
    product.services.suppression_store.add(
        WORKSPACE, "bounced@example.com", Trouble.HARD_BOUNCE, product.services.clock()
    )
    streams.announce()

    product.zoom.faults.add(Fault(_CREATE, Action.LOST_AFTER, method="POST"))
    _put(caller, "/v1/bookings/b-unknown", booking(days=38))
    product.settle()
    streams.announce()
    receivers.answers[_RECEIVER] = Outcome(500, "bad_status")
    product.zoom.faults.add(Fault(_CREATE, Action.BEFORE, method="POST", status=503, times=None))
    _put(caller, "/v1/bookings/b-waiting", booking(days=39))
    product.settle()
    product.clock.advance(15)
    product.services.settling.settle(WORKSPACE, "b-waiting", NO_DEADLINE)  # After the second try it is waiting.
    settled = streams.records(product.aws.stream_arn)
    webhook_streams.announce_bookings({"Records": settled}, LambdaContext(), product.services)

    product.connect("u-2", SECOND_ACCOUNT)
    arn = connections_stream(product.aws.client("dynamodb"), product.aws.table_prefix)
    connections = streams.records(arn)
    _put(caller, "/v1/bookings/b-new", booking(days=40))
    bookings = product.stream_records()
    ready = product.services.booking_store.get(WORKSPACE, "b-ready")
    assert ready is not None
    return {
        "api_key": str(caller.headers["Authorization"]).removeprefix("Bearer "),
        "clock": product.clock().isoformat(),
        "connect_link": product.connect_link("u-3", email="third@example.com"),
        "meeting_id": str(ready.settlement.meeting.id),
        "records": {"bookings": bookings, "connections": connections, "settled": settled},
        "tables": {table: [_readable(product, row) for row in product.aws.scan(table)] for table in _TABLES},
    }


_TABLES = (
    "audit",
    "bookings",
    "calendars",
    "connections",
    "deliveries",
    "endpoints",
    "ephemeral",
    "grants",
    "workspaces",
)


def _put(caller: Any, path: str, body: dict[str, Any]) -> None:
    response = caller.put(path, json=body)
    assert response.is_success, response.text


def _readable(product: Product, row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with its secrets opened: only the key of that deployment could open them later."""
    vault = product.services.encryption
    if "tokens" in row:
        owner = Owner(Purpose.TOKENS, row["grant_id"]["S"])
        row["tokens"] = {"plain": vault.open(owner, row["tokens"]["B"]).decode()}
    document = json.loads(row.get("document", {}).get("S") or "null")
    if isinstance(document, dict):
        for name, purpose in (("secrets", Purpose.ENDPOINT_SECRETS), ("inbound_secrets", Purpose.BOOKING_SECRETS)):
            for secret in document.get(name, ()):
                sealed = base64.b64decode(secret["sealed"])
                secret["sealed"] = "plain:" + vault.open(Owner(purpose, WORKSPACE), sealed).decode()
        row["document"]["S"] = json.dumps(document, separators=(",", ":"))
    return row


if __name__ == "__main__":
    os.environ["AWS_DEFAULT_REGION"] = REGION
    with mock_aws():
        text = json.dumps(record(), indent=1, sort_keys=True)
    PATH.write_text(text + "\n", encoding="utf-8")
    print(f"Recorded {len(text):,} characters in {PATH.name}.")
