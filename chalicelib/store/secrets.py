"""Deployment secrets: given in the environment (locally), else in Secrets Manager, cached for some minutes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from chalicelib.domain.hidden import Hidden
from chalicelib.errors import StoreUnavailable
from chalicelib.settings import Settings

LIFE = timedelta(minutes=5)
"""A rotated secret is used after at most this long, without a new deployment."""


class Credentials(Hidden, frozen=True):
    """A provider's app: what this deployment is known as there."""

    client_id: str
    client_secret: str
    webhook_secret: str | None = None


class Secrets:
    """`client` is boto3's of Secrets Manager."""

    def __init__(self, settings: Settings, client: Any, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._client = client
        self._clock = clock
        self._cache: dict[str, tuple[datetime, dict[str, str] | None]] = {}

    def credentials(self, provider: str) -> Credentials | None:
        """The provider's credentials; None if this deployment has none, so the provider is not offered."""
        upper = provider.upper()
        given = {
            name: self._settings.secret(f"{upper}_{name.upper()}")
            for name in ("client_id", "client_secret", "webhook_secret")
        }
        known = given if given["client_id"] else self._stored(f"providers/{provider}") or {}
        if not known.get("client_id") or not known.get("client_secret"):
            return None
        return Credentials(str(known["client_id"]), str(known["client_secret"]), known.get("webhook_secret"))

    def tag_secret(self) -> bytes:
        """The key of meeting tags. It must never change: tags of meetings that exist could not be found again."""
        given = self._settings.secret("MEETLINK_TAG_SECRET") or (self._stored("deployment") or {}).get("tag_secret")
        if not given:
            raise StoreUnavailable(f"The secret {self._settings.secrets_prefix}deployment has no tag_secret.")
        return given.encode()

    def _stored(self, name: str) -> dict[str, str] | None:
        now = self._clock()
        cached = self._cache.get(name)
        if cached and now - cached[0] < LIFE:
            return cached[1]
        value = self._fetch(self._settings.secrets_prefix + name)
        self._cache[name] = (now, value)
        return value

    def _fetch(self, secret_id: str) -> dict[str, str] | None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            text = self._client.get_secret_value(SecretId=secret_id).get("SecretString") or ""
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "ResourceNotFoundException":
                return None
            raise StoreUnavailable("Secrets Manager refuses or is out") from error
        except BotoCoreError as error:
            raise StoreUnavailable("Secrets Manager: no answer") from error
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            # The text itself must not reach the traceback: it is a secret.
            raise StoreUnavailable(f"The secret {secret_id} is not a JSON object.")
        return value
