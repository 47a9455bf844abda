"""Callers who email the guests, the host or both themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from icalendar import Calendar

from chalicelib.errors import MailUnavailable
from chalicelib.handlers import operations
from chalicelib.webhooks.events import EventType, meeting_event
from infra.local.standins.faults import Action, Fault
from tests.support.mailcheck import calendar_of
from tests.support.product import GUEST, Product, booking, calendar
from tests.support.readers import IcalJs, Libical, read_with_vobject
from tests.support.steps import cancel, get, put

PATH = "/v1/bookings/b-1/invite.ics"
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


OTHER = {"name": "Other Guest", "email": "other+1@example.com"}


def entry(product: Product, email: str | None) -> tuple[str, str, int]:
    answer = product.caller().get(PATH, params={"for": email} if email else {})
    assert answer.status_code == 200, answer.text
    file = Calendar.from_ical(answer.content)
    method = str(file["METHOD"])
    assert answer.headers["Content-Type"].endswith(f"method={method}")
    return method, str(file.events[0]["UID"]), int(file.events[0]["SEQUENCE"])


def test_a_file_is_the_entry_that_would_be_mailed(connected: Product) -> None:
    put(connected, emails={"guests": False})
    connected.caller().put("/v1/bookings/b-1", json=booking(days=36))
    before = entry(connected, GUEST["email"])
    connected.settle()
    uid = connected.mails.to(HOST)[-1].invite.uid
    assert before == entry(connected, GUEST["email"].upper()) == ("REQUEST", uid, 1)
    put(connected, days=36, emails={"guests": True})
    assert (
        calendar_of(connected.mails.to(GUEST["email"])[0].raw)
        == connected.caller().get(PATH, params={"for": GUEST["email"]}).content
    )
    cancel(connected)
    assert entry(connected, GUEST["email"]) == entry(connected, None) == ("CANCEL", uid, 2)


def test_a_guest_who_is_taken_off_gets_a_cancellation_before_and_after_settling(connected: Product) -> None:
    put(connected, guests=[GUEST, OTHER], emails=OFF)
    connected.caller().put("/v1/bookings/b-1", json=booking(guests=[GUEST]))
    early = entry(connected, OTHER["email"])
    connected.settle()
    assert early == entry(connected, OTHER["email"]) == ("CANCEL", early[1], 1)
    path = next(one["calendar_file_path"] for one in get(connected)["invitations"] if one["email"] == OTHER["email"])
    assert connected.caller().get(path).status_code == 200


@pytest.mark.node
def test_other_peoples_libraries_read_every_file_alike(connected: Product, tmp_path: Path) -> None:
    files: list[bytes] = []

    def get_files(*emails: str) -> None:
        files.extend(connected.caller().get(PATH, params={"for": email}).content for email in emails)

    put(connected, guests=[GUEST, OTHER], emails=OFF)
    get_files(HOST, GUEST["email"], OTHER["email"])
    put(connected, days=36, guests=[GUEST], emails=OFF)
    get_files(HOST, GUEST["email"], OTHER["email"])
    cancel(connected)
    get_files(HOST, GUEST["email"])
    for name in ("libical", "icaljs"):
        (tmp_path / name).mkdir()
    verdicts = Libical(tmp_path / "libical")(files)
    assert [(verdict.passes, verdict.errors) for verdict in verdicts] == [(True, 0)] * 8
    entries = [verdict.entry for verdict in verdicts]
    assert entries == IcalJs(tmp_path / "icaljs")(files) == list(map(read_with_vobject, files))
    assert [entry.sequence for entry in entries if entry] == [0, 0, 0, 1, 1, 1, 2, 2]
    assert len({entry.uid for entry in entries if entry}) == 1


def test_cancelled_before_anyone_was_invited_is_a_cancellation_with_a_higher_number(connected: Product) -> None:
    connected.caller().put("/v1/bookings/b-1", json=booking(emails=OFF))
    assert entry(connected, GUEST["email"])[::2] == ("REQUEST", 0)
    connected.caller().delete("/v1/bookings/b-1")
    assert entry(connected, GUEST["email"])[::2] == ("CANCEL", 1)
    connected.settle()
    assert entry(connected, GUEST["email"])[0] == "CANCEL"


@pytest.mark.parametrize("see_each_other", [True, False])
def test_a_guests_file_names_another_guest_only_if_the_calendar_allows_it(
    connected: Product, see_each_other: bool
) -> None:
    connected.caller().put("/v1/calendars/c-1", json=calendar() | {"guests_see_each_other": see_each_other})
    put(connected, guests=[GUEST, OTHER], emails=OFF)
    assert (OTHER["email"] in connected.caller().get(PATH, params={"for": GUEST["email"]}).text) is see_each_other


def test_an_address_without_a_part_in_the_booking_is_not_found(connected: Product) -> None:
    put(connected)
    caller = connected.caller()
    assert caller.get(PATH, params={"for": "stranger@example.com"}).status_code == 404
    assert caller.get(PATH, params={"for": ""}).status_code == 422
    assert caller.get(PATH, params={"to": HOST}).status_code == 422


def test_getting_a_file_writes_nothing(connected: Product) -> None:
    put(connected, emails=OFF)
    connected.caller().put("/v1/bookings/b-1", json=booking(days=36))
    before = connected.aws.scan("bookings")
    entry(connected, HOST)
    assert connected.aws.scan("bookings") == before


def test_webhooks_name_the_files_of_those_whom_the_caller_emails(connected: Product) -> None:
    put(connected, emails={"guests": False})
    record = connected.services.booking_store.get("ws-1", "b-1")
    assert record is not None
    event = meeting_event(EventType.MEETING_READY, "e", record.booking, record.settlement.meeting, connected.clock())
    path = f"{PATH}?for={GUEST['email']}"
    assert event.data["calendar_files"] == [{"email": GUEST["email"], "role": "guest", "calendar_file_path": path}]
    assert connected.caller().get(path).status_code == 200
