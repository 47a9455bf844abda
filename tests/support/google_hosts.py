"""The product with Google Meet and Zoom, and how many entries of a booking a person's calendar shows."""

from __future__ import annotations

from random import Random

from infra.local.standins.faults import Action, Fault
from infra.local.standins.google import ORIGINS, Google, create_app
from infra.local.standins.oauth_rules import Person
from infra.local.visitor import press, sign_in_and_consent
from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.mailbox import Mailbox
from tests.support.product import ACCOUNT, APP, SECOND_ACCOUNT, WORKSPACE, Letter, Product, calendar, with_offers

HOST, OTHER_HOST = ACCOUNT.email, SECOND_ACCOUNT.email
_PEOPLE = {
    email: Person(f"10000000000000000000{number}", email, "password-1", "Demo Host")
    for number, email in enumerate((HOST, OTHER_HOST), 1)
}
EVENTS = "/calendar/v3/"


class GoogleHosts:
    """u-1 hosts the calendars c-1 (video) and c-9 (phone), u-2 hosts c-2."""

    def __init__(self, aws: Aws, clock: FakeClock) -> None:
        self.google = Google(
            client_id="client-1",
            client_secret="google-secret-1",
            redirect_uris=[f"{APP}/oauth/google_meet/callback"],
            accounts=_PEOPLE.values(),
            clock=clock,
            random=Random(1),
        )
        own = {"GOOGLE_MEET_CLIENT_ID": "client-1", "GOOGLE_MEET_CLIENT_SECRET": "google-secret-1"}
        self.product = Product(aws, clock, stand_ins=dict.fromkeys(ORIGINS, create_app(self.google)), **own)

    def connect(self, user_id: str = "u-1", email: str = HOST, *, host_email: str | None = None) -> None:
        """Connect a user at Google Meet, and put their calendars. `host_email`: the address that they host under."""
        browser = self.product.browser()
        settings = with_offers(browser, self.product.open_settings(browser, user_id))
        leave = press(browser, settings, "/oauth/google_meet/start", follow=False)
        back = sign_in_and_consent(self.product.browser(), leave.headers["Location"], email, "password-1")
        assert browser.get(back, follow_redirects=True).status_code == 200
        self.put_calendars(user_id, host_email or email)

    def put_calendars(self, user_id: str, email: str) -> None:
        number, name = user_id.removeprefix("u-"), f"Host {user_id}"
        places = {f"c-{number}": "video"}
        if user_id == "u-1":
            places["c-9"] = "phone"
        for calendar_id, place in places.items():
            body = calendar(place, user_id=user_id)
            body["host"] |= {"name": name, "email": email}
            assert self.product.caller().put(f"/v1/calendars/{calendar_id}", json=body).is_success, body

    def go_down(self) -> None:
        """Google Calendar refuses everything, and does nothing."""
        self.google.faults.add(Fault(EVENTS, Action.BEFORE, status=503, times=None))

    def come_back(self) -> None:
        self.google.faults.clear()

    def event_writes(self) -> int:
        """How many events were created, changed or deleted, or tried to be."""
        return sum(call.method != "GET" and call.path.startswith(EVENTS) for call in self.google.faults.calls)

    def entries(self, email: str, booking_id: str = "b-1") -> int:
        """How many entries of the booking a calendar shows: our invitation, and the events that are known of it."""
        letters = [letter.raw for letter in self.letters(email, booking_id)]
        known = self.known_events(booking_id)
        events = [held for held in self.google.held_events() if held.owner == email and held.id in known]
        return len(Mailbox().receive(letters).entries) + len(events)

    def letters(self, email: str, booking_id: str = "b-1") -> list[Letter]:
        return [letter for letter in self.product.mails.to(email) if letter.invite.booking_id == booking_id]

    def known_events(self, booking_id: str = "b-1") -> set[str | None]:
        """The meetings that the product can still change; those of accounts that it lost are out of its reach."""
        record = self.product.services.booking_store.get(WORKSPACE, booking_id)
        if record is None:
            return set()
        return {meeting.id for meeting in (record.settlement.meeting, *record.settlement.leftovers)}

    def rest(self) -> None:
        """Let the product settle everything, with all delays of retries."""
        self.product.settle()
        for seconds in (20, 70, 900, 960):
            self.product.tick(seconds)
