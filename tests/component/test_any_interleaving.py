"""The promises of the design, section 2, over the API: any order of what admins, callers and Zoom do, with a model.

Two workspaces with two users each share two Zoom accounts. Everything goes through HTTP, the real pages and the
stand-in Zoom; after each step the product comes to rest.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from moto import mock_aws

from infra.local.aws import REGION
from tests.support.aws import furnish_moto
from tests.support.clock import FakeClock
from tests.support.examples import examples
from tests.support.product import ACCOUNT, SECOND_ACCOUNT, Product, booking, calendar

Owner = tuple[str, str]  # workspace, user
OWNERS = st.sampled_from([(workspace, user) for workspace in ("ws-1", "ws-2") for user in ("u-1", "u-2")])
ACCOUNTS = {account.user_id: account for account in (ACCOUNT, SECOND_ACCOUNT)}
NAMES = st.sampled_from(["b-1", "b-2", "b-3"])
# A connection, told apart from the next one to the same account.
Connected = tuple[str, int]


@dataclass
class Booked:
    """What the model knows: who hosts, under which connection it was made, whether it had a link."""

    owner: Owner
    made_under: Connected | None
    link: str | None = None
    is_cancelled: bool = False
    is_given_up: bool = False  # Its connection ended before it had a link: it never gets one.


class Promises(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.parts = ExitStack()
        patch = self.parts.enter_context(pytest.MonkeyPatch.context())
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        self.parts.enter_context(mock_aws())
        self.clock = FakeClock()
        self.product = Product(furnish_moto("moto-"), self.clock)
        self.connections: dict[Owner, Connected] = {}
        self.broken: set[str] = set()
        self.bookings: dict[tuple[str, str], Booked] = {}
        self.count = 0
        for workspace in ("ws-1", "ws-2"):
            for user in ("u-1", "u-2"):
                self.product.connect(user, workspace_id=workspace)
                self.connections[workspace, user] = (ACCOUNT.user_id, 0)
                made = self.product.caller(workspace).put(f"/v1/calendars/c-{user}", json=calendar(user_id=user))
                assert made.status_code == 201

    @rule(owner=OWNERS, account=st.sampled_from(sorted(ACCOUNTS)))
    def connect(self, owner: Owner, account: str) -> None:
        self.product.connect(owner[1], ACCOUNTS[account], workspace_id=owner[0])
        self.broken.discard(account)
        if self.connections.get(owner, ("", 0))[0] != account:
            self.count += 1
            self.end(owner)
            self.connections[owner] = (account, self.count)
        self.rest()

    @rule(owner=OWNERS)
    def disconnect(self, owner: Owner) -> None:
        assert self.product.caller(owner[0]).delete(f"/v1/users/{owner[1]}/connection").status_code == 204
        self.end(owner)
        self.rest()

    @rule(account=st.sampled_from(sorted(ACCOUNTS)))
    def zoom_forgets_the_account(self, account: str) -> None:
        with self.product.zoom.lock:
            self.product.zoom.identity.end_grant(account)
        if any(connected[0] == account for connected in self.connections.values()):
            self.broken.add(account)

    @rule(owner=OWNERS, name=NAMES, day=st.integers(30, 40))
    def put(self, owner: Owner, name: str, day: int) -> None:
        key = (owner[0], name)
        known = self.bookings.get(key)
        body = booking(f"c-{owner[1]}", days=day)
        answer = self.product.caller(owner[0]).put(f"/v1/bookings/{name}", json=body)
        if known is not None and known.is_cancelled:
            assert answer.status_code == 409
            return
        assert answer.is_success, answer.text
        if known is None or known.owner != owner:
            self.bookings[key] = Booked(owner, self.connections.get(owner))
        self.rest()

    @rule(owner=OWNERS, name=NAMES)
    def cancel(self, owner: Owner, name: str) -> None:
        known = self.bookings.get((owner[0], name))
        status = self.product.caller(owner[0]).delete(f"/v1/bookings/{name}").status_code
        assert status == (404 if known is None else 200)
        if known is not None:
            known.is_cancelled = True
        self.rest()

    @invariant()
    def every_promise_is_kept(self) -> None:
        links: list[str] = []
        for (workspace, name), known in self.bookings.items():
            meeting = self.product.caller(workspace).get(f"/v1/bookings/{name}").json()["meeting"]
            link = meeting["join_url"]
            if known.is_cancelled:
                continue
            links += [link] if link else []
            if known.link is not None:
                assert link == known.link, "a link that was given stays"
            elif known.made_under is None or known.is_given_up:
                assert (meeting["state"], link) == ("none", None)
            elif known.made_under[0] in self.broken:
                assert meeting["state"] in ("waiting", "pending", "ready")
            else:
                assert meeting["state"] == "ready", meeting
            if link and known.made_under:
                hosts = {m.host_user_id for m in self.product.zoom.meetings.values() if f"/j/{m.id}" in link}
                assert hosts == {known.made_under[0]}, "it is the host's own account that holds it"
            known.link = link
        assert len(links) == len(set(links))

    def end(self, owner: Owner) -> None:
        """The owner's connection ends: what waited for it gets no link any more."""
        if self.connections.pop(owner, None) is not None:
            for known in self.bookings.values():
                known.is_given_up |= known.owner == owner and known.link is None

    def rest(self) -> None:
        self.product.settle()
        self.product.tick()

    def teardown(self) -> None:
        if hasattr(self, "parts"):
            self.parts.close()


# Without shrinking: each example takes a second, and the steps of a failing one are printed anyway.
Promises.TestCase.settings = examples(12, stateful_step_count=12, phases=[Phase.explicit, Phase.generate])
TestPromises = Promises.TestCase
