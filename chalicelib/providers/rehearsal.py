"""The provider of test workspaces: meetings that exist only here, in the state that the booking's title asks for."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from chalicelib.domain.cohost import CohostResult, CohostState
from chalicelib.domain.connection import Account
from chalicelib.domain.guest_experience import GuestEntry, GuestExperience, Moderator
from chalicelib.domain.meeting import MeetingRequest, ProviderMeeting
from chalicelib.domain.meeting_settings import EVERY_SETTING
from chalicelib.domain.workspace import TEST_PROVIDER
from chalicelib.errors import FailedCall, ProviderUnavailable, Rejected
from chalicelib.providers.base import KeyField
from chalicelib.providers.cohost_changes import CohostChange
from chalicelib.providers.http_client import HttpClient
from chalicelib.providers.rooms import RoomProvider

_SLOW_SECONDS = 5.0
_WAIT = timedelta(minutes=5)
_LINK = "https://example.com/test-meeting/{tag}"
_FAILS = "This is a test: the title contains “fail”. Change the title to get a link."


class Rehearsal(RoomProvider):
    """Creates at once, unless the title contains the word `fail`, `wait` or `slow`."""

    name = TEST_PROVIDER
    display_name = "Test"
    needs = "No account. The meetings of a test workspace exist only in meetlink."
    urls = {}
    possible_settings = EVERY_SETTING
    adds_cohosts = True
    fields = (KeyField("account", "Account", "Any name.", optional=True),)

    def __init__(
        self,
        http: HttpClient,
        clock: Callable[[], datetime],
        urls: Mapping[str, str] | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(http, clock, urls)
        self._sleep = sleep

    def read_key(self, values: Mapping[str, str]) -> str:
        return values.get("account") or self.display_name

    def read_account(self, token: str) -> Account:
        return Account(token, "", token)

    def guest_experience(self, account: Account) -> GuestExperience:
        return GuestExperience(GuestEntry.DIRECT, Moderator.FIRST_TO_ARRIVE)

    def create(self, token: str, request: MeetingRequest) -> ProviderMeeting:
        words = set(re.findall(r"\w+", request.title.lower()))
        call = FailedCall(self.name, "the title asks for it")
        if "fail" in words:
            raise Rejected(call, advice=_FAILS)
        if "wait" in words:
            # An outage would open the circuit for every test workspace.
            raise ProviderUnavailable(call, retry_at=self.now() + _WAIT, reason="rate_limited")
        if "slow" in words:
            self._sleep(_SLOW_SECONDS)
        return ProviderMeeting(request.tag, _LINK.format(tag=request.tag), settings=request.settings)

    def update(self, token: str, meeting_id: str, request: MeetingRequest) -> ProviderMeeting | None:
        return ProviderMeeting(meeting_id, _LINK.format(tag=meeting_id), settings=request.settings)

    def set_cohosts(self, token: str, meeting_id: str, change: CohostChange) -> tuple[CohostResult, ...]:
        return tuple(CohostResult(email, CohostState.HOST) for email in change.emails)
