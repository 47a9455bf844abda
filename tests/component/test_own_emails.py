"""Callers who email the guests, the host or both themselves."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.errors import MailUnavailable
from chalicelib.handlers import operations
from infra.local.standins.faults import Action, Fault
from tests.support.product import GUEST, Product, calendar
from tests.support.steps import cancel, get, put

HOST = "host@example.com"
OFF = {"guests": False, "host": False}


def states(booking: dict[str, Any]) -> dict[str, tuple[str, int]]:
    return {one["email"]: (one["state"], one["sequence"]) for one in booking["invitations"]}


def recipients(product: Product) -> list[str]:
    return [letter.invite.recipient.email for letter in product.mails.sent]


def test_who_is_switched_off_is_settled_without_an_email(connected: Product) -> None:
    put(connected, emails={"guests": False})
    booking = get(connected)
    assert booking["emails"] == {"guests": False, "host": True}
    assert states(booking) == {HOST: ("sent", 0), GUEST["email"]: ("not_sent", 0)}
    assert {one["email"] for one in booking["invitations"] if one["sent_at"]} == {HOST}
    assert recipients(connected) == [HOST]
    put(connected, days=36)
    assert states(get(connected)) == {HOST: ("sent", 1), GUEST["email"]: ("not_sent", 1)}
    cancel(connected)
    assert states(get(connected)) == {HOST: ("sent", 2), GUEST["email"]: ("not_sent", 2)}
    assert recipients(connected) == [HOST] * 3


def test_the_workspaces_and_the_calendars_choice_are_copied_when_a_booking_is_created(connected: Product) -> None:
    operations.run({"do": "update-workspace", "workspace_id": "ws-1", "emails": {"host": False}}, connected.services)
    put(connected, "b-1")
    connected.caller().put("/v1/calendars/c-1", json=calendar() | {"emails": {"guests": False, "host": True}})
    put(connected, "b-2")
    put(connected, "b-1", days=37)
    choices = [get(connected, name)["emails"] for name in ("b-1", "b-2")]
    assert choices == [{"guests": True, "host": False}, {"guests": False, "host": True}]
    assert recipients(connected) == [GUEST["email"], HOST, GUEST["email"]]


def test_switching_off_sends_nothing_and_switching_on_invites_once(connected: Product) -> None:
    put(connected)
    put(connected, emails=OFF)
    assert states(get(connected)) == {HOST: ("sent", 0), GUEST["email"]: ("sent", 0)}
    put(connected, days=36)
    assert states(get(connected)) == {HOST: ("not_sent", 1), GUEST["email"]: ("not_sent", 1)}
    assert len(connected.mails.sent) == 2
    put(connected, days=36, emails={"guests": True})
    connected.tick()
    put(connected, days=36, metadata={"order": "1"})
    assert recipients(connected)[2:] == [GUEST["email"]]
    assert connected.mails.sent[-1].invite.sequence == 1
    assert states(get(connected)) == {HOST: ("not_sent", 1), GUEST["email"]: ("sent", 1)}


def test_a_refusing_ses_delays_only_those_who_are_emailed(connected: Product) -> None:
    connected.mails.refusals += [MailUnavailable("full", retry_at=connected.clock())]
    put(connected, emails={"guests": False})
    assert states(get(connected))[GUEST["email"]] == ("not_sent", 0)


def test_a_host_who_is_switched_off_gets_no_notice_of_a_failed_meeting(connected: Product) -> None:
    connected.zoom.faults.add(Fault("/v2/users/me/meetings", Action.BEFORE, method="POST", status=400, times=None))
    put(connected, "b-off", emails={"host": False})
    assert (get(connected, "b-off")["meeting"]["state"], connected.mails.notices) == ("failed", [])
    put(connected, "b-on")
    assert [notice.to for notice in connected.mails.notices] == [HOST]


def test_a_choice_is_two_booleans(connected: Product) -> None:
    caller = connected.caller()
    body = calendar() | {"emails": {"guests": "no", "hosts": False}}
    errors = caller.put("/v1/calendars/c-1", json=body).json()["errors"]
    assert [error["pointer"] for error in errors] == ["/emails/guests", "/emails/hosts"]


def test_the_previous_release_reads_what_was_left_to_the_caller_as_sent(connected: Product) -> None:
    """It ignores fields that it does not know, but it could not read a state that it does not know."""
    put(connected, emails=OFF)
    (row,) = [row for row in connected.aws.scan("bookings") if row["booking_id"]["S"] == "b-1"]
    observed = msgspec.json.decode(row["observed"]["S"])
    assert [invitation["state"] for invitation in observed["invitations"]] == ["sent", "sent"]
