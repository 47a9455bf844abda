"""State and rules of the stand-in: an app registered with Zoom, its people and their meetings."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from datetime import timedelta
from random import Random, SystemRandom
from typing import Any

import httpx

from infra.local.standins.base import Clock, utc_now
from infra.local.standins.faults import Faults
from infra.local.standins.identity import Identity
from infra.local.standins.oauth_rules import DeadToken, OAuthRefusal, Person, RedirectMismatch, Refresh, Rules
from infra.local.standins.zoom import webhooks
from infra.local.standins.zoom.accounts import APP_SCOPES, SCOPE_TEXTS, Account
from infra.local.standins.zoom.limits import Limits
from infra.local.standins.zoom.meetings import Meeting, Meetings
from infra.local.standins.zoom.minting import Mint
from infra.local.standins.zoom.sessions import Sessions

_RULES = Rules(
    authorize_path="/oauth/authorize",
    token_path="/oauth/token",  # noqa: S106
    revoke_path="/oauth/revoke",
    scopes=SCOPE_TEXTS,
    refresh=Refresh.SINGLE_USE,  # Without a grace period.
    basic_auth=True,
    client_error_status=400,  # github.com/JubaerHossain/zoom-laravel/issues/3 (4702, 4706)
    revokes_live_access_tokens_only=True,
    revoke_response={"status": "success"},
    # "Re-authorising the same user + app revokes the earlier pair": zoom/skills `oauth-errors.md`, 4741.
    one_grant_per_person=True,
    refresh_life=timedelta(days=90),
    token_type="bearer",  # noqa: S106
    error_numbers={"client_id": 4702, "redirect_uri": 4700},
)
"""developers.zoom.us/docs/integrations/oauth and zoom/skills `oauth/concepts/token-lifecycle.md`."""


class Zoom:
    """State and rules of the stand-in Zoom. Hold `lock` while you use `limits` or `held`."""

    app_name = "Meetlink"
    api_url = "https://api.zoom.us"
    """Part of token responses."""
    web_url = "https://zoom.us"
    """The base of join and start links. With the stand-in's own address, join links open its pages."""
    scopes: tuple[str, ...] = APP_SCOPES
    """The scopes that the app asks for. Consent grants those of them that the person can grant."""
    lists_agenda = True
    """Whether lists contain agendas. They do by the documentation, but none was recorded."""

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        webhook_secret: str,
        redirect_uris: Iterable[str],
        accounts: Iterable[Account],
        clock: Clock = utc_now,
        webhook_url: str | None = None,
        webhook_transport: httpx.BaseTransport | None = None,
        random: Random | None = None,
    ) -> None:
        """`webhook_transport` carries events; None uses the network."""
        self.webhook_secret = webhook_secret
        self.clock = clock
        self.webhook_url = webhook_url
        self.webhook_transport = webhook_transport
        self.lock = threading.RLock()
        self.faults = Faults()
        random = random or SystemRandom()
        self.mint = Mint(random)
        self.identity = Identity(
            "Zoom",
            _RULES,
            [],
            clock,
            random,
            client_id=client_id,
            client_secret=client_secret,
            redirect_uris=frozenset(redirect_uris),
            error_body=_oauth_error,
            app_scopes=self.scopes_of,
            more_token_values=lambda: {"api_url": self.api_url},
        )
        self.accounts: dict[str, Account] = {}
        for account in accounts:
            self.add_account(account)
        self.limits = Limits(clock)
        self.held = Meetings(clock, self.mint)
        self.sessions = Sessions(self)
        self._pending: list[tuple[str, dict[str, Any]]] = []

    def add_account(self, account: Account) -> None:
        """Add a person who can sign in."""
        self.accounts[account.user_id] = account
        self.identity.people[account.email.lower()] = account.person()

    def scopes_of(self, person: Person | None) -> tuple[str, ...]:
        """Return the app's scopes that a person can grant, or all of them for None."""
        return self.accounts[person.id].grantable(self.scopes) if person else self.scopes

    @property
    def redirect_uris(self) -> frozenset[str]:
        """The redirect addresses of the app, which are matched exactly.

        Zoom has two lists, the redirect addresses and the "OAuth allow list". This is what is in both.
        """
        return self.identity.redirect_uris

    @redirect_uris.setter
    def redirect_uris(self, redirect_uris: frozenset[str]) -> None:
        self.identity.redirect_uris = redirect_uris

    @property
    def meetings(self) -> dict[int, Meeting]:
        """The meetings that exist now, by id."""
        with self.lock:
            return dict(self.held.by_id)

    @property
    def refresh_calls(self) -> int:
        """The number of requests for a refresh, successful or not."""
        return self.identity.refresh_calls

    @property
    def list_lag_seconds(self) -> float:
        """For how long lists do not contain a new meeting."""
        return self.held.list_lag.total_seconds()

    @list_lag_seconds.setter
    def list_lag_seconds(self, seconds: float) -> None:
        self.held.list_lag = timedelta(seconds=seconds)

    def reset(self) -> None:
        """Remove meetings, tokens, counts, faults and the log of calls. Keep accounts and settings."""
        with self.lock:
            self.identity.reset()
            self.limits.reset()
            self.held.reset()
            self.sessions.reset()
            self._pending.clear()
            self.faults.reset()

    def deauthorize(self, user_id: str) -> webhooks.Delivery | None:
        """End a person's tokens and send `app_deauthorized`. Raises KeyError for an unknown id.

        Returns None without a `webhook_url`. The event is sent even if the app is not installed, so that you can test
        a repeated event.
        """
        account = self.accounts[user_id]
        with self.lock:
            self.identity.end_grant(user_id)
            legacy_signature = self.mint.hexadecimal(64)
        now = self.clock()
        payload: dict[str, str | None] = {
            "account_id": account.account_id,
            "user_id": account.user_id,
            "signature": legacy_signature,
            "deauthorization_time": now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z",
            "client_id": self.identity.client_id,
            "user_data_retention": None,
        }
        return self.send("app_deauthorized", payload)

    def validate_url(self) -> bool:
        """Send `endpoint.url_validation` and return whether the response proves that the receiver has the secret."""
        with self.lock:
            plain_token = self.mint.text(22)
        delivery = self.send("endpoint.url_validation", {"plainToken": plain_token})
        if delivery is None or delivery.status != 200:
            return False
        try:
            response = json.loads(delivery.body)
        except ValueError:
            return False
        encrypted_token = webhooks.hex_hmac(self.webhook_secret, plain_token)
        return bool(response == {"plainToken": plain_token, "encryptedToken": encrypted_token})

    def enqueue(self, event: str, payload: dict[str, Any]) -> None:
        """Have an event sent after the request of the app that caused it, when the lock is released."""
        self._pending.append((event, payload))

    def send_pending(self) -> None:
        """Send the events that requests have caused."""
        with self.lock:
            pending, self._pending = self._pending, []
        for event, payload in pending:
            self.send(event, payload)

    def send(self, event: str, payload: Mapping[str, Any], **others: str) -> webhooks.Delivery | None:
        """Send an event now. Do not hold the lock: the receiver may call back before it responds."""
        if self.webhook_url is None:
            return None
        return webhooks.send(
            url=self.webhook_url,
            secret=self.webhook_secret,
            clock=self.clock,
            event=event,
            payload=payload,
            others=others,
            transport=self.webhook_transport,
        )


def _oauth_error(refusal: OAuthRefusal) -> dict[str, Any]:
    """Return an error body as Zoom's token endpoint does.

    Zoom publishes few of its reasons. "Invalid Token!" was reported: github.com/raycast/extensions/issues/10896.
    """
    if isinstance(refusal, DeadToken):
        return {"reason": "Invalid Token!", "error": "invalid_grant"}
    error = "invalid_request" if isinstance(refusal, RedirectMismatch) else refusal.error  # 4709
    return {"reason": refusal.description, "error": error}
