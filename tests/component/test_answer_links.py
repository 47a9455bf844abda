"""The links in an invitation by which its recipient says whether they come."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, cast

import httpx
import pytest

from chalicelib.domain.invitation import parties
from chalicelib.errors import MailUnavailable, StoreUnavailable
from chalicelib.handlers import operations
from chalicelib.store.deployment_secrets import LinkKey
from chalicelib.store.ephemeral import EphemeralStore
from chalicelib.usecases.answer_limit import MAX_ANSWERS
from chalicelib.usecases.answer_links import AnswerLinks, AnswerTickets
from chalicelib.usecases.bookings import Bookings
from chalicelib.wording import LANGUAGES, in_language
from tests.support.product import GUEST, Product, booking, calendar
from tests.support.replies import invitation as invitation_event
from tests.support.steps import HOST, cancel, get, put
from tests.support.webhooks import Receivers, Streams

GUEST_EMAIL = GUEST["email"]
OTHER = {"name": "Other Guest", "email": "other@example.com"}
FIELD = re.compile(r'name="(\w+)" value="([^"]*)"')


@pytest.fixture
def booked(connected: Product) -> Product:
    """b-1 is booked with one guest and settled; its start is in 35 days."""
    put(connected)
    return connected


def answer_url(product: Product, email: str = GUEST_EMAIL) -> str:
    url = product.mails.to(email)[-1].invite.answer_url
    assert url is not None
    return url


def fields(page: httpx.Response) -> dict[str, str]:
    """Return the form's hidden fields."""
    return {name: value for name, value in FIELD.findall(page.text) if name in ("start", "answer")}


def answer(product: Product, choice: str, email: str = GUEST_EMAIL, **more: str) -> httpx.Response:
    """Open the link, and press the button."""
    browser, url = product.browser(), answer_url(product, email)
    page = browser.get(url)
    assert page.status_code == 200, page.text
    return browser.post(url, data={**fields(page), "answer": choice, **more})


def invitation(product: Product, email: str = GUEST_EMAIL) -> dict[str, Any]:
    return next(one for one in get(product)["invitations"] if one["email"] == email)


def test_the_answer_is_on_the_booking(booked: Product) -> None:
    assert invitation(booked)["answer"] is None
    page = answer(booked, "declined")
    assert page.status_code == 200
    assert "Your answer is saved" in page.text
    one = invitation(booked)
    assert (one["answer"], one["answer_outdated"]) == ("declined", False)
    assert datetime.fromisoformat(one["answered_at"]) == booked.clock()
    answer(booked, "tentative")
    assert invitation(booked)["answer"] == "tentative"
    assert invitation(booked, HOST)["answer"] is None


def test_an_answer_changes_no_revision_and_emails_no_guest(booked: Product) -> None:
    before, sent, calls = get(booked), len(booked.mails.sent), len(booked.zoom.faults.calls)
    for choice in ("accepted", "declined", "tentative", "declined"):
        answer(booked, choice)
        booked.settle()
        booked.tick()
    after = get(booked)
    assert (after["revision"], after["updated_at"]) == (before["revision"], before["updated_at"])
    assert len(booked.mails.sent) == sent
    assert len(booked.zoom.faults.calls) == calls


def test_to_open_the_links_changes_nothing(booked: Product) -> None:
    rows = booked.aws.scan("bookings")
    for choice in ("accepted", "tentative", "declined"):
        page = booked.browser().get(f"{answer_url(booked)}?answer={choice}")
        assert page.status_code == 200
        assert f'value="{choice}" class="primary"' in page.text
    assert booked.aws.scan("bookings") == rows


def test_an_update_asks_again_only_if_the_time_changed(connected: Product) -> None:
    """RFC 6638, 3.2.8. The other guest sees no answer, nor does the host."""
    put(connected, guests=[GUEST, OTHER])
    answer(connected, "accepted")

    def partstats(email: str) -> dict[str, str]:
        return {one.email: one.answer for one in invitation_event(connected.mails.to(email)[-1].raw).attendees}

    sequence = connected.mails.sent[-1].invite.sequence
    put(connected, guests=[GUEST, OTHER], title="Another title")
    assert connected.mails.sent[-1].invite.sequence == sequence + 1
    assert partstats(GUEST_EMAIL) == {HOST: "needs action", GUEST_EMAIL: "accepted"}
    assert set(partstats(OTHER["email"]).values()) == set(partstats(HOST).values()) == {"needs action"}
    file = connected.caller().get("/v1/bookings/b-1/invite.ics", params={"for": GUEST_EMAIL})
    assert "PARTSTAT=ACCEPTED" in file.text.replace("\r\n ", "")
    put(connected, guests=[GUEST, OTHER], title="Another title", days=36)
    assert set(partstats(GUEST_EMAIL).values()) == {"needs action"}
    sent = len(connected.mails.sent)
    answer(connected, "declined")
    connected.settle()
    connected.tick()
    assert len(connected.mails.sent) == sent


def test_the_email_has_three_links(booked: Product) -> None:
    letter = booked.mails.to(GUEST_EMAIL)[-1]
    raw = letter.raw.replace(b"=\r\n", b"").replace(b"=3D", b"=")
    for choice in (b"accepted", b"tentative", b"declined"):
        assert raw.count(answer_url(booked).encode() + b"?answer=" + choice) == 2
    cancel(booked)
    assert booked.mails.to(GUEST_EMAIL)[-1].invite.answer_url is None


def test_a_link_says_nothing_about_the_booking_or_other_guests(connected: Product) -> None:
    put(connected, guests=[GUEST, OTHER])
    urls = {answer_url(connected, email) for email in (HOST, GUEST_EMAIL, OTHER["email"])}
    assert len(urls) == 3
    assert all("b-1" not in url and "ws-1" not in url for url in urls)
    answer(connected, "declined", OTHER["email"])
    page = connected.browser().get(answer_url(connected))
    assert page.status_code == 200
    for secret in ("Other Guest", "other@example.com", "You said", "zoom.us"):
        assert secret not in page.text


def test_a_guest_answers_for_no_one_else(connected: Product) -> None:
    put(connected, guests=[GUEST, OTHER])
    answer(connected, "accepted", OTHER["email"])
    answer(connected, "declined", email=HOST)
    assert {i["email"]: i["answer"] for i in get(connected)["invitations"]} == {
        HOST: "declined",
        GUEST_EMAIL: None,
        OTHER["email"]: "accepted",
    }
    connected.settle()
    assert connected.mails.notices == []  # The host's own answer is no news for the host.


def test_a_ticket_that_was_not_made_here_opens_nothing(booked: Product) -> None:
    good = answer_url(booked)
    join = booked.services.join_tickets.guest_link(booked.base_url, booked_row(booked), GUEST_EMAIL)
    for url in (good[:-1], f"{good}x", "/a/1.x", "/a/unknown", join.replace("/j/", "/a/")):
        for response in (booked.browser().get(url), booked.browser().post(url, data={"answer": "declined"})):
            assert response.status_code in (404, 422), url
            assert "Introductory call" not in response.text
    assert booked.browser().get(good.replace("/a/", "/j/")).status_code == 404
    assert invitation(booked)["answer"] is None


def booked_row(product: Product) -> Any:
    record = product.services.booking_store.get("ws-1", "b-1")
    assert record is not None
    return record.booking


@pytest.mark.parametrize(
    "form",
    [{}, {"answer": "declined"}, {"answer": "perhaps", "start": "2027-01-05T15:00:00+00:00"}, {"start": "x" * 20_000}],
)
def test_a_form_that_no_page_sends_is_refused(booked: Product, form: dict[str, str]) -> None:
    response = booked.browser().post(answer_url(booked), data=form)
    assert response.status_code in (413, 422)
    assert invitation(booked)["answer"] is None


@pytest.mark.parametrize("start", ["2027-01-05T15:00:00", "tomorrow", ""])
def test_a_form_without_a_proper_start_is_refused(booked: Product, start: str) -> None:
    assert booked.browser().post(answer_url(booked), data={"answer": "declined", "start": start}).status_code == 422


def test_the_link_ends_with_the_booking(booked: Product) -> None:
    url, form = answer_url(booked), fields(booked.browser().get(answer_url(booked)))
    booked.clock.advance(timedelta(days=35, minutes=31).total_seconds())
    assert booked.browser().get(url).status_code == 410
    over = booked.browser().post(url, data={**form, "answer": "declined"})
    assert over.status_code == 410
    assert "This appointment is over" in over.text
    assert invitation(booked)["answer"] is None


def test_a_cancelled_booking_takes_no_answers(booked: Product) -> None:
    url, form = answer_url(booked), fields(booked.browser().get(answer_url(booked)))
    cancel(booked)
    page = booked.browser().post(url, data={**form, "answer": "accepted"})
    assert page.status_code == 410
    assert "This appointment was cancelled" in page.text
    assert invitation(booked)["answer"] is None


def test_a_guest_who_is_not_invited_any_more_is_refused(booked: Product) -> None:
    url = answer_url(booked)
    put(booked, guests=[OTHER])
    page = booked.browser().get(url)
    assert page.status_code == 403
    assert "no longer invited" in page.text


def test_an_answer_to_a_page_with_the_old_time_is_asked_again(booked: Product) -> None:
    url = answer_url(booked)
    form = fields(booked.browser().get(url))
    put(booked, days=36)
    page = booked.browser().post(url, data={**form, "answer": "accepted"})
    assert page.status_code == 409
    assert "was moved while this page was open" in page.text
    assert invitation(booked)["answer"] is None
    assert booked.browser().post(url, data={**fields(page), "answer": "accepted"}).status_code == 200
    assert invitation(booked)["answer"] == "accepted"


def test_an_answer_to_an_earlier_time_is_kept_and_marked(booked: Product) -> None:
    answer(booked, "declined")
    booked.settle()
    put(booked, days=36)
    one = invitation(booked)
    assert (one["answer"], one["answer_outdated"]) == ("declined", True)
    assert "was moved after you answered" in booked.browser().get(answer_url(booked)).text
    put(booked, days=36, title="Another title")
    assert len(booked.mails.notices) == 1


def test_a_person_who_answers_all_the_time_is_slowed_down(booked: Product) -> None:
    for number in range(MAX_ANSWERS):
        assert answer(booked, ("accepted", "declined")[number % 2]).status_code == 200
    page = answer(booked, "accepted")
    assert page.status_code == 429
    assert "very often" in page.text
    assert invitation(booked)["answer"] == "declined"
    booked.clock.advance(3600)
    assert answer(booked, "accepted").status_code == 200


def test_a_link_works_while_its_key_is_kept(booked: Product) -> None:
    old, new, newest = (LinkKey(str(number), bytes([number]) * 64) for number in (1, 2, 3))
    record = booked.services.booking_store.get("ws-1", "b-1")
    assert record is not None
    _, guest = parties(record.booking)
    ticket = str(AnswerTickets(lambda: (old,)).link(record.booking, guest)).rpartition("/")[2]
    read = AnswerTickets(lambda: (new, old)).read(ticket)
    assert read is not None
    assert read.recipient(record.booking) == guest
    assert AnswerTickets(lambda: (newest, new)).read(ticket) is None


def test_without_a_known_address_of_the_deployment_there_are_no_links(connected: Product) -> None:
    connected.services.bookings.put("ws-1", "b-1", appointment(connected))
    connected.settle()
    assert connected.mails.to(GUEST_EMAIL)[-1].invite.answer_url is None


def appointment(product: Product) -> Any:
    put(product, "b-2")
    record = product.services.booking_store.get("ws-1", "b-2")
    assert record is not None
    return record.booking.appointment


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_speaks_the_recipients_language_and_shows_the_brand(connected: Product, language: str) -> None:
    brand = {"name": "Example Clinic", "color": "#ffd166"}
    operations.run({"do": "update-workspace", "workspace_id": "ws-1", "brand": brand}, connected.services)
    put(connected, guests=[{**GUEST, "language": language}])
    wording = in_language(language)
    page = connected.browser().get(answer_url(connected), headers={"Accept-Language": "en"})
    assert wording.answer_page.question in page.text.replace("&#39;", "'")
    assert f'lang="{wording.language}"' in page.text
    assert "Example Clinic" in page.text
    assert "#ffd166" in page.text
    saved = answer(connected, "declined")
    assert wording.answer_page.saved in saved.text.replace("&#39;", "'")


class FlakyBookings:
    """Fails to cancel once."""

    def __init__(self, bookings: Bookings) -> None:
        self._bookings = bookings
        self._failures = [StoreUnavailable("down")]

    def cancel(self, *key: str) -> Any:
        if self._failures:
            raise self._failures.pop()
        return self._bookings.cancel(*key)


class TestOnDecline:
    @pytest.fixture
    def strict(self, connected: Product) -> Product:
        assert connected.caller().put("/v1/calendars/c-1", json=calendar(on_decline="cancel")).is_success
        put(connected, guests=[GUEST, OTHER])
        return connected

    def test_the_calendar_says_what_happens(self, connected: Product) -> None:
        caller = connected.caller()
        assert caller.get("/v1/calendars/c-1").json()["on_decline"] == "notify"
        assert caller.put("/v1/calendars/c-1", json=calendar(on_decline="cancel")).json()["on_decline"] == "cancel"
        assert caller.put("/v1/calendars/c-1", json=calendar(on_decline="explode")).status_code == 422

    def test_the_last_decline_cancels_after_it_was_confirmed(self, strict: Product) -> None:
        assert "Your answer is saved" in answer(strict, "declined").text
        question = answer(strict, "declined", OTHER["email"])
        assert "Cancel the appointment?" in question.text
        assert (invitation(strict, OTHER["email"])["answer"], get(strict)["status"]) == (None, "confirmed")
        page = strict.browser().post(
            answer_url(strict, OTHER["email"]), data={**fields(question), "answer": "declined", "confirmed": "yes"}
        )
        assert page.status_code == 200
        assert "The appointment is cancelled" in page.text
        strict.settle()
        after = get(strict)
        assert (after["status"], after["meeting"]["state"]) == ("cancelled", "removed")
        assert strict.mails.to(GUEST_EMAIL)[-1].invite.method == "CANCEL"

    def test_a_confirmation_without_need_only_records(self, strict: Product) -> None:
        page = answer(strict, "declined", confirmed="yes")
        assert "Your answer is saved" in page.text
        assert get(strict)["status"] == "confirmed"

    def test_a_crash_between_the_answer_and_the_cancellation_is_resumed_by_the_guest(self, strict: Product) -> None:
        answer(strict, "declined")
        bookings, services = FlakyBookings(strict.services.bookings), strict.services
        vars(services)["answer_links"] = AnswerLinks(
            services.answer_tickets,
            services.booking_store,
            services.answers,
            cast(Bookings, bookings),
            services.answer_limit,
            services.clock,
        )
        assert answer(strict, "declined", OTHER["email"], confirmed="yes").status_code == 503
        assert get(strict)["status"] == "confirmed"
        strict.clock.advance(1)
        assert "is cancelled" in answer(strict, "declined", OTHER["email"], confirmed="yes").text
        assert get(strict)["status"] == "cancelled"

    def test_by_default_the_booking_stays(self, booked: Product) -> None:
        answer(booked, "declined")
        booked.settle()
        assert get(booked)["status"] == "confirmed"


class TestTheHost:
    def test_the_host_gets_one_email_for_a_decline(self, booked: Product) -> None:
        answer(booked, "declined")
        booked.settle()
        (notice,) = booked.mails.notices
        assert notice.to == HOST
        assert "Demo Guest will not come" in notice.subject
        for _ in range(3):
            booked.clock.advance(5)
            answer(booked, "declined")
            booked.tick()
        assert len(booked.mails.notices) == 1

    def test_a_new_decline_after_an_acceptance_is_another_email(self, booked: Product) -> None:
        for choice in ("declined", "accepted", "declined"):
            booked.clock.advance(5)
            answer(booked, choice)
            booked.settle()
        assert len(booked.mails.notices) == 2

    def test_other_answers_cause_none(self, booked: Product) -> None:
        for choice in ("accepted", "tentative"):
            answer(booked, choice)
            booked.settle()
            booked.tick()
        assert booked.mails.notices == []

    def test_a_host_that_gets_no_emails_gets_none_about_answers(self, connected: Product) -> None:
        put(connected, emails={"host": False})
        answer(connected, "declined")
        connected.tick()
        assert (connected.mails.notices, invitation(connected)["answer"]) == ([], "declined")

    def test_each_guest_causes_one(self, connected: Product) -> None:
        put(connected, guests=[GUEST, OTHER])
        for email in (GUEST_EMAIL, OTHER["email"]):
            answer(connected, "declined", email)
        connected.settle()
        assert [notice.subject.split(" will")[0] for notice in connected.mails.notices] == ["Demo Guest", "Other Guest"]

    def test_it_is_sent_later_if_ses_is_down(self, booked: Product) -> None:
        booked.mails.refusals.append(MailUnavailable("throttled"))
        answer(booked, "declined")
        booked.settle()
        assert booked.mails.notices == []
        booked.tick()
        booked.tick()
        assert len(booked.mails.notices) == 1

    def test_an_answer_during_a_run_of_settling_is_not_overlooked(self, booked: Product) -> None:
        leases, clock = booked.services.booking_leases, booked.clock
        answer(booked, "declined")
        lease = leases.acquire("ws-1", "b-1", clock())
        assert lease is not None
        put_answers_again(booked)
        remaining = leases.finish(lease, lease.settlement, clock())
        assert remaining is not None
        assert remaining.answers != lease.answers
        assert leases.finish(remaining, remaining.settlement, clock()) is None

    def test_a_settled_booking_keeps_its_end_unless_there_is_something_to_do(self, connected: Product) -> None:
        caller = connected.caller()
        caller.put("/v1/calendars/c-1", json=calendar("phone", reminders=[]))
        caller.put("/v1/bookings/b-1", json=booking())
        connected.settle()
        for choice, is_due in (("accepted", False), ("declined", True)):
            answer(connected, choice)
            (row,) = connected.aws.scan("bookings")
            assert ("due_shard" in row, "expires_at" in row) == (is_due, not is_due)
        connected.settle()
        (row,) = connected.aws.scan("bookings")
        assert ("due_shard" in row, "expires_at" in row) == (False, True)


def put_answers_again(product: Product) -> None:
    product.clock.advance(1)
    answer(product, "accepted")
    product.clock.advance(1)
    answer(product, "declined")


class TestWebhook:
    def test_an_answer_is_an_event_and_its_repetition_is_none(self, connected: Product) -> None:
        receivers, streams = Receivers.of(connected), Streams(connected)
        body = {"url": "https://receiver.example/hooks", "events": ["invitation.answered"]}
        connected.caller().put("/v1/webhook-endpoints/e-1", json=body)
        put(connected, metadata={"order": "4711"})
        answer(connected, "declined")
        connected.settle()
        connected.clock.advance(5)
        answer(connected, "declined")
        answer(connected, "accepted", HOST)
        streams.announce()
        (data, of_host) = (webhook.event["data"] for webhook in receivers.received)
        at = data["invitation"].pop("answered_at")
        assert data["invitation"] == {
            "email": GUEST_EMAIL,
            "role": "guest",
            "answer": "declined",
            "answer_outdated": False,
        }
        assert (data["booking_id"], data["revision"], data["metadata"]) == ("b-1", 1, {"order": "4711"})
        assert receivers.received[0].event["timestamp"] == at
        assert (of_host["invitation"]["role"], of_host["invitation"]["answer"]) == ("host", "accepted")


class ThrottledCounter(EphemeralStore):
    def increment(self, key: str, amount: int, expires_at: datetime) -> int:
        raise StoreUnavailable("throttled")


def test_a_counter_that_is_down_records_nothing(booked: Product) -> None:
    vars(booked.services)["ephemeral_store"] = ThrottledCounter()
    page = answer(booked, "declined")
    assert page.status_code == 503
    assert "cannot be saved right now" in page.text
    assert invitation(booked)["answer"] is None
