"""Every recipient has one entry of a booking in the calendar, whether meetlink or Google wrote it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from icalendar import Calendar

from chalicelib.domain.invitation import Method
from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.google_hosts import HOST, OTHER_HOST, GoogleHosts
from tests.support.mailcheck import calendar_of, check_mail, has_calendar, texts_of
from tests.support.product import GUEST, WORKSPACE, calendar
from tests.support.steps import cancel, disconnect, get, put, state


@pytest.fixture
def hosts(moto_aws: Aws, clock: FakeClock) -> GoogleHosts:
    hosts = GoogleHosts(moto_aws, clock)
    hosts.connect()
    return hosts


def test_the_host_of_a_google_meeting_has_googles_event_and_a_plain_email(hosts: GoogleHosts) -> None:
    link = put(hosts.product)["meeting"]["join_url"]
    (letter,) = hosts.letters(HOST)
    assert check_mail(letter.raw, is_plain=True) == []
    for text in texts_of(letter.raw):
        assert link in text and GUEST["name"] in text and f"in your calendar ({HOST})" in text
    assert [hosts.entries(email) for email in (HOST, GUEST["email"])] == [1, 1]
    assert has_calendar(hosts.letters(GUEST["email"])[0].raw)


def test_the_event_has_title_description_and_guests_as_text_and_no_one_is_mailed(hosts: GoogleHosts) -> None:
    put(hosts.product, guests=[GUEST, {"name": "Second <b>Guest</b>", "email": "second@example.com"}])
    (event,) = hosts.google.events.values()
    assert event.body["summary"] == "Introductory call"
    assert event.body["description"] == "We will look at your questions.\n\nGuests: Demo Guest, Second bGuest/b"
    assert event.body["reminders"] == {"useDefault": False}
    assert "attendees" not in event.body and hosts.google.mails == []


def test_a_reschedule_moves_the_event_and_tells_the_host_in_a_plain_email(hosts: GoogleHosts) -> None:
    put(hosts.product)
    put(hosts.product, days=36)
    assert [has_calendar(letter.raw) for letter in hosts.letters(HOST)] == [False, False]
    assert hosts.entries(HOST) == 1


def test_a_cancelled_booking_leaves_no_entry(hosts: GoogleHosts) -> None:
    put(hosts.product)
    cancel(hosts.product)
    letter = hosts.letters(HOST)[-1]
    assert check_mail(letter.raw, is_plain=True) == []
    assert "remove the event" in texts_of(letter.raw)[0]
    assert [hosts.entries(email) for email in (HOST, GUEST["email"])] == [0, 0]


def test_a_host_under_another_address_is_invited(moto_aws: Aws, clock: FakeClock) -> None:
    hosts = GoogleHosts(moto_aws, clock)
    hosts.connect(host_email="office@example.com")
    put(hosts.product)
    assert check_mail(hosts.letters("office@example.com")[0].raw) == []
    assert [hosts.entries(email) for email in ("office@example.com", HOST)] == [1, 1]


def test_upper_case_does_not_make_another_address(moto_aws: Aws, clock: FakeClock) -> None:
    hosts = GoogleHosts(moto_aws, clock)
    hosts.connect(host_email=HOST.upper())
    put(hosts.product)
    assert not has_calendar(hosts.letters(HOST.upper())[0].raw)


def test_a_guest_with_the_accounts_address_has_one_entry(moto_aws: Aws, clock: FakeClock) -> None:
    hosts = GoogleHosts(moto_aws, clock)
    hosts.connect(host_email="office@example.com")
    put(hosts.product, guests=[GUEST, {"name": "Demo Host", "email": HOST}])
    assert [hosts.entries(email) for email in (HOST, "office@example.com", GUEST["email"])] == [1, 1, 1]


class TestHandingOver:
    """An outage of Google's calendar delays the event; the host is invited meanwhile."""

    @pytest.fixture
    def waiting(self, hosts: GoogleHosts) -> GoogleHosts:
        hosts.go_down()
        put(hosts.product)
        hosts.rest()
        assert state(get(hosts.product)) == ("waiting", "provider_unavailable")
        assert hosts.entries(HOST) == 1
        return hosts

    def test_one_email_cancels_our_entry_and_says_that_the_booking_takes_place(self, waiting: GoogleHosts) -> None:
        waiting.come_back()
        waiting.rest()
        first, second = waiting.letters(HOST)
        assert check_mail(second.raw, previous=first.raw) == []
        assert (second.invite.calendar_method, second.invite.method) == (Method.CANCEL, Method.REQUEST)
        (event,) = Calendar.from_ical(calendar_of(second.raw)).walk("VEVENT")
        assert "takes place" in event["COMMENT"] and "takes place" in event["DESCRIPTION"]
        assert "Now in your calendar: Introductory call" in second.raw.decode()
        text = texts_of(second.raw)[0]
        assert "takes place" in text and str(get(waiting.product)["meeting"]["join_url"]) in text
        assert waiting.entries(HOST) == 1

    def test_the_next_email_has_no_calendar_part(self, waiting: GoogleHosts) -> None:
        waiting.come_back()
        waiting.rest()
        put(waiting.product, days=36)
        assert not has_calendar(waiting.letters(HOST)[-1].raw)
        assert waiting.entries(HOST) == 1

    def test_a_cancelled_booking_leaves_no_entry(self, waiting: GoogleHosts) -> None:
        cancel(waiting.product)
        waiting.come_back()
        waiting.rest()
        assert waiting.entries(HOST) == 0


class TestTakingBack:
    """The event is deleted, and the host is invited again."""

    def test_moved_to_a_phone_calendar_the_host_is_invited(self, hosts: GoogleHosts) -> None:
        put(hosts.product)
        put(hosts.product, calendar_id="c-9")
        assert not hosts.google.held_events()
        assert check_mail(hosts.letters(HOST)[-1].raw) == []
        assert hosts.entries(HOST) == 1

    def test_our_entry_follows_only_after_the_event_is_deleted(self, hosts: GoogleHosts) -> None:
        put(hosts.product)
        hosts.go_down()
        put(hosts.product, calendar_id="c-9")
        hosts.rest()
        plain = hosts.letters(HOST)[-1]
        assert "may still show earlier details" in texts_of(plain.raw)[0]
        assert (hosts.entries(HOST), has_calendar(plain.raw)) == (1, False)
        hosts.come_back()
        hosts.rest()
        assert check_mail(hosts.letters(HOST)[-1].raw) == []
        assert (hosts.entries(HOST), hosts.google.held_events()) == (1, [])

    def test_a_former_host_keeps_no_entry_and_the_new_one_has_one(self, hosts: GoogleHosts) -> None:
        hosts.connect("u-2", OTHER_HOST)
        put(hosts.product)
        put(hosts.product, calendar_id="c-2")
        assert [hosts.entries(email) for email in (HOST, OTHER_HOST, GUEST["email"])] == [0, 1, 1]

    def test_a_former_host_who_stays_as_a_guest_is_invited_after_the_event_is_deleted(self, hosts: GoogleHosts) -> None:
        hosts.connect("u-2", OTHER_HOST)
        put(hosts.product)
        hosts.go_down()
        guests = [GUEST, {"name": "Demo Host", "email": HOST}]
        put(hosts.product, calendar_id="c-2", guests=guests)
        hosts.rest()
        assert hosts.entries(HOST) == 1
        hosts.come_back()
        hosts.rest()
        assert [held.owner for held in hosts.google.held_events()] == [OTHER_HOST]
        assert [hosts.entries(email) for email in (HOST, OTHER_HOST)] == [1, 1]


def test_meetings_that_are_removed_before_disconnecting_give_the_entry_back(hosts: GoogleHosts) -> None:
    put(hosts.product)
    answer = hosts.product.caller().delete("/v1/users/u-1/connection", params={"meetings": "delete"})
    assert answer.is_success, answer.text
    hosts.rest()
    assert (hosts.google.held_events(), hosts.entries(HOST)) == ([], 1)
    assert check_mail(hosts.letters(HOST)[-1].raw) == []


def test_a_host_who_goes_on_under_another_address_is_not_told_that_the_booking_is_cancelled(hosts: GoogleHosts) -> None:
    office = calendar()
    office["host"] |= {"email": "office@example.com"}
    assert hosts.product.caller().put("/v1/calendars/c-4", json=office).is_success
    put(hosts.product)
    put(hosts.product, calendar_id="c-4")
    assert len(hosts.letters(HOST)) == 1  # The event in this calendar still makes the link.
    assert [hosts.entries(email) for email in (HOST, "office@example.com")] == [1, 1]
    cancel(hosts.product)
    assert hosts.letters(HOST)[-1].invite.method is Method.CANCEL
    assert [hosts.entries(email) for email in (HOST, "office@example.com")] == [0, 0]


def test_after_a_disconnect_the_event_stays_the_hosts_entry_and_the_host_is_told_to_move_it(
    hosts: GoogleHosts,
) -> None:
    put(hosts.product)
    disconnect(hosts.product)
    put(hosts.product, days=36)
    hosts.rest()
    assert state(get(hosts.product)) == ("ready", "not_updatable")
    assert "please correct it there" in texts_of(hosts.letters(HOST)[-1].raw)[0]
    assert hosts.entries(HOST) == 1
    hosts.connect()
    put(hosts.product, days=37)
    assert hosts.entries(HOST) == 1 and not has_calendar(hosts.letters(HOST)[-1].raw)


def test_a_disconnect_alone_changes_nothing(hosts: GoogleHosts) -> None:
    put(hosts.product)
    disconnect(hosts.product)
    hosts.product.caller().post("/v1/bookings/b-1/retry")
    hosts.rest()
    assert state(get(hosts.product)) == ("ready", None)
    assert len(hosts.letters(HOST)) == 1


class TestEarlierRelease:
    """A host of the release before has both entries, until the booking changes."""

    @pytest.fixture
    def upgraded(self, hosts: GoogleHosts) -> GoogleHosts:
        provider = hosts.product.services.providers["google_meet"]
        vars(provider)["writes_calendar_events"] = False  # This object only, not its class.
        put(hosts.product)
        del vars(provider)["writes_calendar_events"]
        _forget_new_fields(hosts)
        assert hosts.entries(HOST) == 2
        hosts.product.mails.sent.clear()
        return hosts

    def test_an_upgrade_sends_no_email_and_makes_no_call(self, upgraded: GoogleHosts) -> None:
        writes = upgraded.event_writes()
        for days in (1, 33, 1):  # Until after both verifications, a day and an hour before the start.
            upgraded.product.tick(days * 86_400 - 1800)
            upgraded.rest()
        assert (upgraded.product.mails.sent, upgraded.event_writes()) == ([], writes)

    @pytest.mark.parametrize("change", [{"days": 36}, {"guests": [GUEST, {"name": "New", "email": "new@example.com"}]}])
    def test_the_next_change_ends_the_double_entry_with_one_email(
        self, upgraded: GoogleHosts, change: dict[str, Any]
    ) -> None:
        put(upgraded.product, **change)
        upgraded.rest()
        (letter,) = upgraded.letters(HOST)
        assert check_mail(letter.raw) == []
        assert (letter.invite.calendar_method, letter.invite.is_update) == (Method.CANCEL, True)
        (event,) = upgraded.google.events.values()
        assert "Guests: Demo Guest" in event.body["description"]

    def test_a_change_during_an_outage_hands_over_after_it(self, upgraded: GoogleHosts) -> None:
        upgraded.go_down()
        put(upgraded.product, days=36)
        upgraded.rest()
        upgraded.come_back()
        upgraded.rest()
        assert [letter.invite.calendar_method for letter in upgraded.letters(HOST)] == [Method.REQUEST, Method.CANCEL]

    def test_a_cancellation_cancels_our_entry_and_deletes_the_event(self, upgraded: GoogleHosts) -> None:
        cancel(upgraded.product)
        assert [letter.invite.calendar_method for letter in upgraded.letters(HOST)] == [Method.CANCEL]
        assert upgraded.google.held_events() == []


def _forget_new_fields(hosts: GoogleHosts) -> None:
    """Leave the row as the release before wrote it, which knew no other owner of an entry than this product."""
    key = {"workspace_id": {"S": WORKSPACE}, "booking_id": {"S": "b-1"}}
    (row,) = hosts.product.aws.scan("bookings")
    observed = json.loads(row["observed"]["S"])
    observed["meeting"].pop("calendar_address", None)  # Values that equal their defaults are not stored.
    for invitation in observed["invitations"]:
        invitation.pop("entry_owner", None)
        invitation.pop("withdraws", None)
    hosts.product.aws.client("dynamodb").update_item(
        TableName=f"{hosts.product.aws.table_prefix}bookings",
        Key=key,
        UpdateExpression="SET observed = :observed",
        ExpressionAttributeValues={":observed": {"S": json.dumps(observed)}},
    )
    hosts.product.settle()
