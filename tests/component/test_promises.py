"""The product's promises (DESIGN 2) and the connection's life (DESIGN 4 and 11), end to end in one process."""

from __future__ import annotations

from typing import Any

import pytest
from icalendar import Calendar

from chalicelib.domain.invitation import Method
from chalicelib.errors import MailRejected, MailUnavailable
from infra.local.standins.faults import Action, Fault
from tests.support.answers import as_far_as
from tests.support.mailcheck import calendar_of, check_mail, texts_of
from tests.support.product import ACCOUNT, GUEST, SECOND_ACCOUNT, Product, booking, calendar
from tests.support.steps import (
    HOST,
    break_grant,
    cancel,
    connection,
    disconnect,
    get,
    only_meeting,
    put,
    state,
    video,
    zoom_writes,
)


class TestPromise1AnAdminConnectsAnAccountInTheBrowser:
    def test_the_settings_page_lists_the_account_as_connected(self, product: Product) -> None:
        page = product.connect_in_browser()
        assert ">Connected<" in page.text
        assert ACCOUNT.email in page.text

    def test_the_api_tells_the_connection_and_its_account(self, product: Product) -> None:
        before = connection(product)
        product.connect()
        after = connection(product)
        assert (before["state"], before["reason"], before["account"]) == ("none", "not_connected", None)
        assert (after["state"], after["reason"], after["provider"]) == ("connected", None, "zoom")
        assert after["account"] == {"id": ACCOUNT.user_id, "email": ACCOUNT.email}
        assert after["connected_at"] == "2026-12-01T09:30:00Z"
        assert after["last_meeting_at"] is None

    def test_it_tells_when_the_last_meeting_was_made(self, connected: Product) -> None:
        connected.clock.advance(3600)
        put(connected)
        assert connection(connected)["last_meeting_at"] == "2026-12-01T10:30:00Z"

    def test_the_page_names_no_exact_minute_of_the_last_meeting(self, connected: Product) -> None:
        connected.clock.advance(3600)
        put(connected)
        connected.clock.advance(600)
        put(connected, "b-2", days=3)
        page = connected.open_settings(connected.browser()).text
        assert "Tue, 1 Dec 2026, 11:30 (Berlin time), or up to 10 minutes later" in page
        connected.clock.advance(1)
        put(connected, "b-3", days=4)
        page = connected.open_settings(connected.browser()).text
        assert "Tue, 1 Dec 2026, 11:40 (Berlin time), or up to 10 minutes later" in page


class TestPromise2VideoBecomesAvailableOnceConnected:
    def test_before_it_is_unavailable_with_the_reason(self, product: Product) -> None:
        product.caller().put("/v1/calendars/c-1", json=calendar("phone"))
        reason = {"available": False, "reason": "not_connected", "provider": None}
        assert video(product) == {"type": "video", **reason, "settings": None}

    def test_before_a_calendar_cannot_choose_it(self, product: Product) -> None:
        answer = product.caller().put("/v1/calendars/c-1", json=calendar())
        assert answer.status_code == 409
        assert answer.json()["type"].endswith(":not_connected")
        assert product.caller().get("/v1/calendars/c-1").status_code == 404

    def test_after_it_is_available_and_can_be_chosen(self, product: Product) -> None:
        product.caller().put("/v1/calendars/c-1", json=calendar("phone"))
        product.connect()
        place = video(product)
        assert place.pop("settings")["recording"] == ["none", "local", "cloud"]
        assert place == {"type": "video", "available": True, "reason": None, "provider": "zoom"}
        assert product.caller().put("/v1/calendars/c-1", json=calendar()).status_code == 200

    def test_the_other_locations_are_always_available(self, product: Product) -> None:
        product.caller().put("/v1/calendars/c-1", json=calendar("phone"))
        others = product.caller().get("/v1/calendars/c-1/locations").json()["locations"][1:]
        assert {(place["type"], place["available"]) for place in others} == {
            ("phone", True),
            ("in_person", True),
            ("custom_link", True),
        }

    def test_a_connection_that_broke_is_the_reason_why_it_is_not(self, connected: Product) -> None:
        break_grant(connected)
        put(connected)
        place = video(connected)
        assert (place["available"], place["reason"], place["provider"]) == (False, "reconnect_needed", "zoom")

    def test_a_calendar_that_is_video_already_can_be_put_again_while_disconnected(self, connected: Product) -> None:
        disconnect(connected)
        renamed = connected.caller().put("/v1/calendars/c-1", json=calendar(name="Renamed"))
        assert (renamed.status_code, renamed.json()["location"]) == (200, {"type": "video", "settings": None})

    def test_a_video_calendar_cannot_pass_to_a_host_who_is_not_connected(self, connected: Product) -> None:
        assert connected.caller().put("/v1/calendars/c-1", json=calendar(user_id="u-2")).status_code == 409


class TestPromise3EveryNewBookingGetsAFreshLink:
    def test_a_booking_is_answered_pending_and_then_ready_with_a_link(self, connected: Product) -> None:
        created = connected.caller().put("/v1/bookings/b-1", json=booking()).json()
        assert state(created) == ("pending", None)
        connected.settle()
        settled = get(connected)
        assert state(settled) == ("ready", None)
        assert settled["meeting"]["join_url"].startswith("https://zoom.us/j/")

    def test_no_two_bookings_share_a_link(self, connected: Product) -> None:
        links = {put(connected, f"b-{n}")["meeting"]["join_url"] for n in range(5)}
        assert len(links) == 5
        assert len(connected.zoom.meetings) == 5

    def test_the_schedule_alone_gives_it_when_the_stream_is_silent(self, connected: Product) -> None:
        connected.caller().put("/v1/bookings/b-1", json=booking())
        connected.stream_records()
        connected.tick()
        assert state(get(connected)) == ("ready", None)

    def test_the_meeting_has_the_bookings_title_and_time(self, connected: Product) -> None:
        known = put(connected, title="Quarterly review", minutes=45)
        meeting = only_meeting(connected)
        assert (meeting.topic, meeting.duration) == ("Quarterly review", 45)
        assert meeting.start_time.strftime("%Y-%m-%dT%H:%M:%SZ") == known["starts_at"]

    def test_delivering_the_stream_twice_makes_no_second_meeting_and_no_second_mail(self, connected: Product) -> None:
        from chalicelib.handlers import booking_stream
        from tests.support.product import LambdaContext

        connected.caller().put("/v1/bookings/b-1", json=booking())
        records = connected.stream_records()
        for _ in range(2):
            booking_stream.settle_records({"Records": records}, LambdaContext(), connected.services)
        connected.settle()
        assert len(connected.zoom.meetings) == 1
        assert len(connected.mails.sent) == 2

    @pytest.mark.parametrize("place", ["phone", "in_person", {"type": "custom_link", "url": "https://example.com/me"}])
    def test_a_booking_that_is_not_video_gets_none(self, connected: Product, place: Any) -> None:
        connected.caller().put("/v1/calendars/c-2", json=calendar(place))
        assert state(put(connected, calendar_id="c-2")) == ("none", "location_not_video")
        assert not connected.zoom.meetings


class TestPromise4TheLinkIsInBothInvitationsAndOnTheBooking:
    def test_host_and_guest_are_each_mailed_the_link(self, connected: Product) -> None:
        link = put(connected)["meeting"]["join_url"]
        assert [letter.invite.recipient.email for letter in connected.mails.sent] == [HOST, GUEST["email"]]
        for letter in connected.mails.sent:
            assert check_mail(letter.raw) == []
            plain, html = texts_of(letter.raw)
            assert link in plain
            assert link.replace("&", "&amp;") in html
            event = Calendar.from_ical(calendar_of(letter.raw)).events[0]
            assert str(event["LOCATION"]) == link

    def test_the_booking_tells_who_was_mailed(self, connected: Product) -> None:
        told = put(connected)["invitations"]
        sent_at = "2026-12-01T09:30:00Z"
        expected = [
            {"email": HOST, "role": "host", "sequence": 0, "state": "sent", "sent_at": sent_at},
            {"email": GUEST["email"], "role": "guest", "sequence": 0, "state": "sent", "sent_at": sent_at},
        ]
        assert as_far_as(expected, told) == expected

    def test_the_calendar_file_of_the_booking_has_the_link(self, connected: Product) -> None:
        link = put(connected)["meeting"]["join_url"]
        answer = connected.caller().get("/v1/bookings/b-1/invite.ics")
        assert str(Calendar.from_ical(answer.content).events[0]["LOCATION"]) == link

    def test_a_booking_without_video_is_invited_all_the_same(self, connected: Product) -> None:
        connected.caller().put("/v1/calendars/c-2", json=calendar({"type": "in_person", "address": "1 Example Street"}))
        put(connected, calendar_id="c-2")
        event = Calendar.from_ical(calendar_of(connected.mails.to(GUEST["email"])[0].raw)).events[0]
        assert str(event["LOCATION"]) == "1 Example Street"

    def test_no_invitation_goes_before_the_link_is_there(self, connected: Product) -> None:
        connected.zoom.faults.add(Fault("/v2/users/me/meetings", Action.BEFORE, method="POST", status=503))
        assert state(put(connected)) == ("pending", "provider_unavailable")
        assert connected.mails.sent == []
        connected.tick()
        assert state(get(connected)) == ("ready", None)
        assert all(letter.invite.join_url for letter in connected.mails.sent)

    def test_a_mail_that_cannot_go_now_goes_later(self, connected: Product) -> None:
        connected.mails.refusals += [MailUnavailable("SES: Throttling"), None]
        told = put(connected)["invitations"]
        assert [(t["email"], t["state"]) for t in told] == [(HOST, "sending"), (GUEST["email"], "sent")]
        connected.tick()
        assert [t["state"] for t in get(connected)["invitations"]] == ["sent", "sent"]
        assert len(connected.mails.to(HOST)) == len(connected.mails.to(GUEST["email"])) == 1

    def test_a_recipient_who_is_refused_does_not_keep_the_others_from_theirs(self, connected: Product) -> None:
        connected.mails.refusals += [MailRejected("SES: MessageRejected")]
        told = put(connected)["invitations"]
        assert [t["state"] for t in told] == ["suppressed", "sent"]

    def test_a_moved_booking_keeps_its_link_and_both_are_mailed_the_new_time(self, connected: Product) -> None:
        first = put(connected)
        moved = put(connected, days=36)
        assert moved["meeting"]["join_url"] == first["meeting"]["join_url"]
        assert only_meeting(connected).start_time.strftime("%Y-%m-%dT%H:%M:%SZ") == moved["starts_at"]
        for email in (HOST, GUEST["email"]):
            before, after = connected.mails.to(email)
            assert check_mail(after.raw, previous=before.raw) == []
            assert (after.invite.sequence, after.invite.is_update) == (1, True)

    def test_a_cancelled_booking_loses_its_meeting_and_both_are_told(self, connected: Product) -> None:
        put(connected)
        known = cancel(connected)
        assert (known["status"], state(known)) == ("cancelled", ("removed", None))
        assert not connected.zoom.meetings
        for email in (HOST, GUEST["email"]):
            before, after = connected.mails.to(email)
            assert check_mail(after.raw, previous=before.raw) == []
            assert after.invite.method is Method.CANCEL

    def test_a_guest_who_is_taken_off_is_told_and_one_who_is_added_is_invited(self, connected: Product) -> None:
        put(connected)
        put(connected, guests=[{"email": "other@example.com", "name": "Other Guest"}])
        assert [letter.invite.method for letter in connected.mails.to(GUEST["email"])] == [
            Method.REQUEST,
            Method.CANCEL,
        ]
        assert [letter.invite.method for letter in connected.mails.to("other@example.com")] == [Method.REQUEST]

    def test_a_meeting_that_was_deleted_at_zoom_is_made_anew_when_the_booking_moves(self, connected: Product) -> None:
        first = put(connected)["meeting"]["join_url"]
        with connected.zoom.lock:
            connected.zoom.held.by_id.clear()
        second = put(connected, days=36)["meeting"]["join_url"]
        assert second not in (None, first)
        assert connected.mails.to(GUEST["email"])[-1].invite.join_url == second

    def test_a_change_of_what_only_the_caller_sees_costs_zoom_nothing_and_mails_no_one(
        self, connected: Product
    ) -> None:
        put(connected)
        writes = zoom_writes(connected)
        known = put(connected, metadata={"source": "web"})
        assert known["revision"] == 2
        assert zoom_writes(connected) == writes
        assert len(connected.mails.sent) == 2


class TestPromise5OneConnectionPerUserPerWorkspace:
    def test_connecting_another_account_replaces_the_first(self, connected: Product) -> None:
        connected.clock.advance(60)
        connected.connect(account=SECOND_ACCOUNT)
        assert connection(connected)["account"]["email"] == SECOND_ACCOUNT.email
        put(connected)
        assert only_meeting(connected).host_user_id == SECOND_ACCOUNT.user_id

    def test_the_account_that_was_replaced_is_revoked_within_two_ticks(self, connected: Product) -> None:
        connected.connect(account=SECOND_ACCOUNT)
        connected.tick()
        connected.tick()
        assert not connected.zoom.identity.has_grant(ACCOUNT.user_id)
        assert connected.zoom.identity.has_grant(SECOND_ACCOUNT.user_id)

    def test_one_account_serves_two_workspaces(self, connected: Product) -> None:
        connected.connect(workspace_id="ws-2")
        connected.caller("ws-2").put("/v1/calendars/c-1", json=calendar())
        first, second = put(connected), put(connected, workspace_id="ws-2")
        assert state(first) == state(second) == ("ready", None)
        assert first["meeting"]["join_url"] != second["meeting"]["join_url"]

    def test_disconnecting_one_workspace_leaves_the_shared_account_to_the_other(self, connected: Product) -> None:
        connected.connect(workspace_id="ws-2")
        connected.caller("ws-2").put("/v1/calendars/c-1", json=calendar())
        disconnect(connected)
        for _ in range(3):
            connected.tick()
        assert connected.zoom.identity.has_grant(ACCOUNT.user_id)
        assert state(put(connected, workspace_id="ws-2")) == ("ready", None)
        assert connection(connected)["state"] == "none"

    def test_the_last_workspace_to_disconnect_has_the_account_revoked(self, connected: Product) -> None:
        connected.connect(workspace_id="ws-2")
        disconnect(connected)
        disconnect(connected, workspace_id="ws-2")
        connected.tick()
        connected.tick()
        assert not connected.zoom.identity.has_grant(ACCOUNT.user_id)
        assert connected.aws.scan("grants") == []

    def test_revoking_is_tried_again_until_zoom_answers(self, connected: Product) -> None:
        connected.zoom.faults.add(Fault("/oauth/revoke", Action.BEFORE, status=503, times=2))
        disconnect(connected)
        for _ in range(4):
            connected.tick()
        assert not connected.zoom.identity.has_grant(ACCOUNT.user_id)

    def test_connecting_one_user_connects_no_other(self, connected: Product) -> None:
        assert connection(connected, "u-2")["state"] == "none"
        assert connected.caller().put("/v1/calendars/c-2", json=calendar(user_id="u-2")).status_code == 409

    def test_disconnecting_one_user_leaves_the_other_connected(self, connected: Product) -> None:
        connected.connect("u-2", SECOND_ACCOUNT)
        connected.caller().put("/v1/calendars/c-2", json=calendar(user_id="u-2"))
        disconnect(connected)
        connected.tick()
        connected.tick()
        assert connection(connected, "u-2")["state"] == "connected"
        assert state(put(connected, "b-2", calendar_id="c-2")) == ("ready", None)

    def test_connecting_the_account_of_user_1_again_for_user_2_breaks_neither(self, connected: Product) -> None:
        before = connection(connected)
        connected.clock.advance(60)
        connected.connect("u-2", ACCOUNT)
        connected.caller().put("/v1/calendars/c-2", json=calendar(user_id="u-2"))
        assert connection(connected) == before
        assert state(put(connected)) == state(put(connected, "b-2", calendar_id="c-2")) == ("ready", None)

    def test_a_broken_account_of_one_user_leaves_the_others_bookings_alone(self, connected: Product) -> None:
        connected.connect("u-2", SECOND_ACCOUNT)
        connected.caller().put("/v1/calendars/c-2", json=calendar(user_id="u-2"))
        break_grant(connected)
        assert state(put(connected)) == ("waiting", "reconnect_needed")
        assert state(put(connected, "b-2", calendar_id="c-2")) == ("ready", None)
        assert connection(connected, "u-2")["state"] == "connected"


class TestPromise6OnlyBookingsMadeAfterConnectingGetLinks:
    @pytest.fixture
    def booked_before(self, connected: Product) -> Product:
        """b-1 was booked while no one was connected; then u-1 connects."""
        disconnect(connected)
        put(connected)
        connected.clock.advance(60)
        connected.connect()
        connected.settle()
        return connected

    def test_connecting_changes_nothing_about_an_earlier_booking(self, booked_before: Product) -> None:
        mailed = len(booked_before.mails.sent)
        for _ in range(3):
            booked_before.tick(600)
        known = get(booked_before)
        assert (state(known), known["revision"]) == (("none", "not_connected"), 1)
        assert not booked_before.zoom.meetings
        assert len(booked_before.mails.sent) == mailed == 2

    def test_it_gets_no_link_when_it_is_moved_afterwards(self, booked_before: Product) -> None:
        assert state(put(booked_before, days=36)) == ("none", "not_connected")
        assert not booked_before.zoom.meetings

    def test_it_gets_no_link_when_it_is_retried_afterwards(self, booked_before: Product) -> None:
        assert booked_before.caller().post("/v1/bookings/b-1/retry").status_code == 200
        booked_before.settle()
        assert state(get(booked_before)) == ("none", "not_connected")

    def test_it_gets_no_link_by_moving_to_another_calendar_of_its_host(self, booked_before: Product) -> None:
        booked_before.caller().put("/v1/calendars/c-2", json=calendar())
        assert state(put(booked_before, calendar_id="c-2")) == ("none", "not_connected")

    def test_a_new_one_gets_its_link(self, booked_before: Product) -> None:
        assert state(put(booked_before, "b-2")) == ("ready", None)

    def test_a_phone_booking_from_before_gets_none_by_moving_to_a_video_calendar(self, product: Product) -> None:
        product.caller().put("/v1/calendars/c-1", json=calendar("phone"))
        put(product)
        product.clock.advance(60)
        product.connect()
        product.caller().put("/v1/calendars/c-2", json=calendar())
        assert state(put(product, calendar_id="c-2")) == ("none", "not_connected")

    def test_a_calendar_that_turns_to_video_leaves_its_earlier_bookings_as_they_are(self, product: Product) -> None:
        product.caller().put("/v1/calendars/c-1", json=calendar("phone"))
        put(product)
        product.connect()
        product.caller().put("/v1/calendars/c-1", json=calendar())
        product.tick()
        assert get(product)["location"]["type"] == "phone"
        assert state(put(product, days=36)) == ("none", "location_not_video")

    def test_connecting_the_same_account_again_changes_no_link(self, connected: Product) -> None:
        link = put(connected)["meeting"]["join_url"]
        writes = zoom_writes(connected)
        connected.clock.advance(60)
        connected.connect()
        connected.tick()
        assert get(connected)["meeting"]["join_url"] == link
        assert zoom_writes(connected) == writes
        assert len(connected.mails.sent) == 2

    def test_connecting_another_account_changes_no_link(self, connected: Product) -> None:
        known = put(connected)
        connected.clock.advance(60)
        connected.connect(account=SECOND_ACCOUNT)
        connected.tick()
        assert get(connected)["meeting"] == known["meeting"]
        assert only_meeting(connected).host_user_id == ACCOUNT.user_id


class TestPromise7AfterDisconnecting:
    def test_the_api_says_so_at_once(self, connected: Product) -> None:
        disconnect(connected)
        assert (connection(connected)["state"], connection(connected)["reason"]) == ("none", "not_connected")
        assert video(connected)["available"] is False

    def test_a_new_booking_gets_no_link_and_both_are_invited_without_one(self, connected: Product) -> None:
        disconnect(connected)
        known = put(connected)
        assert (state(known), known["meeting"]["join_url"]) == (("none", "not_connected"), None)
        assert not connected.zoom.meetings
        assert len(connected.mails.sent) == 2
        assert not any(letter.invite.join_url or letter.invite.link_follows for letter in connected.mails.sent)

    def test_a_booking_keeps_its_link(self, connected: Product) -> None:
        known = put(connected)
        disconnect(connected)
        connected.tick()
        connected.tick()
        assert get(connected)["meeting"] == known["meeting"]
        assert only_meeting(connected)

    def test_the_preview_names_the_meetings_that_stay_and_changes_nothing(self, connected: Product) -> None:
        known = put(connected)
        preview = connected.caller().delete("/v1/users/u-1/connection?dry_run=true")
        assert preview.status_code == 200
        assert preview.json() == {
            "upcoming": [
                {
                    "booking_id": "b-1",
                    "starts_at": known["starts_at"],
                    "join_url": known["meeting"]["join_url"],
                }
            ]
        }
        assert connection(connected)["state"] == "connected"

    def test_the_preview_leaves_out_what_is_over_cancelled_or_someone_elses(self, connected: Product) -> None:
        connected.connect("u-2", SECOND_ACCOUNT)
        connected.caller().put("/v1/calendars/c-2", json=calendar(user_id="u-2"))
        put(connected, "over", days=1)
        put(connected, "cancelled")
        cancel(connected, "cancelled")
        put(connected, "others", calendar_id="c-2")
        connected.clock.advance(2 * 86400)
        preview = connected.caller().delete("/v1/users/u-1/connection?dry_run=true").json()
        assert preview == {"upcoming": []}

    def test_a_moved_booking_keeps_its_link_which_is_said_to_be_not_updatable(self, connected: Product) -> None:
        link = put(connected)["meeting"]["join_url"]
        disconnect(connected)
        known = put(connected, days=36)
        assert (state(known), known["meeting"]["join_url"]) == (("ready", "not_updatable"), link)
        last = connected.mails.to(GUEST["email"])[-1].invite
        assert (last.join_url, last.sequence, last.method) == (link, 1, Method.REQUEST)

    def test_a_cancelled_booking_leaves_its_meeting_at_zoom_and_both_are_told(self, connected: Product) -> None:
        put(connected)
        disconnect(connected)
        assert state(cancel(connected)) == ("removed", "left_at_provider")
        assert connected.mails.to(GUEST["email"])[-1].invite.method is Method.CANCEL

    def test_a_booking_that_was_pending_gets_none(self, connected: Product) -> None:
        connected.caller().put("/v1/bookings/b-1", json=booking())
        disconnect(connected)
        assert state(get(connected)) == ("none", "disconnected")
        assert not connected.zoom.meetings
        assert len(connected.mails.sent) == 2

    def test_a_booking_that_was_pending_gets_none_by_connecting_again(self, connected: Product) -> None:
        connected.caller().put("/v1/bookings/b-1", json=booking())
        connected.caller().delete("/v1/users/u-1/connection")
        connected.clock.advance(1)
        connected.connect()
        connected.settle()
        assert state(get(connected)) == ("none", "disconnected")
        assert not connected.zoom.meetings

    def test_disconnecting_works_while_zoom_is_out(self, connected: Product) -> None:
        connected.zoom.faults.add(Fault("/", Action.LOST_BEFORE, times=None))
        disconnect(connected)
        assert connection(connected)["state"] == "none"

    def test_disconnecting_twice_is_fine(self, connected: Product) -> None:
        disconnect(connected)
        disconnect(connected)

    def test_new_bookings_get_links_again_after_connecting_again(self, connected: Product) -> None:
        disconnect(connected)
        connected.clock.advance(1)
        connected.connect()
        assert state(put(connected)) == ("ready", None)

    def test_a_link_from_before_is_updated_again_once_its_account_is_back(self, connected: Product) -> None:
        link = put(connected)["meeting"]["join_url"]
        disconnect(connected)
        connected.connect()
        known = put(connected, days=36)
        assert (state(known), known["meeting"]["join_url"]) == (("ready", None), link)
        assert only_meeting(connected).start_time.strftime("%Y-%m-%dT%H:%M:%SZ") == known["starts_at"]
