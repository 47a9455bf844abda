"""While an account is broken, or Zoom fails: nothing is lost, and every recipient is notified once."""

from __future__ import annotations

from infra.local.standins.faults import Action, Fault
from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.mailcheck import check_mail
from tests.support.product import ACCOUNT, GUEST, SECOND_ACCOUNT, Product, calendar
from tests.support.steps import (
    HOST,
    break_grant,
    cancel,
    connection,
    get,
    only_meeting,
    put,
    state,
)


class TestABrokenConnection:
    def test_a_booking_waits_and_gets_its_link_after_the_same_account_is_reconnected(self, connected: Product) -> None:
        break_grant(connected)
        assert state(put(connected)) == ("waiting", "reconnect_needed")
        assert connection(connected)["state"] == "broken"
        connected.clock.advance(300)
        connected.connect()
        connected.settle()
        assert connection(connected)["state"] == "connected"
        assert state(get(connected)) == ("ready", None)
        assert len(connected.zoom.meetings) == 1

    def test_a_booking_made_while_it_is_known_to_be_broken_waits_too(self, connected: Product) -> None:
        break_grant(connected)
        put(connected)
        assert state(put(connected, "b-2")) == ("waiting", "reconnect_needed")
        connected.connect()
        connected.settle()
        assert state(get(connected, "b-2")) == ("ready", None)

    def test_reconnecting_by_another_user_of_the_account_helps_within_the_poll(self, connected: Product) -> None:
        break_grant(connected)
        put(connected)
        connected.connect("u-2", ACCOUNT)
        connected.tick(16 * 60)
        assert state(get(connected)) == ("ready", None)

    def test_the_invitation_goes_without_a_link_after_the_hold_and_the_link_follows(self, connected: Product) -> None:
        break_grant(connected)
        put(connected)
        connected.tick(14 * 60)
        assert connected.mails.sent == []
        connected.tick(60)
        assert [letter.invite.link_follows for letter in connected.mails.sent] == [True, True]
        connected.connect()
        connected.settle()
        before, after = connected.mails.to(GUEST["email"])
        assert check_mail(after.raw, previous=before.raw) == []
        assert after.invite.join_url == get(connected)["meeting"]["join_url"] is not None

    def test_a_workspaces_own_hold_decides_how_long_the_invitation_waits(self, connected: Product) -> None:
        from msgspec.structs import replace

        workspace = connected.services.workspace_store.get("ws-1")
        assert workspace is not None
        connected.services.workspace_store.put(replace(workspace, hold_minutes=5))
        break_grant(connected)
        put(connected)
        connected.tick(5 * 60)
        assert len(connected.mails.sent) == 2

    def test_connecting_another_account_instead_ends_the_wait_without_a_link(self, connected: Product) -> None:
        break_grant(connected)
        put(connected)
        connected.clock.advance(60)
        connected.connect(account=SECOND_ACCOUNT)
        connected.settle()
        assert state(get(connected)) == ("none", "disconnected")
        assert not connected.zoom.meetings

    def test_a_booking_whose_start_passes_while_it_waits_fails(self, connected: Product) -> None:
        break_grant(connected)
        put(connected, days=0.05, minutes=120)
        connected.tick(0.06 * 86400)
        known = get(connected)
        assert state(known) == ("failed", "start_passed")
        assert known["meeting"]["detail"]

    def test_a_booking_with_a_link_that_is_moved_meanwhile_keeps_the_link_and_is_updated_later(
        self, connected: Product
    ) -> None:
        link = put(connected)["meeting"]["join_url"]
        break_grant(connected)
        known = put(connected, days=36)
        assert (state(known), known["meeting"]["join_url"]) == (("waiting", "reconnect_needed"), link)
        assert connected.mails.to(GUEST["email"])[-1].invite.sequence == 1
        connected.connect()
        connected.settle()
        assert state(get(connected)) == ("ready", None)
        assert only_meeting(connected).start_time.strftime("%Y-%m-%dT%H:%M:%SZ") == known["starts_at"]

    def test_the_user_and_the_administrators_are_mailed_once_with_a_way_back(self, product: Product) -> None:
        product.caller(admin_emails=["admin@example.com", "HOST@example.com"])
        product.connect()
        product.caller().put("/v1/calendars/c-1", json=calendar())
        break_grant(product)
        put(product)
        put(product, "b-2")
        product.tick()
        product.tick()
        assert sorted(notice.to.lower() for notice in product.mails.notices) == ["admin@example.com", HOST]
        assert all("/connect/" in notice.text for notice in product.mails.notices)


class TestZoomsBadDays:
    def test_a_lost_answer_after_the_meeting_was_made_leaves_one_meeting(self, connected: Product) -> None:
        connected.zoom.faults.add(Fault("/v2/users/me/meetings", Action.LOST_AFTER, method="POST"))
        assert state(put(connected)) == ("pending", "provider_unavailable")
        connected.tick(65)
        known = get(connected)
        assert state(known) == ("ready", None)
        assert str(only_meeting(connected).id) in known["meeting"]["join_url"]

    def test_a_lost_answer_before_the_meeting_was_made_leaves_one_meeting(self, connected: Product) -> None:
        connected.zoom.faults.add(Fault("/v2/users/me/meetings", Action.LOST_BEFORE, method="POST"))
        put(connected)
        connected.tick(65)
        assert state(get(connected)) == ("ready", None)
        assert only_meeting(connected)

    def test_a_provider_that_is_taken_out_while_a_create_is_in_doubt_is_waited_for(
        self, connected: Product, moto_aws: Aws, clock: FakeClock
    ) -> None:
        connected.zoom.faults.add(Fault("/v2/users/me/meetings", Action.LOST_AFTER, method="POST"))
        put(connected)
        without_zoom = Product(moto_aws, clock, MEETLINK_PROVIDERS="daily")
        for _ in range(6):
            without_zoom.tick(20 * 60)
        assert state(get(connected)) == ("waiting", "provider_unavailable")
        connected.tick(20 * 60)
        assert state(get(connected)) == ("ready", None)
        assert only_meeting(connected)

    def test_the_daily_limit_parks_until_midnight_utc(self, connected: Product) -> None:
        connected.zoom.limits.daily_limit = 0
        known = put(connected)
        assert state(known) == ("waiting", "rate_limited")
        assert known["meeting"]["next_attempt_at"].startswith("2026-12-02T00:0")

    def test_a_daily_limit_that_outlasts_the_start_is_told_to_the_host_in_time(self, connected: Product) -> None:
        connected.zoom.limits.daily_limit = 0
        known = put(connected, days=0.2)
        assert state(known) == ("failed", "start_passed")
        assert [notice.to for notice in connected.mails.notices] == [HOST]

    def test_an_outage_that_outlasts_the_start_is_told_to_the_host_then(self, connected: Product) -> None:
        connected.zoom.faults.add(Fault("/v2/users/me/meetings", Action.BEFORE, method="POST", status=503, times=None))
        put(connected, days=0.01)  # 14.4 minutes from now
        for _ in range(15):
            connected.tick()
        assert state(get(connected)) == ("failed", "start_passed")
        assert [notice.to for notice in connected.mails.notices] == [HOST]

    def test_a_change_that_zoom_refuses_is_told_to_the_host_as_what_it_is(self, connected: Product) -> None:
        link = put(connected)["meeting"]["join_url"]
        connected.zoom.faults.add(Fault("/v2/meetings/", Action.BEFORE, method="PATCH", status=400))
        known = put(connected, days=36)
        assert (state(known), known["meeting"]["join_url"]) == (("failed", "provider_rejected"), link)
        (notice,) = connected.mails.notices
        assert (notice.to, notice.subject) == (HOST, "Meeting not changed: Introductory call")

    def test_a_deletion_that_zoom_refuses_is_told_to_the_host(self, connected: Product) -> None:
        put(connected)
        connected.zoom.faults.add(Fault("/v2/meetings/", Action.BEFORE, method="DELETE", status=400))
        assert state(cancel(connected)) == ("failed", "provider_rejected")
        (notice,) = connected.mails.notices
        assert (notice.to, notice.subject) == (HOST, "Meeting not deleted: Introductory call")

    def test_a_refresh_that_is_refused_to_one_host_keeps_no_other_host_waiting(self, connected: Product) -> None:
        connected.connect("u-2", SECOND_ACCOUNT)
        connected.caller().put("/v1/calendars/c-2", json=calendar(user_id="u-2"))
        connected.clock.advance(3700)
        connected.zoom.faults.add(Fault("/oauth/token", Action.BEFORE, status=400, body={"error": "unknown"}, times=12))
        for number in range(12):
            put(connected, f"b-{number}")
        assert state(put(connected, "other", calendar_id="c-2")) == ("ready", None)

    def test_a_refusal_for_good_fails_with_advice_and_can_be_retried_by_hand(self, connected: Product) -> None:
        refusal = {"code": 3161, "message": "Your user account is not allowed meeting hosting and scheduling."}
        connected.zoom.faults.add(
            Fault("/v2/users/me/meetings", Action.BEFORE, method="POST", status=400, body=refusal)
        )
        known = put(connected)
        assert state(known) == ("failed", "provider_rejected")
        assert "licence" in known["meeting"]["detail"]
        connected.caller().post("/v1/bookings/b-1/retry")
        connected.settle()
        assert state(get(connected)) == ("ready", None)

    def test_a_booking_cancelled_while_its_create_is_in_doubt_leaves_no_meeting(self, connected: Product) -> None:
        connected.zoom.faults.add(Fault("/v2/users/me/meetings", Action.LOST_AFTER, method="POST"))
        put(connected)
        cancel(connected)
        connected.tick(65)
        assert state(get(connected)) == ("removed", None)
        assert not connected.zoom.meetings
        assert connected.mails.sent == []
