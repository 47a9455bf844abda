"""The join redirect: one address for a booking's whole life, which opens in time, and only for those invited."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import cast
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib import observability
from chalicelib.api.audience import browser_language
from chalicelib.domain.booking import Booking
from chalicelib.store.deployment_secrets import LinkKey
from chalicelib.usecases.join_links import ADDRESS_LIFE, VISITS, WINDOW
from chalicelib.usecases.join_tickets import JoinTickets
from chalicelib.usecases.tickets import Ticket
from chalicelib.wording.formats import TAGS
from infra.local.standins.faults import Action, Fault
from infra.operate.link_keys import rotate
from infra.operate.replay import Range, replay
from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.examples import examples
from tests.support.product import DAILY_KEY, GUEST, Product, booking, calendar

DAYS = 7


def named(workspace_id: str, booking_id: str, user_id: str) -> Booking:
    """Of a booking a ticket holds the ids alone."""
    host = SimpleNamespace(user_id=user_id)
    return cast(Booking, SimpleNamespace(workspace_id=workspace_id, booking_id=booking_id, host=host))


BOOKING = named("ws-1", "b-1", "u-1")
OLD, NEW, NEWEST = (LinkKey(str(number), bytes([number]) * 64) for number in (1, 2, 3))


def tickets(*keys: LinkKey) -> JoinTickets:
    return JoinTickets(lambda: keys or (OLD,))


def in_link(address: str) -> str:
    return address.removeprefix("/j/")


@pytest.fixture
def hosted(product: Product) -> Product:
    """User u-1 hosts at Daily; b-1 is booked and settled."""
    product.connect_with_key("daily", {"api_key": DAILY_KEY})
    assert product.caller().put("/v1/calendars/c-1", json=calendar()).is_success
    assert product.caller().put("/v1/bookings/b-1", json=booking(days=DAYS)).is_success
    product.settle()
    return product


def link(product: Product) -> str:
    return str(product.caller().get("/v1/bookings/b-1").json()["meeting"]["join_url"])


def host_link(product: Product) -> str:
    (letter,) = product.mails.to("host@example.com")
    assert letter.invite.join_url is not None
    return letter.invite.join_url


def visit(product: Product, address: str) -> httpx.Response:
    return product.browser().get(address)


def until_the_door_opens(product: Product) -> None:
    product.clock.advance((timedelta(days=DAYS) - timedelta(minutes=10)).total_seconds())


def test_the_link_is_ours_and_says_nothing_about_the_booking(hosted: Product) -> None:
    address = urlsplit(link(hosted))
    assert address.netloc == urlsplit(hosted.base_url).netloc
    assert address.path.startswith("/j/")
    assert "b-1" not in address.path
    assert "ws-1" not in address.path


def guest_link(product: Product, email: str = "guest@example.com") -> str:
    letter = product.mails.to(email)[-1]
    assert letter.invite.join_url is not None
    return letter.invite.join_url


def test_guest_host_and_caller_get_three_links(hosted: Product) -> None:
    (letter,) = hosted.mails.to("guest@example.com")
    assert len({guest_link(hosted), host_link(hosted), link(hosted)}) == 3
    assert guest_link(hosted).encode() in letter.raw.replace(b"\r\n ", b"").replace(b"=\r\n", b"")
    assert host_link(hosted).encode() not in letter.raw.replace(b"\r\n ", b"").replace(b"=\r\n", b"")


def test_whoever_is_early_waits_on_a_page_that_looks_again_by_itself(hosted: Product) -> None:
    page = visit(hosted, link(hosted))
    assert page.status_code == 200
    assert "You are early" in page.text
    assert page.headers["Refresh"] == "300"
    assert "Introductory call" in page.text
    hosted.clock.advance((timedelta(days=DAYS) - timedelta(minutes=15, seconds=20)).total_seconds())
    assert visit(hosted, link(hosted)).headers["Refresh"] == "20"
    assert hosted.daily.tokens == {}


def test_in_time_the_door_leads_to_the_room(hosted: Product) -> None:
    until_the_door_opens(hosted)
    answer = visit(hosted, link(hosted))
    assert answer.status_code == 302
    assert answer.headers["Cache-Control"] == "no-store"
    room, _, query = answer.headers["Location"].partition("?")
    (name,) = hosted.daily.rooms
    assert room == f"https://demo.daily.co/{name}"
    assert hosted.daily.tokens[parse_qs(query)["t"][0]]["is_owner"] is False


def test_the_host_comes_in_as_the_host(hosted: Product) -> None:
    until_the_door_opens(hosted)
    query = urlsplit(visit(hosted, host_link(hosted)).headers["Location"]).query
    token = hosted.daily.tokens[parse_qs(query)["t"][0]]
    assert (token["is_owner"], token["user_name"]) == (True, "Demo Host")


def test_a_moved_booking_keeps_its_address_and_opens_at_its_new_time(hosted: Product) -> None:
    before = link(hosted)
    hosted.caller().put("/v1/bookings/b-1", json=booking(days=DAYS + 2))
    hosted.settle()
    assert link(hosted) == before
    until_the_door_opens(hosted)
    assert "You are early" in visit(hosted, before).text
    hosted.clock.advance(2 * 24 * 3600)
    assert visit(hosted, before).status_code == 302


def cancel(product: Product) -> None:
    product.caller().delete("/v1/bookings/b-1")
    product.settle()


def let_it_pass(product: Product) -> None:
    product.clock.advance(2 * 3600)


def disconnect(product: Product) -> None:
    product.caller().delete("/v1/users/u-1/connection")


def take_the_key_back(product: Product) -> None:
    product.daily.keys.clear()


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        (cancel, "was cancelled"),
        (let_it_pass, "is over"),
        (disconnect, "no longer connected"),
        (take_the_key_back, "does not let anyone in"),
    ],
)
def test_a_closed_door_says_why(hosted: Product, happens: Callable[[Product], None], words: str) -> None:
    address = link(hosted)
    until_the_door_opens(hosted)
    happens(hosted)
    page = visit(hosted, address)
    assert page.status_code == 410
    assert words in page.text


def test_a_provider_that_fails_leaves_the_visitor_on_a_page_that_tries_again(hosted: Product) -> None:
    until_the_door_opens(hosted)
    hosted.daily.faults.add(Fault("/v1/meeting-tokens", Action.BEFORE, status=503))
    page = visit(hosted, link(hosted))
    assert page.status_code == 503
    assert page.headers["Refresh"] == "10"
    assert visit(hosted, link(hosted)).status_code == 302


@pytest.mark.parametrize(("language", "text"), [("en", "tries again automatically"), ("de", "versucht es automatisch")])
def test_a_guest_gets_a_page_that_reloads_while_the_database_is_down(hosted: Product, language: str, text: str) -> None:
    address = link(hosted)
    hosted.aws.client("dynamodb").delete_table(TableName=hosted.aws.table_prefix + "bookings")
    page = hosted.browser().get(address, headers={"Accept-Language": language})
    assert page.status_code == 503
    assert page.headers["Content-Type"].startswith("text/html")
    assert page.headers["Refresh"] == "10"
    assert text in page.text


def test_rooms_without_a_secret_are_linked_directly(product: Product) -> None:
    product.connect_with_key("jitsi", {"server": "meet.example.com"})
    product.caller().put("/v1/calendars/c-1", json=calendar())
    product.caller().put("/v1/bookings/b-1", json=booking())
    product.settle()
    assert link(product).startswith("https://meet.example.com/")


@pytest.mark.parametrize("ticket", ["x", "A" * 64, "A" * 511, "A" * 600, "%00", "a.b"])
def test_a_ticket_that_is_not_ours_opens_nothing(product: Product, ticket: str) -> None:
    page = product.stranger().get(f"/j/{ticket}")
    assert page.status_code == 404
    assert "This link does not open a meeting" in page.text


@examples(200)
@given(st.integers(0, 511), st.integers(1, 255))
def test_no_changed_ticket_is_accepted(place: int, change: int) -> None:
    ticket = in_link(tickets().shared_link("", BOOKING))
    at = place % len(ticket)
    other = chr((ord(ticket[at]) + change) % 256)
    if other != ticket[at]:
        read = tickets().read(ticket[:at] + other + ticket[at + 1 :])
        # The last character has bits without a meaning, and Base64's standard alphabet is read as well.
        assert read is None or at == len(ticket) - 1 or other in "+/"


def test_a_ticket_of_another_deployment_is_not_accepted() -> None:
    ticket = in_link(tickets().host_link("", BOOKING))
    assert tickets().read(ticket) == Ticket("ws-1", "b-1", host_id="u-1")
    assert tickets(LinkKey("1", b"x" * 64)).read(ticket) is None


def test_a_ticket_of_the_longest_ids_is_read() -> None:
    longest = named("w" * 128, "b" * 128, "u" * 128)
    assert tickets().read(in_link(tickets().host_link("", longest))) == Ticket("w" * 128, "b" * 128, host_id="u" * 128)
    assert tickets().read(in_link(tickets().shared_link("", longest))) == Ticket("w" * 128, "b" * 128)
    guest = tickets().read(in_link(tickets().guest_link("", longest, "guest@example.com")))
    assert guest is not None
    assert (guest.workspace_id, guest.host_id, bool(guest.guest)) == ("w" * 128, None, True)


def test_a_ticket_can_not_pretend_to_be_another_role() -> None:
    odd = named("ws-1", "b-1", "g")
    assert tickets().read(in_link(tickets().host_link("", odd))) == Ticket("ws-1", "b-1", host_id="g")


def test_links_with_the_longest_ids_let_in_host_and_guest(product: Product) -> None:
    workspace_id, booking_id, user_id = "w" * 128, "b" * 128, "u" * 128
    product.connect_with_key("daily", {"api_key": DAILY_KEY}, user_id, workspace_id)
    caller = product.caller(workspace_id)
    assert caller.put("/v1/calendars/c-1", json=calendar(user_id=user_id)).is_success
    assert caller.put(f"/v1/bookings/{booking_id}", json=booking(days=DAYS)).is_success
    product.settle()
    until_the_door_opens(product)
    (guests,) = product.mails.to("guest@example.com")
    assert [visit(product, str(address)).status_code for address in (host_link(product), guests.invite.join_url)] == [
        302,
        302,
    ]


def test_two_link_keys_are_accepted_and_the_newer_one_is_used() -> None:
    before = in_link(tickets(OLD).host_link("", BOOKING))
    after = in_link(tickets(NEW, OLD).host_link("", BOOKING))
    assert (before.partition(".")[0], after.partition(".")[0]) == ("1", "2")
    assert tickets(NEW, OLD).read(before) == tickets(NEW, OLD).read(after) == Ticket("ws-1", "b-1", host_id="u-1")
    assert tickets(NEWEST, NEW).read(before) is None
    assert tickets(NEWEST, NEW).read(after) is not None


def test_after_two_rotations_old_links_are_dead_and_a_replay_mails_new_ones(moto_aws: Aws, clock: FakeClock) -> None:
    client = moto_aws.client("secretsmanager")
    client.create_secret(Name="meetlink/dev/deployment", SecretString=json.dumps({"tag_secret": "tag-secret-1"}))
    product = Product(moto_aws, clock, MEETLINK_TAG_SECRET="")
    product.connect_with_key("daily", {"api_key": DAILY_KEY})
    assert product.caller().put("/v1/calendars/c-1", json=calendar()).is_success
    assert product.caller().put("/v1/bookings/b-1", json=booking(days=DAYS)).is_success
    product.settle()
    before = [link(product), host_link(product), guest_link(product)]
    for _ in range(2):
        rotate(client, "meetlink/dev/deployment", clock(), apply=True)
        clock.advance(600)
    assert [visit(product, address).status_code for address in before] == [404, 404, 404]
    replay(product.services, [Range("ws-1")], frozenset(["ready"]), apply=True)
    product.settle()
    after = [link(product), product.mails.to("host@example.com")[-1].invite.join_url, guest_link(product)]
    assert [visit(product, str(address)).status_code for address in after] == [200, 200, 200]
    assert not set(before) & set(after)


def test_a_rotation_alone_mails_no_one(moto_aws: Aws, clock: FakeClock) -> None:
    client = moto_aws.client("secretsmanager")
    client.create_secret(Name="meetlink/dev/deployment", SecretString=json.dumps({"tag_secret": "tag-secret-1"}))
    product = Product(moto_aws, clock, MEETLINK_TAG_SECRET="")
    product.connect_with_key("daily", {"api_key": DAILY_KEY})
    product.caller().put("/v1/calendars/c-1", json=calendar())
    product.caller().put("/v1/bookings/b-1", json=booking(days=DAYS))
    product.settle()
    mailed, before = len(product.mails.sent), guest_link(product)
    rotate(client, "meetlink/dev/deployment", clock(), apply=True)
    product.tick((DAYS - 1) * 24 * 3600 + 60)  # A look at the meeting, one day before it starts.
    assert len(product.mails.sent) == mailed
    assert visit(product, before).status_code == 200


def test_new_links_begin_with_the_public_address(moto_aws: Aws, clock: FakeClock) -> None:
    product = Product(moto_aws, clock, base_url="https://meet.example.com", PUBLIC_BASE_URL="https://meet.example.com")
    product.connect_with_key("daily", {"api_key": DAILY_KEY})
    connection = product.services.connection_store.get("ws-1", "u-1")
    assert connection is not None
    product.services.connection_store.replace(replace(connection, base_url="https://old.execute-api.example"))
    product.caller().put("/v1/calendars/c-1", json=calendar())
    product.caller().put("/v1/bookings/b-1", json=booking(days=DAYS))
    product.settle()
    for address in (link(product), host_link(product), guest_link(product)):
        assert address.startswith("https://meet.example.com/j/")


SECOND = {"name": "Second Guest", "email": "second-guest@example.com", "time_zone": "America/New_York"}


def test_a_guest_who_was_uninvited_does_not_get_in_any_more(hosted: Product) -> None:
    hosted.caller().put("/v1/bookings/b-1", json=booking(days=DAYS, guests=[GUEST, SECOND]))
    hosted.settle()
    removed, kept = guest_link(hosted), guest_link(hosted, "second-guest@example.com")
    hosted.caller().put("/v1/bookings/b-1", json=booking(days=DAYS, guests=[SECOND]))
    early = visit(hosted, removed)
    assert (early.status_code, "no longer invited" in early.text) == (403, True)
    assert "Introductory call" not in early.text
    hosted.settle()
    until_the_door_opens(hosted)
    assert visit(hosted, removed).status_code == 403
    assert visit(hosted, kept).status_code == 302
    assert hosted.caller().put("/v1/bookings/b-1", json=booking(days=DAYS, guests=[GUEST, SECOND])).is_success
    assert visit(hosted, removed).status_code == 302


def test_another_spelling_of_a_guests_address_keeps_the_link(hosted: Product) -> None:
    address = guest_link(hosted)
    shouted = GUEST | {"email": "Guest@Example.COM"}
    hosted.caller().put("/v1/bookings/b-1", json=booking(days=DAYS, guests=[shouted]))
    until_the_door_opens(hosted)
    assert visit(hosted, address).status_code == 302


def another_calendar(product: Product) -> None:
    """Calendar c-2 of u-2, who is connected."""
    person = {"user_id": "u-2", "name": "Second Host", "email": "second@example.com", "time_zone": "Europe/Berlin"}
    assert product.caller().put("/v1/calendars/c-2", json=calendar(host=person)).is_success


def move(product: Product) -> None:
    """The booking goes to calendar c-2; that is not settled yet."""
    assert product.caller().put("/v1/bookings/b-1", json=booking("c-2", days=DAYS)).is_success


def test_a_former_host_does_not_get_in_any_more(hosted: Product) -> None:
    former = host_link(hosted)
    hosted.connect_with_key("daily", {"api_key": DAILY_KEY}, "u-2")
    another_calendar(hosted)
    move(hosted)
    hosted.settle()
    (letter,) = hosted.mails.to("second@example.com")
    until_the_door_opens(hosted)
    assert visit(hosted, former).status_code == 403
    assert role(hosted, str(letter.invite.join_url)) == (True, "Second Host")


def role(product: Product, address: str) -> tuple[bool, str | None]:
    """Whether the visitor owns the room, and under which name."""
    query = parse_qs(urlsplit(visit(product, address).headers["Location"]).query)
    token = product.daily.tokens[query["t"][0]]
    return token["is_owner"], token.get("user_name")


class TestABookingThatMovedToLinksOfTheProvider:
    @pytest.fixture
    def moved(self, hosted: Product) -> Product:
        hosted.connect("u-2")
        another_calendar(hosted)
        move(hosted)
        return hosted

    def test_the_address_that_was_mailed_leads_to_the_new_link(self, moved: Product) -> None:
        known = [link(moved), moved.mails.to("guest@example.com")[0].invite.join_url]
        moved.settle()
        until_the_door_opens(moved)
        for address in known:
            answer = visit(moved, str(address))
            assert (answer.status_code, answer.headers["Location"]) == (302, link(moved))
        assert link(moved).startswith("https://zoom.us/")

    def test_but_not_before_its_time_and_not_once_it_is_cancelled(self, moved: Product) -> None:
        address = str(moved.mails.to("guest@example.com")[0].invite.join_url)
        moved.settle()
        assert "You are early" in visit(moved, address).text
        cancel(moved)
        assert visit(moved, address).status_code == 410


class TestARoomThatIsNotAsTheBookingWantsIt:
    @pytest.mark.parametrize("status", [503, 400], ids=["waits", "failed"])
    def test_a_change_that_did_not_come_through_keeps_no_one_out(self, hosted: Product, status: int) -> None:
        address = link(hosted)
        refusal = {"error": "invalid-request-error", "info": "No."}
        hosted.daily.faults.add(Fault("/v1/rooms/", Action.BEFORE, method="POST", status=status, body=refusal))
        hosted.caller().put("/v1/bookings/b-1", json=booking(days=DAYS, title="Another title"))
        hosted.settle()
        assert hosted.caller().get("/v1/bookings/b-1").json()["meeting"]["state"] == (
            "pending" if status == 503 else "failed"
        )
        until_the_door_opens(hosted)
        assert visit(hosted, address).status_code == 302

    def test_a_room_that_is_still_to_be_made_is_waited_for(self, hosted: Product) -> None:
        address = link(hosted)
        hosted.connect_with_key("daily", {"api_key": DAILY_KEY}, "u-2")
        another_calendar(hosted)
        move(hosted)
        hosted.daily.faults.add(Fault("/v1/rooms$", Action.BEFORE, method="POST", status=503))
        hosted.settle()
        until_the_door_opens(hosted)
        page = visit(hosted, address)
        assert (page.status_code, page.headers["Refresh"]) == (503, "10")
        assert "tries again automatically" in page.text
        hosted.tick()
        assert visit(hosted, address).status_code == 302

    def test_a_room_that_could_not_be_made_is_not_said_to_have_another_link(self, hosted: Product) -> None:
        address = link(hosted)
        hosted.connect_with_key("daily", {"api_key": DAILY_KEY}, "u-2")
        another_calendar(hosted)
        move(hosted)
        refusal = {"error": "invalid-request-error", "info": "No."}
        hosted.daily.faults.add(Fault("/v1/rooms$", Action.BEFORE, method="POST", status=400, body=refusal))
        hosted.settle()
        until_the_door_opens(hosted)
        page = visit(hosted, address)
        assert page.status_code == 410
        assert "could not be created" in page.text

    def test_a_host_without_an_account_is_said_to_have_none(self, hosted: Product) -> None:
        address = link(hosted)
        hosted.connect_with_key("daily", {"api_key": DAILY_KEY}, "u-2")
        another_calendar(hosted)
        hosted.caller().delete("/v1/users/u-2/connection")
        move(hosted)
        hosted.settle()
        until_the_door_opens(hosted)
        page = visit(hosted, address)
        assert page.status_code == 410
        assert "no longer connected" in page.text

    def test_a_booking_that_is_held_elsewhere_says_so_at_once(self, hosted: Product) -> None:
        address = link(hosted)
        assert hosted.caller().put("/v1/calendars/c-3", json=calendar("phone")).is_success
        hosted.caller().put("/v1/bookings/b-1", json=booking("c-3", days=DAYS))
        until_the_door_opens(hosted)
        for settled in (False, True):
            if settled:
                hosted.settle()
            page = visit(hosted, address)
            assert page.status_code == 410
            assert "newest invitation" in page.text


def test_a_fixed_link_may_name_the_booking(moto_aws: Aws, clock: FakeClock) -> None:
    product = Product(moto_aws, clock)
    place = {"type": "custom_link", "url": "https://rooms.example.org/{booking_id}?from=us"}
    assert product.caller().put("/v1/calendars/c-1", json=calendar(place)).is_success
    answer = product.caller().put("/v1/bookings/b:1", json=booking())
    assert answer.json()["location"]["url"] == "https://rooms.example.org/b%3A1?from=us"
    product.settle()
    (letter,) = product.mails.to("guest@example.com")
    assert letter.invite.join_url == "https://rooms.example.org/b%3A1?from=us"


class TestTheJoinPageIsForItsReader:
    """The zone and the language are those of the ticket's recipient, else the booking's."""

    @pytest.fixture
    def german_guest(self, hosted: Product) -> Product:
        guest = {"name": "Gast", "email": "gast@example.com", "time_zone": "Asia/Tokyo", "language": "de-DE"}
        hosted.caller().put("/v1/bookings/b-1", json=booking(days=DAYS, guests=[GUEST, guest]))
        hosted.settle()
        return hosted

    def test_the_links_without_a_name_show_the_bookings_zone(self, german_guest: Product) -> None:
        page = visit(german_guest, link(german_guest))
        opens = "You can join from 10:15 on Tuesday, 8 December 2026. Keep this page open and we&#39;ll let you in"
        assert opens in page.text
        assert '<html lang="en">' in page.text

    def test_a_guest_reads_the_guests_own_clock(self, german_guest: Product) -> None:
        page = visit(german_guest, guest_link(german_guest))
        assert "You can join from 04:15 on Tuesday, 8 December 2026." in page.text
        assert "04:30 – 05:00 (New York time)" in page.text

    def test_a_german_guest_reads_german(self, german_guest: Product) -> None:
        page = visit(german_guest, guest_link(german_guest, "gast@example.com"))
        assert "Sie können am Dienstag, 8. Dezember 2026 ab 18:15 Uhr teilnehmen." in page.text
        assert '<html lang="de">' in page.text

    def test_a_cancelled_meeting_is_cancelled_in_german(self, german_guest: Product) -> None:
        address = guest_link(german_guest, "gast@example.com")
        german_guest.caller().delete("/v1/bookings/b-1")
        assert "Dieser Termin wurde abgesagt." in visit(german_guest, address).text

    def test_the_links_without_a_name_speak_the_browsers_language(self, german_guest: Product) -> None:
        page = german_guest.browser().get(link(german_guest), headers={"Accept-Language": "de-AT,en;q=0.5"})
        assert "Sie können am Dienstag, 8. Dezember 2026 ab 10:15 Uhr teilnehmen." in page.text
        assert '<html lang="de">' in page.text

    def test_the_browsers_language_outranks_the_recipients(self, german_guest: Product) -> None:
        address = guest_link(german_guest, "gast@example.com")
        page = german_guest.browser().get(address, headers={"Accept-Language": "en"})
        assert '<html lang="en">' in page.text

    @pytest.mark.parametrize(
        ("language", "heading", "text"),
        [
            ("de", "Dieser Link öffnet keinen Termin", "Öffnen Sie ihn aus Ihrer neuesten Einladung."),
            ("en", "This link does not open a meeting", "Open it from your newest invitation."),
        ],
    )
    def test_an_unknown_link_is_explained_in_the_browsers_language(
        self, product: Product, language: str, heading: str, text: str
    ) -> None:
        page = product.browser().get("/j/1.unknown", headers={"Accept-Language": language})
        assert page.status_code == 404
        assert f'<html lang="{language}">' in page.text
        assert f"<h1>{heading}</h1>" in page.text
        assert text in page.text

    def test_an_uninvited_guest_reads_the_browsers_language(self, german_guest: Product) -> None:
        address = guest_link(german_guest, "gast@example.com")
        german_guest.caller().put("/v1/bookings/b-1", json=booking(days=DAYS, guests=[GUEST]))
        page = german_guest.browser().get(address, headers={"Accept-Language": "de"})
        assert page.status_code == 403
        assert "Sie sind zu diesem Termin nicht mehr eingeladen." in page.text

    @pytest.mark.parametrize(
        ("header", "language"),
        [
            (None, None),
            ("", None),
            ("de", "de"),
            ("DE-at", "de"),
            ("nl, de;q=0.8, en;q=0.7", "de"),
            ("en;q=0.7,de;q=0.8", "de"),
            ("en-GB,de", "en"),
            ("en-US,en;q=0.9", "en-US"),
            ("de;q=0, nl", None),
            ("de;q=high, *;q=0.1", None),
            ("de;" * 5000, None),
        ],
    )
    def test_the_browsers_first_choice_that_exists_is_taken(self, header: str | None, language: str | None) -> None:
        assert browser_language(header) == language

    @given(st.text(max_size=200))
    def test_no_header_breaks_the_page(self, header: str) -> None:
        assert browser_language(header) in {*TAGS, None}


class TestVisitsThatRepeat:
    def calls(self, product: Product) -> int:
        return len(product.daily.tokens)

    def test_200_visits_with_one_link_make_one_token(self, hosted: Product) -> None:
        until_the_door_opens(hosted)
        address = guest_link(hosted)
        led = {visit(hosted, address).headers["Location"] for _ in range(200)}
        assert (len(led), self.calls(hosted)) == (1, 1)

    def test_after_some_seconds_a_visit_gets_an_address_of_its_own(self, hosted: Product) -> None:
        until_the_door_opens(hosted)
        first = visit(hosted, link(hosted)).headers["Location"]
        hosted.clock.advance(ADDRESS_LIFE.total_seconds())
        assert visit(hosted, link(hosted)).headers["Location"] != first
        assert self.calls(hosted) == 2

    def test_host_and_guest_do_not_share_an_address(self, hosted: Product) -> None:
        until_the_door_opens(hosted)
        assert len({visit(hosted, of(hosted)).headers["Location"] for of in (link, guest_link, host_link)}) == 3

    def test_a_cancelled_booking_lets_no_one_in_with_a_kept_address(self, hosted: Product) -> None:
        until_the_door_opens(hosted)
        address = link(hosted)
        assert visit(hosted, address).status_code == 302
        hosted.caller().delete("/v1/bookings/b-1")
        assert visit(hosted, address).status_code == 410

    def test_beyond_the_allowance_the_provider_is_not_called(
        self, hosted: Product, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(observability, "_dimensions", {"service": "meetlink", "stage": "prod"})
        until_the_door_opens(hosted)
        window = int(hosted.clock().timestamp() / WINDOW.total_seconds())
        hosted.services.ephemeral_store.increment(
            f"visits#ws-1#b-1#{window}", VISITS, hosted.clock() + timedelta(minutes=1)
        )
        page = visit(hosted, link(hosted))
        assert (page.status_code, page.headers["Refresh"]) == (503, "10")
        assert "in a few seconds" in page.text
        assert self.calls(hosted) == 0
        assert capsys.readouterr().out.count('"VisitsDelayed":[1') == 1
        hosted.clock.advance(WINDOW.total_seconds())
        assert visit(hosted, link(hosted)).status_code == 302
        assert "VisitsDelayed" not in capsys.readouterr().out

    def test_a_provider_that_fails_is_not_asked_more_often_than_the_allowance(self, hosted: Product) -> None:
        until_the_door_opens(hosted)
        hosted.daily.faults.add(Fault("/v1/meeting-tokens", Action.BEFORE, status=503, times=None))
        pages = [visit(hosted, link(hosted)).text for _ in range(VISITS + 1)]
        assert ["in a few seconds" in page for page in pages] == [False] * VISITS + [True]

    def test_the_address_is_not_in_any_table(self, hosted: Product) -> None:
        until_the_door_opens(hosted)
        token = parse_qs(urlsplit(visit(hosted, link(hosted)).headers["Location"]).query)["t"][0]
        database = hosted.aws.client("dynamodb")
        tables = database.list_tables()["TableNames"]
        assert tables
        assert [name for name in tables if token in str(database.scan(TableName=name))] == []
