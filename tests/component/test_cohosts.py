"""Several hosts: co-hosts are invited and join as hosts, and a booking names its own host."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from typing import Any

import httpx
import pytest

from chalicelib.domain.invitation import Method
from chalicelib.handlers import booking_stream
from infra.local.standins.faults import Action, Fault
from tests.support.answers import assert_problem
from tests.support.product import LambdaContext, Product, booking, calendar

COHOST = {
    "user_id": "u-2",
    "name": "Demo Co-host",
    "email": "cohost@example.com",
    "time_zone": "Asia/Tokyo",
    "language": "ja",
}
OTHER = {"user_id": "u-3", "name": "Other Co-host", "email": "other@example.com", "time_zone": None, "language": None}


@pytest.fixture
def caller(product: Product) -> httpx.Client:
    product.connect()
    product.zoom.held.licensed = frozenset({COHOST["email"], OTHER["email"]})
    assert product.caller().put("/v1/calendars/c-1", json=calendar(cohosts=[COHOST])).is_success
    return product.caller()


def settled(product: Product, **changes: Any) -> dict[str, Any]:
    answer = product.caller().put("/v1/bookings/b-1", json=booking(**changes))
    assert answer.is_success, answer.text
    assert product.settle() == []
    return shown(product)


def shown(product: Product) -> dict[str, Any]:
    body: dict[str, Any] = product.caller().get("/v1/bookings/b-1").json()
    return body


def states(body: dict[str, Any]) -> dict[str, str]:
    return {cohost["email"]: cohost["state"] for cohost in body["cohosts"]}


def alternative_hosts(product: Product) -> str:
    (meeting,) = product.zoom.meetings.values()
    return str(meeting.settings["alternative_hosts"])


def test_a_cohost_is_invited_as_a_host_in_their_language_and_may_host(product: Product, caller: httpx.Client) -> None:
    body = settled(product)
    assert body["cohosts"] == [COHOST | {"state": "host", "reason": None, "detail": None}]
    assert [(i["email"], i["role"]) for i in body["invitations"]] == [
        ("host@example.com", "host"),
        ("cohost@example.com", "host"),
        ("guest@example.com", "guest"),
    ]
    (letter,) = product.mails.to("cohost@example.com")
    assert (letter.invite.recipient.language, letter.invite.recipient.time_zone) == ("ja", "Asia/Tokyo")
    assert alternative_hosts(product) == "cohost@example.com"
    assert product.zoom.held.mailed == set()
    # Guests see who hosts, and their replies reach both.
    (letter,) = product.mails.to("guest@example.com")
    assert "Demo Co-host (cohost@example.com)" in letter.raw.decode()
    assert [party.email for party in letter.invite.attendees] == [
        "host@example.com",
        "cohost@example.com",
        "guest@example.com",
    ]
    assert {address["email"] for address in letter_addresses(letter.raw)} == {"host@example.com", "cohost@example.com"}


def letter_addresses(raw: bytes) -> list[dict[str, str]]:
    header = message_from_bytes(raw, policy=default)["Reply-To"]
    return [{"email": address.addr_spec} for address in header.addresses]


def test_a_bookings_own_list_overrides_the_calendars_and_a_former_cohost_is_uninvited(
    product: Product, caller: httpx.Client
) -> None:
    assert states(settled(product)) == {"cohost@example.com": "host"}
    assert states(settled(product, cohosts=[OTHER])) == {"other@example.com": "host"}
    assert alternative_hosts(product) == "other@example.com"
    assert product.mails.to("cohost@example.com")[-1].invite.calendar_method is Method.CANCEL
    # What is left out stays; an empty list is a choice.
    assert states(settled(product, days=36)) == {"other@example.com": "host"}
    assert states(settled(product, days=36, cohosts=[])) == {}
    assert alternative_hosts(product) == ""
    assert len(product.zoom.meetings) == 1


def test_a_booking_without_a_change_of_cohosts_costs_no_further_call(product: Product, caller: httpx.Client) -> None:
    settled(product)
    before = len(product.zoom.faults.calls)
    settled(product, days=36)
    calls = [(call.method, call.path) for call in product.zoom.faults.calls[before:]]
    (meeting_id,) = product.zoom.meetings
    assert calls == [("PATCH", f"/v2/meetings/{meeting_id}")]


def test_a_refused_cohost_does_not_fail_the_booking_and_a_retry_adds_them(
    product: Product, caller: httpx.Client
) -> None:
    product.zoom.held.licensed = frozenset({OTHER["email"]})
    body = settled(product, cohosts=[COHOST, OTHER])
    assert body["meeting"]["state"] == "ready"
    assert states(body) == {"cohost@example.com": "failed", "other@example.com": "host"}
    failed = body["cohosts"][0]
    assert failed["reason"] == "provider_rejected"
    assert "licensed user" in failed["detail"]
    assert len(product.mails.to("cohost@example.com")) == 1
    product.zoom.held.licensed |= {COHOST["email"]}
    assert caller.post("/v1/bookings/b-1/retry").is_success
    product.settle()
    assert set(states(shown(product)).values()) == {"host"}
    assert alternative_hosts(product) == "cohost@example.com;other@example.com"
    assert len(product.zoom.meetings) == 1
    assert len(product.mails.sent) == 4


def test_cohosts_that_cannot_be_added_now_follow_a_minute_later(product: Product, caller: httpx.Client) -> None:
    link = settled(product)["meeting"]["join_url"]
    fault = Fault(r"/v2/meetings/[0-9]+$", Action.BEFORE, method="PATCH", status=503, times=2)
    product.zoom.faults.add(fault)  # One for the update, one for the co-hosts.
    settled(product, cohosts=[OTHER])
    assert states(shown(product)) == {"other@example.com": "pending"}
    for _ in range(3):
        product.tick(60)
    body = shown(product)
    assert (states(body), body["meeting"]["join_url"]) == ({"other@example.com": "host"}, link)


class SlowZoom(LambdaContext):
    """An invocation of `seconds` in which each of Zoom's responses takes 14."""

    def __init__(self, product: Product, seconds: int) -> None:
        self.product = product
        self.ends_at = product.clock() + timedelta(seconds=seconds)
        self.calls = len(product.zoom.faults.calls)

    def get_remaining_time_in_millis(self) -> int:
        calls = len(self.product.zoom.faults.calls)
        self.product.clock.advance(14 * (calls - self.calls))
        self.calls = calls
        return int((self.ends_at - self.product.clock()).total_seconds() * 1000)


@pytest.mark.parametrize("seconds", [70, 600])  # The invocation ends first, or the lease of 90 seconds.
def test_many_cohosts_at_a_slow_provider_are_continued_by_a_later_run(
    product: Product, caller: httpx.Client, seconds: int
) -> None:
    """As long as Zoom refuses one of them, it takes a call for each. What was created is stored in time."""
    cohosts = [COHOST | {"email": f"cohost-{n}@example.com", "user_id": f"c-{n}"} for n in range(9)]
    product.zoom.held.licensed = frozenset(cohost["email"] for cohost in cohosts[1:])
    caller.put("/v1/bookings/b-1", json=booking(cohosts=cohosts))
    started_at, context = product.clock(), SlowZoom(product, seconds)
    booking_stream.settle_records({"Records": product.stream_records()}, context, product.services)
    assert product.clock() - started_at < timedelta(seconds=min(seconds, 90))
    body = shown(product)
    assert body["meeting"]["state"] == "ready"
    assert set(states(body).values()) == {"pending"}
    product.tick(120)
    assert list(states(shown(product)).values()) == ["failed", *["host"] * 8]
    assert len(product.zoom.meetings) == 1


def test_a_cohost_joins_a_room_of_our_own_link_as_a_host(product: Product) -> None:
    product.connect_with_key(
        "jitsi", {"server": "meet.example.com", "app_id": "app", "app_secret": "secret-of-the-server"}
    )
    product.caller().put("/v1/calendars/c-1", json=calendar(cohosts=[COHOST]))
    assert states(settled(product)) == {"cohost@example.com": "host"}
    product.clock.advance((timedelta(days=35) - timedelta(minutes=10)).total_seconds())
    tokens = []
    for email in ("host@example.com", "cohost@example.com", "guest@example.com"):
        link = product.mails.to(email)[-1].invite.join_url
        tokens.append(product.browser().get(str(link)).headers["Location"].partition("jwt=")[2])
    users = [claims(token)["context"]["user"] for token in tokens]
    assert [user.get("name") for user in users] == ["Demo Host", "Demo Co-host", None]
    assert [user["moderator"] for user in users] == ["true", "true", "false"]
    assert len({user["id"] for user in users}) == 3
    # A co-host who is taken off is not let in any more.
    address = product.mails.to("cohost@example.com")[-1].invite.join_url
    settled(product, cohosts=[])
    assert product.browser().get(str(address)).status_code == 403


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded


def test_a_provider_without_cohosts_admits_them_as_guests(product: Product) -> None:
    product.connect_with_key("jitsi", {"server": "meet.example.com"})
    product.caller().put("/v1/calendars/c-1", json=calendar(cohosts=[COHOST]))
    assert states(settled(product)) == {"cohost@example.com": "guest"}
    product.caller().put("/v1/calendars/c-1", json=calendar("phone", cohosts=[COHOST]))
    product.caller().put("/v1/bookings/b-2", json=booking())
    assert product.caller().get("/v1/bookings/b-2").json()["cohosts"][0]["state"] is None


class TestRoundRobin:
    def test_a_booking_names_its_host(self, product: Product, caller: httpx.Client) -> None:
        caller.put("/v1/calendars/c-1", json=calendar(hosts=[OTHER], cohosts=[OTHER]))
        body = settled(product, host_id="u-3")
        assert (body["host"]["user_id"], body["cohosts"]) == ("u-3", [])
        # This host has no account, so there is no link, and the other host's account is not used.
        assert (body["meeting"]["state"], body["meeting"]["reason"]) == ("none", "not_connected")
        assert product.zoom.meetings == {}
        assert [i["email"] for i in body["invitations"]] == ["other@example.com", "guest@example.com"]

    def test_a_booking_changes_its_host_and_keeps_everything_else(self, product: Product, caller: httpx.Client) -> None:
        settled(product)
        caller.put("/v1/calendars/c-1", json=calendar("phone", hosts=[OTHER]))
        body = settled(product, host_id="u-3")
        assert (body["host"]["user_id"], body["location"]["type"]) == ("u-3", "video")
        assert states(body).keys() == {"cohost@example.com"}
        assert product.zoom.meetings == {}
        back = settled(product, host_id="u-1")
        assert (back["host"]["user_id"], back["meeting"]["state"]) == ("u-1", "ready")
        assert settled(product, days=36)["host"]["user_id"] == "u-1"
        assert len(product.zoom.meetings) == 1

    def test_a_host_that_the_calendar_does_not_have_is_refused(self, product: Product, caller: httpx.Client) -> None:
        answer = caller.put("/v1/bookings/b-1", json=booking(host_id="u-9"))
        assert_problem(answer, 422, "unknown_host", "/host_id")


@pytest.mark.parametrize("again", [{"user_id": "u-9"}, {"email": "COHOST@example.com"}])
@pytest.mark.parametrize("field", ["cohosts", "hosts"])
def test_a_person_is_in_a_list_once(caller: httpx.Client, field: str, again: dict[str, str]) -> None:
    people = [COHOST, OTHER | {"user_id": "u-2"} if "user_id" in again else OTHER | again]
    assert_problem(caller.put("/v1/calendars/c-2", json=calendar(**{field: people})), 422, "invalid_input", f"/{field}")


def test_a_repeated_creation_with_other_cohosts_is_another_one(product: Product, caller: httpx.Client) -> None:
    key = {"Idempotency-Key": "key-1"}
    first = caller.post("/v1/bookings", json=booking(cohosts=[]), headers=key)
    assert caller.post("/v1/bookings", json=booking(cohosts=[]), headers=key).json()["id"] == first.json()["id"]
    assert_problem(caller.post("/v1/bookings", json=booking(), headers=key), 409, "idempotency_key_reused")
