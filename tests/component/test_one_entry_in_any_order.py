"""One entry per person, whatever hosts, callers and Google do, and in any order: against a small model.

After each step the product comes to rest. The emails are read as a calendar would, and Google's calendars are counted.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from moto import mock_aws

from infra.local.aws import REGION
from tests.support.aws import furnish_moto
from tests.support.clock import FakeClock
from tests.support.examples import examples
from tests.support.google_hosts import HOST, OTHER_HOST, GoogleHosts
from tests.support.product import ACCOUNT, GUEST, SECOND_ACCOUNT, booking

PEOPLE = {
    GUEST["email"]: GUEST,
    HOST: {"name": "Demo Host", "email": HOST},
    OTHER_HOST: {"name": "Second Host", "email": OTHER_HOST},
}
HOSTS = {"c-1": HOST, "c-2": OTHER_HOST, "c-9": HOST}
USERS = {"u-1": (HOST, ACCOUNT), "u-2": (OTHER_HOST, SECOND_ACCOUNT)}


class Entries(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.parts = ExitStack()
        patch = self.parts.enter_context(pytest.MonkeyPatch.context())
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        self.parts.enter_context(mock_aws())
        self.hosts = GoogleHosts(furnish_moto("moto-"), FakeClock())
        self.is_down = False
        self.recipients: set[str] = set()
        self.is_ended = False
        for user_id, (email, _) in USERS.items():
            self.hosts.connect(user_id, email)
        self.put("c-1", 30, {GUEST["email"]})

    @rule(
        calendar_id=st.sampled_from(sorted(HOSTS)),
        day=st.integers(30, 33),
        guests=st.sets(st.sampled_from(sorted(PEOPLE)), min_size=1, max_size=2),
    )
    def put(self, calendar_id: str, day: int, guests: set[str]) -> None:
        body = booking(calendar_id, days=day, guests=[PEOPLE[email] for email in sorted(guests)])
        answer = self.hosts.product.caller().put("/v1/bookings/b-1", json=body)
        assert answer.status_code == 409 if self.is_ended else answer.is_success, answer.text
        if not self.is_ended:
            self.recipients = {HOSTS[calendar_id], *guests}
        self.hosts.rest()

    @rule()
    def cancel(self) -> None:
        assert self.hosts.product.caller().delete("/v1/bookings/b-1").status_code == 200
        self.recipients, self.is_ended = set(), True
        self.hosts.rest()

    @rule(user_id=st.sampled_from(sorted(USERS)))
    def connect_google(self, user_id: str) -> None:
        self.hosts.connect(user_id, USERS[user_id][0])
        self.hosts.rest()

    @rule(user_id=st.sampled_from(sorted(USERS)))
    def connect_zoom(self, user_id: str) -> None:
        self.hosts.product.connect(user_id, USERS[user_id][1])
        self.hosts.rest()

    @rule(user_id=st.sampled_from(sorted(USERS)))
    def disconnect(self, user_id: str) -> None:
        self.hosts.product.caller().delete(f"/v1/users/{user_id}/connection")
        self.hosts.rest()

    @rule()
    def google_goes_down(self) -> None:
        self.hosts.go_down()
        self.is_down = True

    @rule()
    def google_comes_back(self) -> None:
        self.hosts.come_back()
        self.is_down = False
        self.hosts.rest()

    @invariant()
    def each_recipient_has_one_entry_and_no_one_else_has_any(self) -> None:
        entries = {email: self.hosts.entries(email) for email in PEOPLE}
        assert {email: n for email, n in entries.items() if n > 1} == {}
        if not self.is_down:
            assert {email for email, number in entries.items() if number} == self.recipients, entries

    def teardown(self) -> None:
        if hasattr(self, "parts"):
            self.parts.close()


# Without shrinking: each example takes a second, and the steps of a failing one are printed anyway.
Entries.TestCase.settings = examples(20, stateful_step_count=10, deadline=None, phases=[Phase.explicit, Phase.generate])
TestEntries: Any = Entries.TestCase
