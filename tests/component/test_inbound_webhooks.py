"""Bookings that a booking system tells by webhook: signed, in any order, any number of times."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from chalicelib.domain.webhook_signing import new_secret
from tests.support.aws import Aws
from tests.support.clock import START, FakeClock
from tests.support.examples import examples
from tests.support.product import WORKSPACE, Product, booking, calendar
from tests.support.webhooks import SECRET, send_event


@pytest.fixture
def signed(product: Product) -> Product:
    """A workspace with a calendar for phone calls that shares `SECRET` with its booking system."""
    assert product.caller().put("/v1/calendars/c-1", json=calendar("phone")).status_code == 201
    return share_secret(product)


@pytest.fixture
def video(connected: Product) -> Product:
    """The same with a video calendar."""
    return share_secret(connected)


def share_secret(product: Product) -> Product:
    assert product.caller().post("/v1/webhook-secrets", json={"secret": SECRET}).status_code == 201
    return product


def event(happened: str, booking_id: str = "b-1", *, minute: int = 0, **changes: Any) -> dict[str, Any]:
    """An event that happened `minute` minutes after the start of time."""
    at = (START + timedelta(minutes=minute)).isoformat()
    return {"type": f"booking.{happened}", "timestamp": at, "data": booking(**changes) | {"booking_id": booking_id}}


def cancelled(booking_id: str = "b-1", *, minute: int = 0) -> dict[str, Any]:
    """A cancellation that tells nothing but the id."""
    return event("cancelled", minute=minute) | {"data": {"booking_id": booking_id}}


def stored(product: Product, booking_id: str = "b-1") -> dict[str, Any]:
    answer = product.caller().get(f"/v1/bookings/{booking_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_booking_told_by_webhook_gets_its_link_and_its_invitations(video: Product) -> None:
    assert send_event(video, event("created")).status_code == 204
    video.settle()
    made = stored(video)
    assert made["meeting"]["state"] == "ready"
    assert {letter.invite.recipient.email for letter in video.mails.sent} == {"host@example.com", "guest@example.com"}


def test_rescheduling_and_cancelling_do_what_the_calls_do(video: Product) -> None:
    send_event(video, event("created"))
    video.settle()
    link = stored(video)["meeting"]["join_url"]
    assert send_event(video, event("rescheduled", minute=1, days=40)).status_code == 204
    video.settle()
    moved = stored(video)
    assert (moved["meeting"]["join_url"], moved["starts_at"][:10]) == (link, "2027-01-10")
    assert send_event(video, cancelled(minute=2)).status_code == 204
    video.settle()
    assert (stored(video)["status"], stored(video)["meeting"]["state"]) == ("cancelled", "removed")


def test_a_replay_gives_the_same_answer_and_changes_nothing(video: Product) -> None:
    events = [event("created"), event("rescheduled", minute=1, days=40), cancelled(minute=2)]
    answers = [send_event(video, one, message_id=f"msg_{n}").status_code for n, one in enumerate(events)]
    video.settle()
    before, mails = video.aws.scan("bookings"), len(video.mails.sent)
    again = [send_event(video, one, message_id=f"msg_{n}").status_code for n, one in enumerate(events)]
    video.settle()
    assert answers == again == [204, 204, 204]
    assert (video.aws.scan("bookings"), len(video.mails.sent)) == (before, mails)


def test_a_cancellation_that_overtakes_its_creation_wins_and_no_one_is_mailed(video: Product) -> None:
    assert send_event(video, cancelled(minute=1)).status_code == 204
    assert video.caller().get("/v1/bookings/b-1").status_code == 404
    assert send_event(video, event("created")).status_code == 204
    video.settle()
    assert stored(video)["status"] == "cancelled"
    assert video.mails.sent == []
    assert not any(call.method == "POST" and "/meetings" in call.path for call in video.zoom.faults.calls)


def test_a_cancellation_that_says_everything_is_shown_as_a_cancelled_booking_at_once(signed: Product) -> None:
    assert send_event(signed, event("cancelled", minute=1)).status_code == 204
    assert stored(signed)["status"] == "cancelled"
    assert send_event(signed, event("created")).status_code == 204
    signed.settle()
    assert (stored(signed)["status"], signed.mails.sent) == ("cancelled", [])


def test_a_cancellation_and_its_creation_at_the_same_time_end_cancelled(signed: Product) -> None:
    assert send_event(signed, event("created")).status_code == 204
    assert send_event(signed, cancelled()).status_code == 204
    assert send_event(signed, event("created")).status_code == 204
    assert stored(signed)["status"] == "cancelled"


@pytest.mark.parametrize("ending", ["cancelled", "cancelled with everything", "rescheduled back"])
def test_every_order_ends_with_the_newest_word(signed: Product, ending: str) -> None:
    for number, order in enumerate(permutations(range(4))):
        name = f"b-{number}"
        last = {
            "cancelled": cancelled(name, minute=3),
            "cancelled with everything": event("cancelled", name, minute=3),
            "rescheduled back": event("rescheduled", name, minute=3),
        }[ending]
        moves = [event("rescheduled", name, minute=1, days=36), event("rescheduled", name, minute=2, days=37)]
        story = [event("created", name), *moves, last]
        assert {send_event(signed, story[place]).status_code for place in order} == {204}
        found = stored(signed, name)
        if ending == "rescheduled back":
            assert datetime.fromisoformat(found["starts_at"]) == START + timedelta(days=35), order
        else:
            assert found["status"] == "cancelled", order


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_delivery_of_any_story_converges(signed: Product, data: st.DataObject) -> None:
    booking_id = f"b-{uuid4()}"  # Not drawn: what one example booked would be there for the next.
    counted = data.draw(st.booleans())
    moves = data.draw(st.integers(0, 3))
    story = [event("created", booking_id, days=30)]
    story += [event("rescheduled", booking_id, minute=n + 1, days=31 + n) for n in range(moves)]
    if data.draw(st.booleans()):
        story.append(cancelled(booking_id, minute=moves + 1))
    if counted:
        for version, one in enumerate(story):
            one["data"]["version"] = version
    for one in data.draw(st.permutations(story + data.draw(st.lists(st.sampled_from(story), max_size=4)))):
        assert send_event(signed, one).status_code == 204
    found = stored(signed, booking_id)
    if story[-1]["type"] == "booking.cancelled":
        assert found["status"] == "cancelled"
    else:
        assert datetime.fromisoformat(found["starts_at"]) == START + timedelta(days=30 + moves)


def test_the_callers_own_version_decides_when_it_is_given(signed: Product) -> None:
    send_event(signed, event("created", version=2, days=40))
    assert send_event(signed, event("rescheduled", minute=9, version=1, days=41)).status_code == 204
    assert stored(signed)["starts_at"][:10] == "2027-01-10"


def test_two_contents_under_one_version_are_refused(signed: Product) -> None:
    send_event(signed, event("rescheduled", days=40))
    answer = send_event(signed, event("rescheduled", days=41))
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:meetlink:problem:version_reused")


def test_several_secrets_are_valid_at_once_until_one_is_deleted(signed: Product) -> None:
    caller = signed.caller()
    made = caller.post("/v1/webhook-secrets", json={"note": "new"}).json()
    assert send_event(signed, event("created"), secret=SECRET).status_code == 204
    assert send_event(signed, event("created"), secret=made["secret"]).status_code == 204
    old = next(s["id"] for s in caller.get("/v1/webhook-secrets").json()["items"] if s["note"] != "new")
    assert caller.delete(f"/v1/webhook-secrets/{old}").status_code == 204
    assert send_event(signed, event("created"), secret=SECRET).status_code == 401
    assert send_event(signed, event("created"), secret=made["secret"]).status_code == 204
    assert caller.delete(f"/v1/webhook-secrets/{old}").status_code == 404


def test_secrets_are_shown_once_and_stored_sealed(signed: Product) -> None:
    text = signed.caller().post("/v1/webhook-secrets").json()["secret"]
    assert text.startswith("whsec_")
    assert all("secret" not in item for item in signed.caller().get("/v1/webhook-secrets").json()["items"])
    rows = json.dumps(signed.aws.scan("workspaces"))
    assert SECRET not in rows
    assert text not in rows


def test_a_workspace_has_at_most_five_secrets_and_takes_no_weak_one(signed: Product) -> None:
    caller = signed.caller()
    weak = caller.post("/v1/webhook-secrets", json={"secret": "whsec_c2hvcnQ="})
    assert (weak.status_code, weak.json()["errors"][0]["pointer"]) == (422, "/secret")
    assert [caller.post("/v1/webhook-secrets").status_code for _ in range(5)] == [201] * 4 + [409]


def test_wrong_signatures_and_unknown_workspaces_are_refused_in_the_same_words(signed: Product) -> None:
    signed.caller("ws-2")  # One without any secret.
    refused = [
        send_event(signed, event("created"), secret=new_secret()),
        send_event(signed, event("created"), workspace_id="ws-2"),
        send_event(signed, event("created"), workspace_id="ws-nobody"),
        send_event(signed, event("created"), webhook_signature="v1"),
        send_event(signed, event("created"), webhook_id="another"),
        send_event(signed, event("created"), webhook_timestamp="1"),
    ]
    assert {answer.status_code for answer in refused} == {401}
    assert len({answer.text for answer in refused}) == 1
    assert signed.aws.scan("bookings") == []


def test_nothing_is_parsed_before_the_signature_is_checked(signed: Product) -> None:
    assert send_event(signed, b"{" * 1000, secret=new_secret()).status_code == 401
    assert send_event(signed, b"{" * 1000).status_code == 400


def test_another_workspaces_secret_signs_nothing_here(signed: Product) -> None:
    other = signed.caller("ws-2").post("/v1/webhook-secrets").json()["secret"]
    assert send_event(signed, event("created"), secret=other).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"null", 422),
        (b"[]", 422),
        (b"\xff\xfe", 400),
        (b'{"type": NaN}', 400),
        (b'{"type": "a", "type": "b"}', 400),
        (b"[" * 5000, 400),
        (b'{"type": "booking.created"}', 422),
        (b'{"type": "booking.cancelled", "timestamp": "now", "data": {"booking_id": "b-1"}}', 422),
        (b'{"type": "booking.cancelled", "timestamp": "2027-01-01T00:00:00", "data": {"booking_id": "b-1"}}', 422),
        (b'{"type": "booking.cancelled", "timestamp": "2027-01-01T00:00:00Z", "data": {"booking_id": "b/1"}}', 422),
        (b'{"type": "booking.cancelled", "timestamp": "0001-01-01T00:00:00+14:00", "data": {"booking_id": "b"}}', 204),
        (b'{"type": "booking.refunded", "data": 7}', 204),
        (b" " * 65_537, 413),
    ],
)
def test_malformed_events_are_refused_and_foreign_ones_ignored(signed: Product, body: bytes, status: int) -> None:
    assert send_event(signed, body).status_code == status


WORDS = ["type", "timestamp", "data", "booking_id", "version"]
LEAVES = (
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.sampled_from(["booking.created", "b-1"])
)
NONSENSE = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner),
    max_leaves=12,
)


@given(body=st.binary(max_size=60) | NONSENSE.map(lambda value: json.dumps(value).encode()))
@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_signed_nonsense_gives_a_5xx(signed: Product, body: bytes) -> None:
    assert send_event(signed, body).status_code < 500


def test_a_wrong_field_is_pointed_at_within_the_event(signed: Product) -> None:
    answer = send_event(signed, event("created", minutes=-5))
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/data/ends_at"]
    answer = send_event(signed, event("created", time_zone=7))
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/data/time_zone"]
    answer = send_event(signed, event("created", calendar_id="c-none"))
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:meetlink:problem:unknown_calendar")


@pytest.fixture
def racing(local_aws: Aws, clock: FakeClock) -> Product:
    """A product whose conditional writes are atomic, for many callers at once."""
    product = Product(local_aws, clock)
    assert product.caller().put("/v1/calendars/c-1", json=calendar("phone")).status_code == 201
    return share_secret(product)


def test_fifty_identical_events_at_once_make_one_booking(racing: Product) -> None:
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: send_event(racing, event("created")).status_code, range(50)))
    assert answers == [204] * 50
    assert stored(racing)["revision"] == 1
    assert len(racing.aws.scan("bookings")) == 1


@pytest.mark.parametrize("_round", range(3))
def test_a_cancellation_and_a_creation_at_the_same_moment_end_cancelled(racing: Product, _round: int) -> None:
    both = [event("created"), cancelled(minute=1)] * 4
    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(lambda one: send_event(racing, one).status_code, both))
    assert answers == {204}
    assert stored(racing)["status"] == "cancelled"


def test_the_api_and_the_webhook_name_the_same_workspace(signed: Product) -> None:
    send_event(signed, event("created"))
    assert signed.caller("ws-2").get("/v1/bookings/b-1").status_code == 404
    assert {row["workspace_id"]["S"] for row in signed.aws.scan("bookings")} == {WORKSPACE}
