"""Plan B: the calendar's own link, when the provider does not create the meeting in time."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from chalicelib.domain.calendar import LocationType
from chalicelib.handlers import webhook_streams
from infra.local.standins.faults import Action, Fault
from tests.support.answers import assert_problem
from tests.support.mailcheck import check_mail, texts_of
from tests.support.product import DAILY_KEY, LambdaContext, Product, booking, calendar
from tests.support.webhooks import Receivers, Streams

FALLBACK = {"url": "https://rooms.example.com/{booking_id}", "after_minutes": 10, "before_start_minutes": 10}
LINK = "https://rooms.example.com/b-1"
CREATE = r"/users/me/meetings$"


@pytest.fixture
def caller(product: Product) -> httpx.Client:
    product.connect()
    assert product.caller().put("/v1/calendars/c-1", json=calendar(fallback=FALLBACK)).json()["fallback"] == FALLBACK
    return product.caller()


def put(product: Product, **changes: Any) -> None:
    assert product.caller().put("/v1/bookings/b-1", json=booking(**changes)).is_success
    assert product.settle() == []


def meeting(product: Product) -> dict[str, Any]:
    body: dict[str, Any] = product.caller().get("/v1/bookings/b-1").json()["meeting"]
    return body


def outage(product: Product, status: int = 503, path: str = CREATE, **answer: Any) -> Fault:
    fault = Fault(path, Action.BEFORE, status=status, times=None, **answer)
    product.zoom.faults.add(fault)
    return fault


def ticks(product: Product, minutes: int) -> None:
    for _ in range(minutes):
        product.tick(60)


def told(product: Product, email: str = "guest@example.com") -> list[str | None]:
    return [letter.invite.join_url for letter in product.mails.to(email)]


def test_a_booking_that_waits_too_long_gets_the_fallback_and_keeps_it(product: Product, caller: httpx.Client) -> None:
    outage(product)
    put(product, cohosts=[{"user_id": "u-7", "name": "Demo Co-host", "email": "cohost@example.com"}])
    ticks(product, 9)
    assert (meeting(product)["state"], meeting(product)["join_url"]) == ("waiting", None)
    ticks(product, 2)
    body = meeting(product)
    assert (body["state"], body["join_url"], body["provider"]) == ("ready", LINK, None)
    assert (body["fallback_from"], body["fallback_reason"]) == ("zoom", "provider_unavailable")
    assert told(product) == told(product, "host@example.com") == told(product, "cohost@example.com") == [LINK]
    assert [one["state"] for one in caller.get("/v1/bookings/b-1").json()["cohosts"]] == ["guest"]
    # The email names what it really is.
    (letter,) = product.mails.to("guest@example.com")
    assert letter.invite.location.type is LocationType.CUSTOM_LINK
    assert check_mail(letter.raw) == []
    assert "Video meeting" not in texts_of(letter.raw)[0]
    # The provider is well again, and the booking moves: people have one link, and it stays.
    product.zoom.faults.clear()
    ticks(product, 30)
    put(product, days=36)
    caller.post("/v1/bookings/b-1/retry")
    product.settle()
    assert told(product) == [LINK, LINK]
    assert product.zoom.meetings == {}
    assert caller.delete("/v1/bookings/b-1").is_success
    product.settle()
    assert meeting(product)["state"] == "removed"


def test_a_create_without_a_response_is_looked_up_and_removed(product: Product, caller: httpx.Client) -> None:
    product.zoom.faults.add(Fault(CREATE, Action.LOST_AFTER, method="POST"))
    outage(product, path=r"/v2/(users|meetings)")
    put(product)
    ticks(product, 12)
    assert meeting(product)["join_url"] == LINK
    assert len(product.zoom.meetings) == 1
    assert told(product) == [LINK]
    product.zoom.faults.clear()
    ticks(product, 30)
    assert product.zoom.meetings == {}
    assert (meeting(product)["join_url"], told(product)) == (LINK, [LINK])


def test_a_meeting_that_failed_for_good_gets_the_fallback_too(product: Product, caller: httpx.Client) -> None:
    outage(product, 400, body={"code": 3161, "message": "Not allowed to host."})
    put(product)
    assert meeting(product)["state"] == "failed"
    ticks(product, 11)
    body = meeting(product)
    assert (body["state"], body["join_url"], body["fallback_reason"]) == ("ready", LINK, "provider_rejected")
    assert told(product) == [LINK]


def test_close_to_the_start_it_does_not_wait(product: Product, caller: httpx.Client) -> None:
    outage(product)
    put(product, days=12 / 1440)
    ticks(product, 3)
    # So close to the start, the invitation itself did not wait either.
    assert told(product) == [None, LINK]


def test_people_who_were_invited_without_a_link_get_one_update(product: Product, caller: httpx.Client) -> None:
    caller.put("/v1/calendars/c-1", json=calendar(fallback=FALLBACK | {"after_minutes": 30}))
    outage(product)
    put(product)
    ticks(product, 32)
    assert told(product) == [None, LINK]
    assert [letter.invite.sequence for letter in product.mails.to("guest@example.com")] == [0, 1]


def test_a_meeting_that_exists_needs_no_fallback(product: Product, caller: httpx.Client) -> None:
    put(product)
    link = meeting(product)["join_url"]
    outage(product, path=r"/v2/meetings")
    put(product, days=36)
    ticks(product, 12)
    body = meeting(product)
    assert (body["state"], body["join_url"], body["fallback_from"]) == ("waiting", link, None)


def test_a_booking_on_another_calendar_leaves_the_fallback(product: Product, caller: httpx.Client) -> None:
    outage(product)
    put(product)
    ticks(product, 11)
    assert meeting(product)["join_url"] == LINK
    product.zoom.faults.clear()
    ticks(product, 10)
    caller.put("/v1/calendars/c-2", json=calendar())
    put(product, calendar_id="c-2")
    (there,) = product.zoom.meetings.values()
    body = meeting(product)
    assert (body["provider"], body["fallback_from"]) == ("zoom", None)
    assert told(product) == [LINK, body["join_url"]]
    assert str(there.id) in body["join_url"]


def test_an_earlier_join_link_leads_to_the_fallback(product: Product, caller: httpx.Client) -> None:
    product.connect_with_key("daily", {"api_key": DAILY_KEY}, user_id="u-2")
    assert caller.put("/v1/calendars/c-2", json=calendar(user_id="u-2")).is_success
    put(product, calendar_id="c-2", days=1)
    address = str(meeting(product)["join_url"])
    assert "/j/" in address
    outage(product)
    put(product, days=1)
    ticks(product, 11)
    assert meeting(product)["join_url"] == LINK
    product.clock.advance(86_400 - 20 * 60)
    assert product.browser().get(address).headers["Location"] == LINK


def test_callers_hear_of_it(product: Product, caller: httpx.Client) -> None:
    receivers, streams = Receivers.of(product), Streams(product)
    answer = product.caller().put("/v1/webhook-endpoints/e-1", json={"url": "https://hooks.example.com/"})
    assert answer.is_success, answer.text
    streams.announce()
    outage(product)
    put(product)
    ticks(product, 11)
    streams.announce()
    webhook_streams.deliver_due(LambdaContext(), product.services)
    events = [webhook.event for webhook in receivers.received]
    assert [event["data"]["meeting"]["join_url"] for event in events if event["type"] == "meeting.ready"] == [LINK]


def test_without_a_fallback_a_booking_waits(product: Product, caller: httpx.Client) -> None:
    caller.put("/v1/calendars/c-1", json=calendar())
    outage(product)
    put(product)
    ticks(product, 20)
    assert (meeting(product)["state"], meeting(product)["join_url"]) == ("waiting", None)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"location": {"type": "phone"}}, "/fallback"),
        ({"fallback": FALLBACK | {"url": "javascript:alert(1)"}}, "/fallback/url"),
        ({"fallback": FALLBACK | {"after_minutes": 0}}, "/fallback/after_minutes"),
        ({"fallback": FALLBACK | {"before_start_minutes": -1}}, "/fallback/before_start_minutes"),
        ({"fallback": {"after_minutes": 5}}, "/fallback/url"),
    ],
)
def test_an_invalid_fallback_is_refused(caller: httpx.Client, changes: dict[str, Any], pointer: str) -> None:
    body = calendar(fallback=FALLBACK) | changes
    assert_problem(caller.put("/v1/calendars/c-3", json=body), 422, "invalid_input", pointer)
