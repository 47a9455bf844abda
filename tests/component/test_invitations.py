"""Invitations as a workspace, a calendar and a booking ask for them, through the whole product."""

from __future__ import annotations

from typing import Any

import pytest
from icalendar import Calendar

from chalicelib.domain.invitation import Method
from chalicelib.errors import MailUnavailable
from chalicelib.handlers import operations
from infra.local.standins.faults import Action, Fault
from tests.support.mailbox import Mailbox
from tests.support.mailcheck import calendar_of, check_mail, texts_of
from tests.support.product import GUEST, SECOND_ACCOUNT, SENDER, Letter, Product, booking, calendar
from tests.support.steps import cancel, get, put

HOST = "host@example.com"
LINKS = {"reschedule": "https://shop.example.com/b-1/move", "cancel": "https://shop.example.com/b-1/cancel"}


def operate(product: Product, **request: Any) -> dict[str, Any]:
    done = operations.run({"do": "update-workspace", "workspace_id": "ws-1", **request}, product.services)
    product.clock.advance(61)  # settings may be a minute old
    return done


def text(letter: Letter) -> str:
    return texts_of(letter.raw)[0]


def event(letter: Letter) -> Any:
    (found,) = Calendar.from_ical(calendar_of(letter.raw)).walk("VEVENT")
    return found


def in_order(letters: list[Letter]) -> None:
    """Every mail is right, and may follow the one before."""
    for number, letter in enumerate(letters):
        assert check_mail(letter.raw, previous=letters[number - 1].raw if number else None) == []


class TestALinkThatComesAndGoes:
    def test_a_late_link_updates_the_same_entry(self, connected: Product) -> None:
        operate(connected, hold_minutes=2)
        connected.zoom.faults.add(Fault("/v2/users/me/meetings", Action.BEFORE, method="POST", status=503, times=None))
        put(connected)
        assert connected.mails.sent == []
        for _ in range(4):
            connected.tick()
        connected.zoom.faults.clear()
        for _ in range(20):
            connected.tick()
        early, late = connected.mails.to(GUEST["email"])
        assert (early.invite.link_follows, late.invite.join_url) == (True, get(connected)["meeting"]["join_url"])
        in_order([early, late])

    def test_without_trouble_no_one_gets_a_mail_without_the_link(self, connected: Product) -> None:
        operate(connected, hold_minutes=0)
        put(connected)
        assert [bool(letter.invite.join_url) for letter in connected.mails.sent] == [True, True]

    def test_a_replaced_link_is_mailed_as_an_update(self, connected: Product) -> None:
        put(connected)
        with connected.zoom.lock:
            connected.zoom.held.by_id.clear()  # deleted at Zoom by its host
        put(connected, days=36)
        before, after = connected.mails.to(GUEST["email"])
        assert before.invite.join_url != after.invite.join_url == get(connected)["meeting"]["join_url"]
        in_order([before, after])

    def test_a_new_host_is_invited_and_the_old_one_uninvited(self, connected: Product) -> None:
        put(connected)
        connected.connect("u-2", SECOND_ACCOUNT)
        host = {"user_id": "u-2", "name": "Second Host", "email": "second-host@example.com"}
        connected.caller().put("/v1/calendars/c-2", json=calendar(host=host))
        put(connected, calendar_id="c-2", days=36)
        mails = connected.mails
        assert [m.invite.method for m in mails.to(HOST)] == [Method.REQUEST, Method.CANCEL]
        assert [m.invite.method for m in mails.to("second-host@example.com")] == [Method.REQUEST]
        in_order(mails.to(HOST))
        in_order(mails.to(GUEST["email"]))
        boxes = {email: Mailbox().receive(m.raw for m in mails.to(email)) for email in (HOST, GUEST["email"])}
        assert boxes[HOST].entries == [] and len(boxes[GUEST["email"]].entries) == 1


class TestWhatTheCallerSays:
    def test_each_is_mailed_in_their_own_language(self, connected: Product) -> None:
        host = calendar()["host"] | {"language": "de-AT"}
        connected.caller().put("/v1/calendars/c-1", json=calendar(host=host))
        put(connected, guests=[GUEST | {"language": "en-GB"}, {"email": "x@example.com", "language": "tlh"}])
        subjects = {m.invite.recipient.email: text(m).split(":")[0] for m in connected.mails.sent}
        assert subjects == {HOST: "Einladung", GUEST["email"]: "Invitation", "x@example.com": "Invitation"}

    @pytest.mark.parametrize("language", ["", "german!", "de_DE", "x" * 65, "de-", "-de", "a"])
    def test_what_is_no_language_tag_is_refused(self, connected: Product, language: str) -> None:
        from tests.support.product import booking

        body = booking(guests=[GUEST | {"language": language}])
        assert connected.caller().put("/v1/bookings/b-1", json=body).status_code in (400, 422)

    def test_another_language_is_another_mail(self, connected: Product) -> None:
        put(connected)
        put(connected, guests=[GUEST | {"language": "de"}])
        assert [text(m).split(":")[0] for m in connected.mails.to(GUEST["email"])] == ["Invitation", "Geändert"]
        assert len(connected.mails.to(HOST)) == 1

    def test_the_callers_pages_stand_in_mail_and_calendar(self, connected: Product) -> None:
        assert put(connected, links=LINKS)["links"] == LINKS
        for letter in connected.mails.sent:
            assert all(link in text(letter) and link in event(letter)["DESCRIPTION"] for link in LINKS.values())

    def test_without_them_a_guest_is_asked_to_reply(self, connected: Product) -> None:
        assert put(connected)["links"] == {"reschedule": None, "cancel": None}
        assert "reply to this email" in text(connected.mails.to(GUEST["email"])[0])

    def test_new_pages_are_mailed(self, connected: Product) -> None:
        put(connected)
        put(connected, links=LINKS)
        assert len(connected.mails.sent) == 4

    @pytest.mark.parametrize("link", ["javascript:alert(1)", "shop", "https://a b", "https://u:p@shop.example.com"])
    def test_what_is_no_page_is_refused(self, connected: Product, link: str) -> None:
        from tests.support.product import booking

        answer = connected.caller().put("/v1/bookings/b-1", json=booking(links={"cancel": link}))
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/links/cancel"

    @pytest.mark.parametrize("open_list", [False, True])
    def test_guests_see_each_other_only_where_the_calendar_says_so(self, connected: Product, open_list: bool) -> None:
        connected.caller().put("/v1/calendars/c-1", json=calendar(guests_see_each_other=open_list))
        known = put(connected, guests=[GUEST, {"email": "other@example.com", "name": "Other Guest"}])
        assert known["guests_see_each_other"] is open_list
        (letter,) = connected.mails.to(GUEST["email"])
        assert (b"other@example.com" in calendar_of(letter.raw)) is open_list
        assert ("Other Guest" in text(letter)) is open_list


class TestWhatTheWorkspaceSays:
    def test_a_brand_is_seen(self, connected: Product) -> None:
        brand = {"name": "Example Clinic", "color": "#0f766e", "footer": "Example Street 1",
                 "logo_url": "https://clinic.example/logo.png"}  # fmt: skip
        assert operate(connected, brand=brand)["brand"] == brand | {"sender": None}
        put(connected)
        plain, html = texts_of(connected.mails.sent[0].raw)
        assert "Sent by Example Clinic." in plain and "Example Street 1" in plain
        assert "#0f766e" in html and '<img src="https://clinic.example/logo.png" alt="Example Clinic"' in html

    def test_nothing_is_loaded_by_default(self, connected: Product) -> None:
        put(connected)
        assert all("<img" not in texts_of(letter.raw)[1] for letter in connected.mails.sent)

    def test_a_new_colour_is_no_reason_to_write_again(self, connected: Product) -> None:
        put(connected)
        operate(connected, brand={"color": "#0f766e"}, reminder_minutes=10)
        connected.caller().post("/v1/bookings/b-1/retry")
        connected.settle()
        assert len(connected.mails.sent) == 2

    def test_its_own_sender_organizes_and_stays_for_the_bookings_life(self, connected: Product) -> None:
        operate(connected, brand={"sender": "hello@clinic.example"})
        put(connected)
        operate(connected, brand={"sender": None})
        cancel(connected)
        letters = connected.mails.to(GUEST["email"])
        in_order(letters)
        assert {str(event(letter)["ORGANIZER"]) for letter in letters} == {"mailto:hello@clinic.example"}
        put(connected, "b-2")
        assert event(connected.mails.sent[-1])["ORGANIZER"] == f"mailto:{SENDER.address}"

    def test_the_calendar_file_is_the_one_that_was_mailed(self, connected: Product) -> None:
        operate(connected, brand={"sender": "hello@clinic.example"}, reminder_minutes=30)
        put(connected)
        (letter,) = connected.mails.to(HOST)
        file = Calendar.from_ical(connected.caller().get("/v1/bookings/b-1/invite.ics").content)
        (same,) = file.walk("VEVENT")
        assert [same[name] for name in ("UID", "ORGANIZER", "SEQUENCE")] == [
            event(letter)[name] for name in ("UID", "ORGANIZER", "SEQUENCE")
        ]

    def test_a_reminder_is_set_for_what_takes_place(self, connected: Product) -> None:
        operate(connected, reminder_minutes=10)
        put(connected)
        cancel(connected)
        first, last = (calendar_of(letter.raw) for letter in connected.mails.to(GUEST["email"]))
        assert b"\r\nTRIGGER:-PT10M\r\n" in first and b"VALARM" not in last

    @pytest.mark.parametrize(
        "request_",
        [{"hold_minutes": -1}, {"hold_minutes": "x"}, {"brand": {"color": "red"}}, {"brand": {"colour": "#000000"}},
         {"brand": {"logo_url": "http://x.example/l.png"}}, {"brand": {"sender": "a+b@x.example"}},
         {"brand": {"sender": "nobody"}}, {"reminder_minutes": 10**6}],
    )  # fmt: skip
    def test_a_wrong_setting_is_refused(self, connected: Product, request_: dict[str, Any]) -> None:
        assert "error" in operate(connected, **request_)


class TestWhatNoMailHolds:
    def test_no_host_link_and_no_token_is_mailed(self, connected: Product) -> None:
        put(connected, links=LINKS)
        put(connected, days=36)
        cancel(connected)
        grant = repr(connected.aws.scan("grants"))
        for letter in connected.mails.sent:
            said = letter.raw.decode("ascii") + "".join(texts_of(letter.raw)) + calendar_of(letter.raw).decode()
            assert "zak=" not in said and "/s/" not in said and "Bearer" not in said
            assert connected.services.settings.environment["ZOOM_CLIENT_SECRET"] not in said + grant
            assert not any(token in said for token in tokens(connected))

    def test_the_largest_booking_stays_below_a_hundred_kilobytes(self, connected: Product) -> None:
        operate(connected, brand={"name": "😀" * 100, "footer": "😀" * 500, "color": "#000000"})
        long = "https://shop.example.com/" + "%F0%9F%98%80" * 80
        guests = [{"email": f"guest{n}@example.com", "name": "😀" * 200} for n in range(50)]
        put(connected, title="😀" * 200, description="😀" * 5000, guests=guests, links={"cancel": long})
        assert connected.mails.sent
        assert max(len(letter.raw) for letter in connected.mails.sent) < 100_000


def tokens(product: Product) -> set[str]:
    """Every access and refresh token that Zoom's stand-in knows."""
    return set(product.zoom.identity.all_tokens())


class TestWhoIsToldWhat:
    def test_an_uninvited_guest_hears_of_what_they_knew_and_not_of_what_came_instead(self, connected: Product) -> None:
        put(connected, title="First talk", description="For the first guest.")
        other = {"name": "Other Guest", "email": "other@example.com"}
        put(connected, title="Second talk", description="For the second guest.", days=40, guests=[other])
        asked, uninvited = connected.mails.to(GUEST["email"])
        assert (uninvited.invite.method, uninvited.invite.title) == (Method.CANCEL, "First talk")
        assert uninvited.invite.starts_at == asked.invite.starts_at
        assert "econd" not in uninvited.raw.decode()
        in_order([asked, uninvited])

    def test_an_uninvited_guest_of_a_cancelled_booking_hears_no_more_either(self, connected: Product) -> None:
        put(connected, title="First talk")
        other = {"name": "Other Guest", "email": "other@example.com"}
        changed = booking(title="Second talk", guests=[other])
        assert connected.caller().put("/v1/bookings/b-1", json=changed).status_code == 200
        cancel(connected)
        assert connected.mails.to(GUEST["email"])[-1].invite.title == "First talk"

    def test_no_one_is_mailed_about_what_is_over_when_mail_works_again(self, connected: Product) -> None:
        connected.mails.refusals = [MailUnavailable("out")] * 2
        put(connected, days=0.1, minutes=30)
        connected.clock.advance(0.2 * 86400)
        for _ in range(3):
            connected.tick()
        assert connected.mails.sent == []
        assert connected.services.booking_store.get("ws-1", "b-1").is_settled
