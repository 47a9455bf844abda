"""The example booking page, against a fake of the product's API."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from flask.testing import FlaskClient
from markupsafe import escape
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from chalicelib.domain.reason_texts import MEETING_REASON_TEXTS
from infra.local.console import Demo, Mailbox, create_console

NOW = datetime(2027, 1, 4, 12, 0, tzinfo=UTC)  # a Monday
API_KEY = "mk_secret-of-the-demo"
DEMO = Demo(
    app_url="http://app.test",
    console_url="http://console.test",
    workspace_id="w-1",
    api_key=API_KEY,
    user_id="u-1",
    host_name="Demo Host",
    host_email="host@example.com",
    calendar_id="c-1",
    provider_url="http://zoom.test",
    provider_email="host@example.com",
    provider_password="zoom-demo",
)
FORM = {
    "form_id": "f-1",
    "date": "2027-01-05",
    "time": "16:00",
    "time_zone": "Europe/Berlin",
    "name": "Demo Guest",
    "email": "guest@example.com",
    "note": "The new garden",
}


class FakeApi:
    """Answers as DESIGN section 7 says; tests set what it knows and read what it was asked."""

    def __init__(self) -> None:
        self.calendar: dict[str, Any] = {
            "id": "c-1",
            "name": "First consultation",
            "host": {"user_id": "u-1", "name": "Demo Host", "email": "host@example.com"},
            "location": {"type": "video"},
        }
        self.connection: dict[str, Any] = {
            "user_id": "u-1",
            "state": "connected",
            "reason": None,
            "provider": "zoom",
            "account": {"id": "a-1", "email": "host@example.com"},
        }
        self.bookings: dict[str, dict[str, Any]] = {}
        self.refusal: httpx.Response | None = None
        self.requests: list[httpx.Request] = []
        self.is_down = False

    @property
    def puts(self) -> list[dict[str, Any]]:
        return [json.loads(request.content) for request in self.requests if request.method == "PUT"]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.is_down:
            raise httpx.ConnectError("refused", request=request)
        if request.headers.get("Authorization") != f"Bearer {API_KEY}":
            return httpx.Response(401)
        if self.refusal is not None and request.method != "GET":
            return self.refusal
        match request.method, request.url.path.split("/")[2:]:
            case "GET", ["calendars", "c-1"]:
                return httpx.Response(200, json=self.calendar)
            case "PUT", ["calendars", "c-1"]:
                self.calendar |= json.loads(request.content)
                return httpx.Response(200, json=self.calendar)
            case "GET", ["users", "u-1", "connection"]:
                return httpx.Response(200, json=self.connection)
            case "POST", ["users", "u-1", "connect-links"]:
                return httpx.Response(
                    200, json={"url": "http://app.test/connect/t-1", "expires_at": "2027-01-04T12:10:00Z"}
                )
            case "PUT", ["bookings", booking_id]:
                self.bookings[booking_id] = booking(booking_id, **json.loads(request.content))
                return httpx.Response(201, json=self.bookings[booking_id])
            case "GET", ["bookings", booking_id] if booking_id in self.bookings:
                return httpx.Response(200, json=self.bookings[booking_id])
            case "DELETE", ["bookings", booking_id] if booking_id in self.bookings:
                self.bookings[booking_id] |= {"status": "cancelled"}
                return httpx.Response(200, json=self.bookings[booking_id])
            case "POST", ["bookings", booking_id, "retry"] if booking_id in self.bookings:
                return httpx.Response(202, json=self.bookings[booking_id])
        return httpx.Response(404, json={"title": "Not found", "detail": "There is no such booking."})


def booking(booking_id: str = "b-1", **changes: Any) -> dict[str, Any]:
    """A booking as the API answers it, pending unless told otherwise."""
    return {
        "id": booking_id,
        "revision": 1,
        "status": "confirmed",
        "calendar_id": "c-1",
        "host": {"user_id": "u-1", "name": "Demo Host", "email": "host@example.com"},
        "starts_at": "2027-01-05T15:00:00Z",
        "ends_at": "2027-01-05T15:30:00Z",
        "time_zone": "Europe/Berlin",
        "title": "First consultation: Demo Guest",
        "description": "The new garden",
        "guests": [{"name": "Demo Guest", "email": "guest@example.com", "time_zone": "Europe/Berlin"}],
        "metadata": {"source": "example"},
        "meeting": meeting("pending"),
        "invitations": [],
    } | changes


def meeting(state: str, reason: str | None = None, **more: Any) -> dict[str, Any]:
    """A meeting as the API answers it."""
    nothing = {"provider": "zoom", "join_url": None, "passcode": None, "dial_in": [], "attempts": 0}
    return nothing | {"next_attempt_at": None, "state": state, "reason": reason} | more


READY = meeting("ready", join_url="https://zoom.example/j/811?pwd=x", passcode="482913", attempts=1)
SENT = [
    {"email": "host@example.com", "role": "host", "sequence": 0, "state": "sent", "sent_at": "2027-01-04T12:00:03Z"},
    {"email": "guest@example.com", "role": "guest", "sequence": 0, "state": "sent", "sent_at": "2027-01-04T12:00:03Z"},
]


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def browser(api: FakeApi) -> FlaskClient:
    return create_console(DEMO, Mailbox(), transport=httpx.MockTransport(api), clock=lambda: NOW).test_client()


def submit(browser: FlaskClient, **changes: str) -> TestResponse:
    return browser.post("/book", data=MultiDict(FORM | changes))


def test_the_form_names_calendar_and_host_and_offers_working_days_from_tomorrow(browser: FlaskClient) -> None:
    page = browser.get("/book").text
    assert "First consultation" in page
    assert "Demo Host" in page
    days = re.findall(r'name="date" value="([0-9-]+)"', page)
    assert (days[0], days[3], days[4], len(days)) == ("2027-01-05", "2027-01-08", "2027-01-11", 10)


def test_every_input_of_the_form_has_a_label(browser: FlaskClient) -> None:
    page = browser.get("/book").text
    fields = re.findall(r'<(?:input|select|textarea) id="([a-z_]+)"', page)
    assert fields == ["time_zone", "name", "email", "note"]
    assert all(f'<label for="{field}">' in page for field in fields)


def test_booking_sends_the_chosen_time_in_utc_and_the_guest(browser: FlaskClient, api: FakeApi) -> None:
    submit(browser)
    assert api.puts == [
        {
            "calendar_id": "c-1",
            "starts_at": "2027-01-05T15:00:00Z",
            "ends_at": "2027-01-05T15:30:00Z",
            "time_zone": "Europe/Berlin",
            "title": "First consultation: Demo Guest",
            "description": "The new garden",
            "guests": [{"name": "Demo Guest", "email": "guest@example.com", "time_zone": "Europe/Berlin"}],
        }
    ]


def test_booking_leads_to_the_page_of_the_booking(browser: FlaskClient, api: FakeApi) -> None:
    answer = submit(browser)
    assert answer.status_code == 303
    assert answer.location == f"/book/{next(iter(api.bookings))}"


def test_a_form_sent_twice_makes_one_booking(browser: FlaskClient, api: FakeApi) -> None:
    submit(browser)
    submit(browser)
    assert len(api.bookings) == 1


def test_the_form_changed_after_going_back_makes_another_booking(browser: FlaskClient, api: FakeApi) -> None:
    submit(browser)
    submit(browser, time="16:30")
    assert len(api.bookings) == 2


def test_two_visits_of_the_form_make_two_bookings_of_the_same_time(browser: FlaskClient, api: FakeApi) -> None:
    for _ in range(2):
        form_id = re.search(r'name="form_id" value="([^"]+)"', browser.get("/book").text)
        assert form_id is not None
        submit(browser, form_id=form_id[1])
    assert len(api.bookings) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": " "}, "Enter your name."),
        ({"email": "guest"}, "Enter your e-mail address."),
        ({"time_zone": "Mars/Olympus"}, "Choose your time zone."),
        ({"time": ""}, "Choose a day and a time."),
        ({"date": "2027-01-04", "time": "09:00"}, "This time has passed."),
    ],
)
def test_a_wrong_entry_is_told_and_books_nothing(
    browser: FlaskClient, api: FakeApi, changes: dict[str, str], message: str
) -> None:
    answer = submit(browser, **changes)
    assert answer.status_code == 422
    assert message in answer.text
    assert api.bookings == {}


def test_a_problem_of_the_api_is_shown_and_the_entries_are_kept(browser: FlaskClient, api: FakeApi) -> None:
    errors = [{"pointer": "/guests/0/email", "detail": "This is not an address."}]
    api.refusal = httpx.Response(422, json={"title": "Invalid booking", "detail": "See errors.", "errors": errors})
    answer = submit(browser)
    assert answer.status_code == 422
    assert "Invalid booking" in answer.text
    assert "E-mail: This is not an address." in answer.text
    assert 'value="guest@example.com"' in answer.text


def test_after_an_unclear_answer_the_same_form_makes_the_same_booking(browser: FlaskClient, api: FakeApi) -> None:
    api.refusal = httpx.Response(504)
    assert 'name="form_id" value="f-1"' in submit(browser).text


def test_an_app_that_does_not_answer_is_told_as_such(browser: FlaskClient, api: FakeApi) -> None:
    api.is_down = True
    answer = browser.get("/book")
    assert answer.status_code == 502
    assert "Nothing answers at http://app.test" in answer.text


def test_only_the_start_page_sends_the_key_to_the_browser(browser: FlaskClient, api: FakeApi) -> None:
    api.bookings["b-1"] = booking(meeting=READY, invitations=SENT)
    pages = [browser.get(path).text for path in ("/book", "/book/b-1", "/book/b-1/live", "/inbox")]
    assert not any(API_KEY in page for page in pages)
    assert f"export MEETLINK_KEY={API_KEY}" in browser.get("/").text


def test_a_ready_booking_shows_its_link_and_its_time_in_the_guests_zone(browser: FlaskClient, api: FakeApi) -> None:
    api.bookings["b-1"] = booking(meeting=READY, invitations=SENT)
    page = browser.get("/book/b-1").text
    assert "The video link is ready" in page
    assert 'href="https://zoom.example/j/811?pwd=x"' in page
    assert "Tuesday, 5 January 2027, 16:00–16:30" in page


def test_invitations_lead_to_the_inbox_of_their_recipient(browser: FlaskClient, api: FakeApi) -> None:
    api.bookings["b-1"] = booking(meeting=READY, invitations=SENT)
    page = browser.get("/book/b-1").text
    assert 'href="/inbox?to=guest@example.com"' in page
    assert page.count(">Sent<") == 2


@pytest.mark.parametrize(
    ("state", "reason", "headline", "why"),
    [
        ("pending", None, "Making the video link", "a few seconds"),
        ("waiting", "provider_unavailable", "The video link will follow", MEETING_REASON_TEXTS["provider_unavailable"]),
        ("waiting", "reconnect_needed", "The video link will follow", MEETING_REASON_TEXTS["reconnect_needed"]),
        ("failed", "provider_rejected", "No video link could be made", "refused"),
        ("none", "not_connected", "Booked, without a video link", MEETING_REASON_TEXTS["not_connected"]),
        ("waiting", "a_new_reason", "The video link will follow", "a new reason"),
    ],
)
def test_state_and_reason_are_told_in_words(
    browser: FlaskClient, api: FakeApi, state: str, reason: str | None, headline: str, why: str
) -> None:
    api.bookings["b-1"] = booking(meeting=meeting(state, reason))
    page = browser.get("/book/b-1").text
    assert headline in page
    assert escape(why) in page


def test_watching_a_booking_asks_the_api_to_wait(browser: FlaskClient, api: FakeApi) -> None:
    api.bookings["b-1"] = booking()
    update = browser.get("/book/b-1/live").get_json()
    assert api.requests[-1].headers["Prefer"] == "wait=5"
    assert "Making the video link" in update["html"]


def test_what_watching_shows_is_what_the_page_shows(browser: FlaskClient, api: FakeApi) -> None:
    api.bookings["b-1"] = booking(meeting=READY, invitations=SENT)
    assert browser.get("/book/b-1/live").get_json()["html"] in browser.get("/book/b-1").text


def test_rescheduling_moves_the_time_and_keeps_the_rest(browser: FlaskClient, api: FakeApi) -> None:
    api.bookings["b-1"] = booking(meeting=READY)
    answer = browser.post("/book/b-1/reschedule", data={"date": "2027-01-06", "time": "09:30"})
    assert answer.location == "/book/b-1"
    kept = ("calendar_id", "time_zone", "title", "description", "guests", "metadata")
    times = {"starts_at": "2027-01-06T08:30:00Z", "ends_at": "2027-01-06T09:00:00Z"}
    assert api.puts == [{key: booking()[key] for key in kept} | times]


def test_a_cancelled_booking_offers_no_link_and_no_further_change(browser: FlaskClient, api: FakeApi) -> None:
    api.bookings["b-1"] = booking(meeting=READY)
    page = browser.post("/book/b-1/cancel", follow_redirects=True).text
    assert "Cancelled" in page
    assert "https://zoom.example" not in page
    assert "Reschedule" not in page


def test_a_waiting_booking_can_be_tried_again_now(browser: FlaskClient, api: FakeApi) -> None:
    api.bookings["b-1"] = booking(meeting=meeting("waiting", "rate_limited"))
    assert 'action="/book/b-1/retry"' in browser.get("/book/b-1").text
    browser.post("/book/b-1/retry")
    assert api.requests[-1].url.path == "/v1/bookings/b-1/retry"


@pytest.mark.parametrize("booking_id", ["b-unknown", "..", "b%20c"])
def test_an_unknown_booking_is_not_found(browser: FlaskClient, booking_id: str) -> None:
    assert browser.get(f"/book/{booking_id}").status_code == 404


def test_without_a_connection_the_page_leads_to_the_settings_page(browser: FlaskClient, api: FakeApi) -> None:
    api.connection = {"user_id": "u-1", "state": "none", "reason": "not_connected", "provider": None, "account": None}
    page = browser.get("/book").text
    assert "Video is not available yet" in page
    assert 'action="/connect"' in page


def test_connect_opens_the_settings_page_for_the_host(browser: FlaskClient, api: FakeApi) -> None:
    answer = browser.post("/connect")
    assert (answer.status_code, answer.location) == (303, "http://app.test/connect/t-1")
    asked = json.loads(api.requests[-1].content)
    assert asked == {"return_to": "http://console.test/book", "name": "Demo Host", "email": "host@example.com"}


def test_once_connected_the_calendar_can_be_moved_to_video(browser: FlaskClient, api: FakeApi) -> None:
    api.calendar["location"] = {"type": "phone"}
    assert "Video is available now" in browser.get("/book").text
    page = browser.post("/book/video", follow_redirects=True).text
    assert api.calendar["location"] == {"type": "video"}
    assert "Video is available now" not in page


def test_a_hostile_title_stays_text(browser: FlaskClient, api: FakeApi) -> None:
    api.bookings["b-1"] = booking(title="<script>x</script>", meeting=meeting("ready", join_url="javascript:x()"))
    page = browser.get("/book/b-1").text
    assert "<script>x" not in page
    assert 'href="javascript:' not in page


def test_the_start_page_stands_while_the_app_is_down(browser: FlaskClient, api: FakeApi) -> None:
    api.is_down = True
    answer = browser.get("/")
    assert answer.status_code == 200
    assert "The app cannot be reached" in answer.text


def test_the_start_page_says_how_to_sign_in_at_the_stand_in_provider(browser: FlaskClient) -> None:
    page = browser.get("/").text
    assert "http://zoom.test" in page
    assert "zoom-demo" in page


def test_demo_json_gives_scripts_the_facts_of_the_stack(browser: FlaskClient) -> None:
    assert browser.get("/demo.json").get_json() == {
        "app_url": "http://app.test",
        "console_url": "http://console.test",
        "workspace_id": "w-1",
        "api_key": API_KEY,
        "user_id": "u-1",
        "host": {"name": "Demo Host", "email": "host@example.com"},
        "calendar_id": "c-1",
        "provider": "zoom",
        "provider_url": "http://zoom.test",
    }


def test_pages_load_nothing_from_elsewhere(browser: FlaskClient) -> None:
    answer = browser.get("/")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    loaded = re.findall(r'<(?:script|img|link|iframe)[^>]+(?:src|href)="([^"]+)"', answer.text)
    assert loaded
    assert all(address.startswith("/static/") for address in loaded)
