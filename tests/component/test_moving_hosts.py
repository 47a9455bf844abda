"""Bookings move to another host: the old meeting goes, a new one comes, and every recipient is notified."""

from __future__ import annotations

import pytest

from chalicelib.domain.invitation import Method
from infra.local.standins.faults import Action, Fault
from tests.support.product import ACCOUNT, GUEST, SECOND_ACCOUNT, Product, calendar
from tests.support.steps import (
    HOST,
    break_grant,
    cancel,
    disconnect,
    get,
    only_meeting,
    put,
    state,
)


class TestMovingToAnotherHost:
    @pytest.fixture
    def two_hosts(self, connected: Product) -> Product:
        connected.connect("u-2", SECOND_ACCOUNT)
        second = calendar(user_id="u-2")
        second["host"] |= {"name": "Second Host", "email": SECOND_ACCOUNT.email}
        connected.caller().put("/v1/calendars/c-2", json=second)
        put(connected)
        return connected

    def test_the_meeting_goes_and_a_new_one_is_made_under_the_new_hosts_account(self, two_hosts: Product) -> None:
        link = get(two_hosts)["meeting"]["join_url"]
        moved = put(two_hosts, calendar_id="c-2")
        assert only_meeting(two_hosts).host_user_id == SECOND_ACCOUNT.user_id
        assert state(moved) == ("ready", None)
        assert moved["meeting"]["join_url"] not in (None, link)
        assert moved["host"]["user_id"] == "u-2"

    def test_the_old_host_is_uninvited_the_new_one_invited_the_guest_updated(self, two_hosts: Product) -> None:
        put(two_hosts, calendar_id="c-2")
        assert [letter.invite.method for letter in two_hosts.mails.to(HOST)] == [Method.REQUEST, Method.CANCEL]
        assert [letter.invite.method for letter in two_hosts.mails.to(SECOND_ACCOUNT.email)] == [Method.REQUEST]
        assert two_hosts.mails.to(GUEST["email"])[-1].invite.sequence == 1

    def test_the_new_meeting_does_not_wait_for_the_old_hosts_broken_account(self, two_hosts: Product) -> None:
        break_grant(two_hosts)
        assert state(put(two_hosts, calendar_id="c-2")) == ("ready", None)

    def test_moved_to_a_host_who_is_not_connected_it_loses_its_link(self, two_hosts: Product) -> None:
        disconnect(two_hosts, "u-2")
        moved = put(two_hosts, calendar_id="c-2")
        assert (state(moved), moved["meeting"]["join_url"]) == (("none", "not_connected"), None)
        assert not two_hosts.zoom.meetings

    def test_moved_to_a_phone_calendar_it_loses_its_meeting(self, two_hosts: Product) -> None:
        two_hosts.caller().put("/v1/calendars/c-3", json=calendar("phone"))
        assert state(put(two_hosts, calendar_id="c-3")) == ("none", "location_not_video")
        assert not two_hosts.zoom.meetings

    def test_moved_away_and_back_it_has_one_meeting_at_its_first_host(self, two_hosts: Product) -> None:
        put(two_hosts, calendar_id="c-2")
        assert state(put(two_hosts)) == ("ready", None)
        assert only_meeting(two_hosts).host_user_id == ACCOUNT.user_id

    def test_another_host_on_the_calendar_concerns_new_bookings_only(self, two_hosts: Product) -> None:
        two_hosts.caller().put("/v1/calendars/c-1", json=calendar(user_id="u-2"))
        assert put(two_hosts, days=36)["host"]["user_id"] == "u-1"
        assert put(two_hosts, "b-2")["host"]["user_id"] == "u-2"

    @pytest.mark.parametrize("status", [500, 503, 429, 403])
    def test_the_new_meeting_does_not_wait_for_the_old_ones_provider(self, two_hosts: Product, status: int) -> None:
        old = get(two_hosts)["meeting"]["join_url"]
        two_hosts.zoom.faults.add(Fault("/v2/meetings/", Action.BEFORE, method="DELETE", status=status, times=None))
        moved = put(two_hosts, calendar_id="c-2")
        assert state(moved) == ("ready", None)
        assert moved["meeting"]["join_url"] != old
        newest = [two_hosts.mails.to(who)[-1].invite for who in (GUEST["email"], SECOND_ACCOUNT.email)]
        assert [invite.join_url for invite in newest] == [moved["meeting"]["join_url"]] * 2

    @pytest.mark.parametrize("status", [500, 503, 429])
    def test_the_old_meeting_goes_as_soon_as_its_provider_is_back(self, two_hosts: Product, status: int) -> None:
        two_hosts.zoom.faults.add(Fault("/v2/meetings/", Action.BEFORE, method="DELETE", status=status, times=2))
        put(two_hosts, calendar_id="c-2")
        assert len(two_hosts.zoom.meetings) == 2
        for _ in range(4):
            two_hosts.tick()
        assert only_meeting(two_hosts).host_user_id == SECOND_ACCOUNT.user_id

    def test_the_old_meeting_goes_once_its_account_is_reconnected(self, two_hosts: Product) -> None:
        break_grant(two_hosts)
        put(two_hosts, calendar_id="c-2")
        assert len(two_hosts.zoom.meetings) == 2
        two_hosts.connect()
        two_hosts.tick(16 * 60)
        assert only_meeting(two_hosts).host_user_id == SECOND_ACCOUNT.user_id

    def test_a_create_in_doubt_is_looked_for_although_the_booking_moved_on(self, two_hosts: Product) -> None:
        two_hosts.zoom.faults.add(Fault("/v2/users/me/meetings", Action.LOST_AFTER, method="POST"))
        put(two_hosts, "b-2")
        assert state(put(two_hosts, "b-2", calendar_id="c-2")) == ("ready", None)
        two_hosts.tick(65)
        hosts = sorted(meeting.host_user_id for meeting in two_hosts.zoom.meetings.values())
        assert hosts == [ACCOUNT.user_id, SECOND_ACCOUNT.user_id]  # That of b-1, and that of b-2.

    def test_a_cancelled_booking_still_has_its_former_hosts_meeting_removed(self, two_hosts: Product) -> None:
        two_hosts.zoom.faults.add(Fault("/v2/meetings/", Action.BEFORE, method="DELETE", status=503, times=1))
        put(two_hosts, calendar_id="c-2")
        cancel(two_hosts)
        two_hosts.tick()
        assert not two_hosts.zoom.meetings
