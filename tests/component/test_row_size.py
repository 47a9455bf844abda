"""A booking's row stays below DynamoDB's 400 kB, and a row that the database refuses ends as that booking's failure."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from chalicelib import observability
from chalicelib.domain import row_size
from chalicelib.domain.deadline import Deadline
from chalicelib.domain.give_up import MAX_CRASHED_RUNS
from chalicelib.domain.settlement import Settlement
from chalicelib.errors import MailUnavailable, StoreUnavailable
from chalicelib.handlers import booking_stream
from chalicelib.store.tables import BookingItem
from tests.support.product import LambdaContext, Product, booking
from tests.support.rows import settlement
from tests.support.steps import cancel, get, put

LONG_NAME = "n" * 200
PATH = "/v1/bookings/b-1"


def guests(team: int, number: int = 8) -> list[dict[str, Any]]:
    return [{"name": LONG_NAME, "email": f"guest-{team}-{n}@example.com"} for n in range(number)]


def row_bytes(product: Product) -> int:
    (row,) = product.aws.scan("bookings")
    return sum(len(name) + len(str(next(iter(value.values()))).encode()) for name, value in row.items())


def emails(body: dict[str, Any]) -> list[str]:
    return [invitation["email"] for invitation in body["invitations"]]


def test_a_booking_whose_guests_are_all_replaced_again_and_again_stays_small(connected: Product) -> None:
    sizes = []
    for team in range(5):
        body = put(connected, guests=guests(team), title=LONG_NAME)
        sizes.append(row_bytes(connected))
        assert body["meeting"]["state"] == "ready"
        assert {i["state"] for i in body["invitations"]} == {"sent"}
    assert max(sizes[2:]) <= sizes[1] + 400, "only the history grows, and it has an end"
    assert len(connected.mails.to("guest-3-0@example.com")) == 2  # An invitation and its cancellation.


def test_a_delivered_cancellation_is_visible_until_the_next_change(connected: Product) -> None:
    put(connected, guests=guests(1, 1))
    assert emails(put(connected, guests=guests(2, 1)))[1:] == ["guest-1-0@example.com", "guest-2-0@example.com"]
    assert emails(put(connected, guests=guests(2, 1), title="Another"))[1:] == ["guest-2-0@example.com"]
    assert emails(cancel(connected))[1:] == ["guest-2-0@example.com"]


def test_a_booking_that_would_not_fit_is_refused(connected: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_size, "MAX_DOCUMENT_BYTES", 6_000)
    put(connected)
    for method, path in (("PUT", PATH), ("POST", "/v1/bookings")):
        answer = connected.caller().request(method, path, json=booking(guests=guests(1)))
        assert (answer.status_code, answer.json()["type"]) == (413, "urn:meetlink:problem:booking_too_large")
    assert len(connected.aws.scan("bookings")) == 1
    assert get(connected)["revision"] == 1


def test_a_body_of_64_kb_fits_whatever_its_numbers_become(connected: Product) -> None:
    """A number of four characters can take 18 in the row."""
    content = json.dumps(
        booking(title=LONG_NAME, guests=guests(1, 50), metadata={"n": ["#"] * 9000}), separators=(",", ":")
    )
    content = content.replace('"#"', "1e15")
    assert 55_000 < len(content) < 65_536
    answer = connected.caller().put(PATH, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 201


def test_former_guests_count_until_their_cancellation_is_delivered(
    connected: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_size, "MAX_DOCUMENT_BYTES", 30_500)
    put(connected, guests=guests(0), title=LONG_NAME)
    answers = []
    for team in range(1, 4):
        connected.mails.refusals.extend([MailUnavailable("throttled")] * 200)
        answers.append(connected.caller().put(PATH, json=booking(guests=guests(team), title=LONG_NAME)))
        connected.settle()
    assert [answer.status_code for answer in answers] == [200, 200, 413]
    connected.mails.refusals.clear()
    connected.tick(31)
    assert put(connected, guests=guests(3), title=LONG_NAME)["meeting"]["state"] == "ready"


def test_cancelling_is_always_accepted(connected: Product) -> None:
    put(connected, guests=guests(0), title=LONG_NAME)
    _fill_row(connected)
    assert connected.caller().delete(PATH).status_code == 200


def _fill_row(product: Product) -> None:
    """As an earlier release could leave it: with room for no other invitation.

    DynamoDB refuses rows of more than 400 kB. Moto adds what an update writes to what the row had before.
    """
    former = settlement().invitations[0]
    stored = msgspec.json.decode(product.aws.scan("bookings")[0]["observed"]["S"], type=Settlement)
    invitations = tuple(replace(former, email=f"former-{n}@example.com", title=LONG_NAME) for n in range(1000))
    room = 201_000 - row_bytes(product)
    number = room // (len(msgspec.json.encode(invitations[-1])) + 1)
    filled = replace(stored, invitations=(*stored.invitations, *invitations[:number]))
    BookingItem("ws-1", "b-1").update([BookingItem.observed.set(msgspec.json.encode(filled).decode())])


def test_a_row_that_the_database_refuses_ends_as_a_failure_and_is_counted(
    connected: Product, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observability, "_dimensions", {"service": "meetlink", "stage": "prod"})
    put(connected, guests=guests(0, 1))
    _fill_row(connected)
    monkeypatch.setattr(row_size, "MAX_DOCUMENT_BYTES", 400_000)
    assert connected.caller().put(PATH, json=booking(guests=guests(1, 8))).status_code == 200
    event = {"Records": connected.stream_records()[-1:]}
    assert booking_stream.settle_records(event, LambdaContext(), connected.services) == {"batchItemFailures": []}
    for _ in range(MAX_CRASHED_RUNS + 2):
        assert connected.tick(91)["failed"] == 0
    record = connected.services.booking_store.get("ws-1", "b-1")
    assert record is not None and record.is_settled
    assert (record.settlement.meeting.state, record.settlement.meeting.reason) == ("failed", "internal_error")
    lines = capsys.readouterr().out
    assert '"SettlingCrashed"' in lines
    assert '"BookingsGivenUp"' in lines


def test_a_booking_that_fails_does_not_end_a_page_of_due_work(
    connected: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(booking_stream, "_DUE_PER_PARTITION", 1)
    for number in range(20):
        connected.caller().put(f"/v1/bookings/b-{number}", json=booking())
    settling = connected.services.settling

    class Failing:
        def settle(self, workspace_id: str, booking_id: str, deadline: Deadline) -> Any:
            if booking_id == "b-3":
                raise StoreUnavailable("throttled")
            return settling.settle(workspace_id, booking_id, deadline)

    vars(connected.services)["settling"] = Failing()
    result = connected.tick()
    assert result["failed"] == 1
    assert [get(connected, f"b-{n}")["meeting"]["state"] for n in (1, 19)] == ["ready", "ready"]
