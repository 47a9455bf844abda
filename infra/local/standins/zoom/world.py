"""The stand-in itself: an app registered with Zoom, the people who may install it, and all their state."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from random import Random, SystemRandom

import httpx

from infra.local.standins.base import Clock, utc_now
from infra.local.standins.faults import Faults
from infra.local.standins.zoom import webhooks
from infra.local.standins.zoom.accounts import APP_SCOPES, Account
from infra.local.standins.zoom.grants import Grants
from infra.local.standins.zoom.limits import Limits
from infra.local.standins.zoom.meetings import Meeting, Meetings
from infra.local.standins.zoom.minting import Mint


@dataclass(frozen=True)
class Session:
    """A signed-in browser; `csrf` must come back with each form."""

    user_id: str
    csrf: str


class Zoom:
    """State and rules of the stand-in Zoom; hold `lock` while touching `grants`, `limits`, `held` or `sessions`.

    `redirect_uris` are matched exactly. Zoom has a second list, "OAuth allow list", and refuses what is
    `not_in_allow_list`. Lists show agendas by the documentation, but none was recorded: `lists_agenda`. `scopes`,
    `list_lag_seconds` (how long a new meeting stays out of lists), `qps` (calls per second and account, None for no
    limit), `webhook_url`, `api_url` and `web_url` may be changed at any time. `api_url` goes into token answers and
    `web_url` into join and start links: give both the stand-in's own address to make those links open its pages.
    `webhook_transport` carries events, the network if None.
    """

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        webhook_secret: str,
        redirect_uris: Iterable[str],
        accounts: Iterable[Account],
        clock: Clock = utc_now,
        daily_limit: int = 100,
        scopes: tuple[str, ...] = APP_SCOPES,
        webhook_url: str | None = None,
        webhook_transport: httpx.BaseTransport | None = None,
        list_lag_seconds: float = 0.0,
        qps: int | None = None,
        random: Random | None = None,
        show_demo_login: bool = True,
        app_name: str = "Meetlink",
        api_url: str = "https://api.zoom.us",
        web_url: str = "https://zoom.us",
    ) -> None:
        self.client_id = client_id
        self.client_secret = client_secret
        self.webhook_secret = webhook_secret
        self.redirect_uris = frozenset(redirect_uris)
        self.lists_agenda = True
        self.not_in_allow_list: frozenset[str] = frozenset()
        self.accounts = {account.user_id: account for account in accounts}
        self.clock = clock
        self.scopes = tuple(scopes)
        self.webhook_url = webhook_url
        self.webhook_transport = webhook_transport
        self.show_demo_login = show_demo_login
        self.app_name = app_name
        self.api_url = api_url
        self.web_url = web_url
        self.lock = threading.RLock()
        self.faults = Faults()
        self.mint = Mint(random or SystemRandom())
        self.grants = Grants(clock, self.mint)
        self.limits = Limits(clock, daily_limit, qps)
        self.held = Meetings(clock, self.mint, timedelta(seconds=list_lag_seconds))
        self.sessions: dict[str, Session] = {}

    @property
    def meetings(self) -> dict[int, Meeting]:
        """The live meetings by id, as they are now."""
        with self.lock:
            return dict(self.held.by_id)

    @property
    def refresh_calls(self) -> int:
        """How many refreshes were asked for, granted or not."""
        with self.lock:
            return self.grants.refresh_calls

    @property
    def list_lag_seconds(self) -> float:
        """How long a new meeting stays out of lists."""
        return self.held.list_lag.total_seconds()

    @list_lag_seconds.setter
    def list_lag_seconds(self, seconds: float) -> None:
        self.held.list_lag = timedelta(seconds=seconds)

    def reset(self) -> None:
        """Forget meetings, tokens, sessions, counts, faults and calls; accounts and settings stay."""
        with self.lock:
            self.grants.reset()
            self.limits.reset()
            self.held.reset()
            self.sessions.clear()
            self.faults.reset()

    def deauthorize(self, user_id: str) -> webhooks.Delivery | None:
        """End a person's tokens and send `app_deauthorized`; raises KeyError for a stranger.

        Returns None without a `webhook_url`. The event is sent even if the app is not installed, so that a repetition
        can be tried.
        """
        account = self.accounts[user_id]
        with self.lock:
            self.grants.end(user_id)
            legacy_signature = self.mint.hexadecimal(64)
        now = self.clock()
        payload: dict[str, str | None] = {
            "account_id": account.account_id,
            "user_id": account.user_id,
            "signature": legacy_signature,
            "deauthorization_time": now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z",
            "client_id": self.client_id,
            "user_data_retention": None,
        }
        return self._send("app_deauthorized", payload)

    def validate_url(self) -> bool:
        """Send `endpoint.url_validation`; tell whether the answer proves that the receiver knows the secret."""
        with self.lock:
            plain_token = self.mint.text(22)
        delivery = self._send("endpoint.url_validation", {"plainToken": plain_token})
        if delivery is None or delivery.status != 200:
            return False
        try:
            answer = json.loads(delivery.body)
        except ValueError:
            return False
        return bool(
            answer == {"plainToken": plain_token, "encryptedToken": webhooks.hex_hmac(self.webhook_secret, plain_token)}
        )

    def _send(self, event: str, payload: dict[str, str | None]) -> webhooks.Delivery | None:
        # Outside the lock: the receiver may call back before it answers.
        if self.webhook_url is None:
            return None
        return webhooks.send(
            url=self.webhook_url,
            secret=self.webhook_secret,
            clock=self.clock,
            event=event,
            payload=payload,
            transport=self.webhook_transport,
        )
