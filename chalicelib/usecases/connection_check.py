"""Check a connection before a guest depends on it: try everything that a booking needs."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import TypeVar

from msgspec import Struct

from chalicelib.domain.connection import ConnectionState, Grant, StepProblem, connection_status
from chalicelib.domain.deadline import NO_DEADLINE
from chalicelib.domain.grant_access import AccessState, GrantAccess
from chalicelib.domain.guest_experience import GuestExperience
from chalicelib.domain.meeting import MeetingRequest, ProviderMeeting
from chalicelib.errors import FailedCall, MeetlinkError, ProviderError, ReconnectNeeded, Rejected, TooManyRequests
from chalicelib.observability import log
from chalicelib.providers.base import OAuthProvider, Provider
from chalicelib.store.connections import ConnectionStore
from chalicelib.store.ephemeral import EphemeralStore
from chalicelib.store.grants import GrantStore
from chalicelib.usecases.access_tokens import AccessTokens
from chalicelib.usecases.provider_calls import ProviderCalls

T = TypeVar("T")
CHECK_EVERY = timedelta(minutes=1)
_NOT_USABLE = {ConnectionState.NONE: StepProblem.NO_ACCOUNT, ConnectionState.PENDING: StepProblem.NOT_CONFIRMED}
_ADVICE = {
    StepProblem.NO_ACCOUNT: "No account is connected. Open the settings page and connect one.",
    StepProblem.NOT_CONFIRMED: "The connection is not confirmed yet (POST /v1/users/{user_id}/connection/confirm).",
    StepProblem.NOT_OFFERED: "This deployment does not offer the account's provider any more.",
    StepProblem.MISSING_SCOPES: "Reconnect and allow everything: {what}.",
    StepProblem.RECONNECT: "The account has to be reconnected on the settings page.",
    StepProblem.NOT_COMPLETED: "{provider} did not complete the request ({what}). Try again in a moment.",
}


class Step(Struct, frozen=True):
    """One thing that was tried."""

    name: str
    ok: bool
    detail: str | None = None
    """What to do about a failure."""
    problem: StepProblem | None = None
    """The kind of failure; None if `detail` is the provider's own advice."""
    missing_scopes: tuple[str, ...] = ()


class Report(Struct, frozen=True):
    """The result of a check. The steps end with the first that failed."""

    steps: tuple[Step, ...]
    guest_experience: GuestExperience | None = None
    """None if no meeting could be created."""

    @property
    def is_ok(self) -> bool:
        return all(step.ok for step in self.steps)


class _CheckFailed(MeetlinkError):
    """A step failed, so the steps after it cannot be tried."""


class _MissingScopes(ReconnectNeeded):
    """The grant lacks scopes."""

    def __init__(self, provider: str, scopes: Sequence[str]) -> None:
        super().__init__(FailedCall(provider, f"these permissions are missing: {', '.join(scopes)}"))
        self.scopes = tuple(scopes)


class ConnectionCheck:
    """Signs in as settling does, and creates and deletes a disposable meeting.

    Calls have no deadline: a caller waits for the report, and the meeting must be deleted however late it is.
    """

    def __init__(
        self,
        connections: ConnectionStore,
        grants: GrantStore,
        ephemeral: EphemeralStore,
        tokens: AccessTokens,
        calls: ProviderCalls,
        providers: Mapping[str, Provider],
        clock: Callable[[], datetime],
    ) -> None:
        self._connections = connections
        self._grants = grants
        self._ephemeral = ephemeral
        self._tokens = tokens
        self._calls = calls
        self._providers = providers
        self._clock = clock

    def check(self, workspace_id: str, user_id: str) -> Report:
        """Check the connection, token, scopes, account, and creating and deleting a meeting.

        The guest experience is read from that meeting before it is deleted. A grant that turns out to be revoked is
        marked as broken, as in settling. Raises `TooManyRequests` within a minute of the last check of the same
        account, because each check costs two calls of the host's daily limit.
        """
        connection = self._connections.get(workspace_id, user_id)
        grant = self._grants.get(connection.grant_id) if connection else None
        current = connection_status(connection, grant)
        if grant is None or current.state in _NOT_USABLE or grant.provider not in self._providers:
            problem = _NOT_USABLE.get(current.state, StepProblem.NOT_OFFERED)
            return Report((Step("connection", False, _ADVICE[problem], problem),))
        now = self._clock()
        if not self._ephemeral.acquire(f"check#{grant.id}", now + CHECK_EVERY, now):
            raise TooManyRequests("This account was checked less than a minute ago. Wait a minute, then check again.")
        return self._check_grant(grant, self._providers[grant.provider])

    def _check_grant(self, grant: Grant, provider: Provider) -> Report:
        steps, experience = [Step("connection", True)], None
        request = self._meeting_request()
        with suppress(_CheckFailed):
            with _step("token", steps):
                self._tokens.access_token(grant)
            if isinstance(provider, OAuthProvider):
                with _step("scopes", steps):
                    self._check_scopes(grant, provider)
            with _step("account", steps):
                self._call(grant, provider.read_account)
            with _step("create_meeting", steps):
                meeting = self._call(grant, lambda token: provider.create(token, request))
            experience = self._guest_experience(grant, provider, meeting)
            with _step("delete_meeting", steps):
                self._call(grant, lambda token: provider.delete(token, meeting.id))
        return Report(tuple(steps), experience)

    def _meeting_request(self) -> MeetingRequest:
        starts_at = self._clock().replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
        ends_at = starts_at + timedelta(minutes=30)
        title = "Connection check (deleted again at once)"
        return MeetingRequest(secrets.token_hex(16), title, "", starts_at, ends_at, "UTC")

    def _check_scopes(self, grant: Grant, provider: OAuthProvider) -> None:
        missing = provider.oauth.missing_scopes(frozenset(self._tokens.open(grant).scopes))
        if missing:
            raise _MissingScopes(provider.name, sorted(missing))

    def _guest_experience(self, grant: Grant, provider: Provider, meeting: ProviderMeeting) -> GuestExperience:
        """Return what guests will experience. Raises no `ProviderError`: the meeting still has to be deleted."""
        try:
            return self._call(grant, lambda token: provider.observe_guest_experience(token, meeting, grant.account))
        except ProviderError as error:
            log.info("what guests experience cannot be read", provider=error.provider, status=error.status)
            return provider.guest_experience(grant.account)

    def _call(self, grant: Grant, verb: Callable[[str], T]) -> T:
        return self._calls.call(GrantAccess(AccessState.OPEN, grant), verb, NO_DEADLINE)


@contextmanager
def _step(name: str, steps: list[Step]) -> Iterator[None]:
    """Append a step for the block. Raises `_CheckFailed` if the block raises `ProviderError`."""
    try:
        yield
    except ProviderError as error:
        steps.append(_failed_step(name, error))
        raise _CheckFailed from error
    steps.append(Step(name, True))


def _failed_step(name: str, error: ProviderError) -> Step:
    """Return the step with what to do about the error."""
    if isinstance(error, Rejected) and error.advice:
        return Step(name, False, error.advice)
    problem = StepProblem.NOT_COMPLETED
    if isinstance(error, ReconnectNeeded):
        problem = StepProblem.MISSING_SCOPES if isinstance(error, _MissingScopes) else StepProblem.RECONNECT
    detail = _ADVICE[problem].format(provider=error.provider, what=error.call.what)
    return Step(name, False, detail, problem, error.scopes if isinstance(error, _MissingScopes) else ())
