"""Deployment secrets: given in the environment (locally), else in Secrets Manager, cached for some minutes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.domain.redacted import Redacted
from chalicelib.errors import StoreUnavailable
from chalicelib.settings import Settings

LIFE = timedelta(minutes=5)
"""A rotated secret is used after at most this long, without a new deployment."""


class Credentials(Redacted, frozen=True):
    """A provider's app: what this deployment is known as there."""

    client_id: str
    client_secret: str
    webhook_secret: str | None = None


class LinkKey(Redacted, frozen=True):
    """A key of join links. `key_id` is in each link that was made with it."""

    key_id: str
    key: bytes
    """64 bytes, for AES-SIV with two AES-256 keys."""
    used_from: datetime = datetime.min.replace(tzinfo=UTC)
    """When new links begin to use it; it is accepted before."""


FIRST_LINK_KEY = "1"
"""The id of the key that every deployment has without a rotation: it is derived from `tag_secret`."""
LINK_KEY_BYTES = 64


class DeploymentSecrets:
    """`client` is boto3's of Secrets Manager."""

    def __init__(self, settings: Settings, client: Any, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._client = client
        self._clock = clock
        self._cache: dict[str, tuple[datetime, dict[str, Any] | None]] = {}

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

    def link_keys(self) -> tuple[LinkKey, ...]:
        """Return the keys of join links that are accepted; the first one is for new links.

        `operate rotate-link-keys` adds keys. A new one is not used before every process has read it.
        """
        stored = {} if self._settings.secret("MEETLINK_TAG_SECRET") else self._stored("deployment") or {}
        keys = read_link_keys(stored) or (first_link_key(self.tag_secret()),)
        in_use = tuple(key for key in keys if key.used_from <= self._clock())
        return (*in_use, *(key for key in keys if key not in in_use))

    def _stored(self, name: str) -> dict[str, Any] | None:
        now = self._clock()
        cached = self._cache.get(name)
        if cached and now - cached[0] < LIFE:
            return cached[1]
        value = self._fetch(self._settings.secrets_prefix + name)
        self._cache[name] = (now, value)
        return value

    def _fetch(self, secret_id: str) -> dict[str, Any] | None:
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


def first_link_key(tag_secret: bytes) -> LinkKey:
    """Return the key of join links before any rotation."""
    return LinkKey(FIRST_LINK_KEY, hmac.new(tag_secret, b"join links", hashlib.sha512).digest())


def read_link_keys(deployment: dict[str, Any]) -> tuple[LinkKey, ...]:
    """Return the link keys in the deployment's secret, newest first; none before the first rotation."""
    try:
        keys = tuple(_link_key(**key) for key in deployment.get("link_keys", ()))
    except (TypeError, ValueError):
        keys = (LinkKey("", b""),)
    if any(len(key.key) != LINK_KEY_BYTES for key in keys):
        raise StoreUnavailable("link_keys in the deployment's secret cannot be read.")
    return keys


def link_key_form(key: LinkKey) -> dict[str, str]:
    """Return the key as the deployment's secret contains it."""
    return {"id": key.key_id, "key": base64.b64encode(key.key).decode(), "used_from": key.used_from.isoformat()}


def _link_key(id: str, key: str, used_from: str) -> LinkKey:
    return LinkKey(str(id), base64.b64decode(key, validate=True), datetime.fromisoformat(used_from))
