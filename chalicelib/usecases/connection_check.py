"""Try a connection out before a guest does: each thing that a booking will need, one step each."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial

from msgspec import Struct

from chalicelib.domain.connection import ConnectionState, Grant, status
from chalicelib.domain.deadline import NO_DEADLINE
from chalicelib.domain.guest_experience import GuestExperience
from chalicelib.domain.meeting import MeetingRequest, ProviderMeeting
from chalicelib.domain.meeting_plan import AccessState, GrantAccess
from chalicelib.errors import FailedCall, ProviderError, ReconnectNeeded, Rejected, TooManyRequests
from chalicelib.observability import log
from chalicelib.providers.base import OAuth, OAuthProvider, Provider
from chalicelib.store.connections import ConnectionStore, GrantStore
from chalicelib.store.ephemeral import EphemeralStore
from chalicelib.usecases.access_tokens import AccessTokens
from chalicelib.usecases.provider_calls import ProviderCalls

"""Somebody waits for the answer; and what was made has to be deleted, however late it is."""


CHECK_EVERY = timedelta(minutes=1)
_NOT_USABLE = {
    ConnectionState.NONE: "No account is connected. Open the settings page and connect one.",
    ConnectionState.PENDING: "The connection is not confirmed yet (POST /v1/users/{user_id}/connection/confirm).",
}


class Step(Struct, frozen=True):
    """One thing that was tried; `detail` says what to do if it failed."""

    name: str
    ok: bool
    detail: str | None = None


class Report(Struct, frozen=True):
    """What a check found out."""

    steps: tuple[Step, ...]
    guest_experience: GuestExperience | None = None
    """None where no meeting could be created."""

    @property
    def is_ok(self) -> bool:
        return all(step.ok for step in self.steps)


class ConnectionCheck:
    """Signs in as a settler does, and makes and deletes a disposable meeting."""

    def __init__(
        self,
        connections: ConnectionStore,
        grants: GrantStore,
        ephemeral: EphemeralStore,
        tokens: AccessTokens,
        caller: ProviderCalls,
        providers: Mapping[str, Provider],
        clock: Callable[[], datetime],
    ) -> None:
        self._connections = connections
        self._grants = grants
        self._ephemeral = ephemeral
        self._tokens = tokens
        self._caller = caller
        self._providers = providers
        self._clock = clock

    def check(self, workspace_id: str, user_id: str) -> Report:
        """Connection, token, scopes, account, making and deleting a meeting, up to the first step that fails.

        What guests will experience is read from that meeting before it is deleted. A grant that turns out to be dead is
        marked as broken, as settling would. Raises `TooManyRequests` within a minute of the last check of the same
        account: each one costs two calls of the host's daily limit.
        """
        connection = self._connections.get(workspace_id, user_id)
        grant = self._grants.get(connection.grant_id) if connection else None
        current = status(connection, grant)
        if grant is None or current.state in _NOT_USABLE or grant.provider not in self._providers:
            advice = _NOT_USABLE.get(current.state, "This deployment does not offer the account's provider any more.")
            return Report((Step("connection", False, advice),))
        now = self._clock()
        if not self._ephemeral.hold(f"check#{grant.id}", now + CHECK_EVERY, now):
            raise TooManyRequests("This account was checked less than a minute ago. Wait a minute, then check again.")
        done, seen = [Step("connection", True)], list[GuestExperience]()
        for name, act in self._steps(grant, self._providers[grant.provider], seen.append):
            try:
                act()
            except ProviderError as error:
                done.append(Step(name, False, _advice(error)))
                break
            done.append(Step(name, True))
        return Report(tuple(done), seen[0] if seen else None)

    def _steps(
        self, grant: Grant, provider: Provider, see: Callable[[GuestExperience], None]
    ) -> Iterator[tuple[str, Callable[[], object]]]:
        starts_at = self._clock().replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
        ends_at = starts_at + timedelta(minutes=30)
        title = "Connection check (deleted again at once)"
        request = MeetingRequest(secrets.token_hex(16), title, "", starts_at, ends_at, "UTC")
        made: list[ProviderMeeting] = []

        def call(verb: Callable[[str], object]) -> object:
            return self._caller.call(GrantAccess(AccessState.OPEN, grant), verb, NO_DEADLINE)

        def scopes(oauth: OAuth) -> None:
            missing = oauth.missing_scopes(frozenset(self._tokens.open(grant).scopes))
            if missing:
                what = f"these permissions are missing: {', '.join(sorted(missing))}"
                raise ReconnectNeeded(FailedCall(provider.name, what, code="missing_scopes"))

        yield "token", lambda: self._tokens.access_token(grant)
        if isinstance(provider, OAuthProvider):
            yield "scopes", partial(scopes, provider.oauth)
        yield "account", lambda: call(provider.read_account)
        yield "create_meeting", lambda: call(lambda token: made.append(provider.create(token, request)))
        see(self._guest_experience(grant, provider, made[0]))
        yield "delete_meeting", lambda: call(lambda token: provider.delete(token, made[0].id))

    def _guest_experience(self, grant: Grant, provider: Provider, meeting: ProviderMeeting) -> GuestExperience:
        """Raises nothing: the meeting still has to be deleted."""
        try:
            return self._caller.call(
                GrantAccess(AccessState.OPEN, grant),
                lambda token: provider.observe_guest_experience(token, meeting, grant.account),
                NO_DEADLINE,
            )
        except ProviderError as error:
            log.info("what guests experience cannot be read", provider=error.provider, status=error.status)
            return provider.guest_experience(grant.account)


def _advice(error: ProviderError) -> str:
    if isinstance(error, Rejected) and error.advice:
        return error.advice
    if error.code == "missing_scopes":
        return f"Reconnect and allow everything: {error.call.what}."
    if isinstance(error, ReconnectNeeded):
        return "The account has to be reconnected on the settings page."
    return f"{error.provider} did not do it ({error.call.what}). Try again in a moment."
