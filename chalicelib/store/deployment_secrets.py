"""The deployment's secrets: from the environment (locally), else from Secrets Manager, cached for minutes."""

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
"""A rotated secret is used within this time, without a new deployment."""


class Credentials(Redacted, frozen=True):
    """The credentials of this deployment's app at a provider."""

    client_id: str
    client_secret: str
    webhook_secret: str | None = None


class LinkKey(Redacted, frozen=True):
    """A key that encrypts join links."""

    key_id: str
    """Part of each link that is encrypted with the key."""
    key: bytes
    """64 bytes, for AES-SIV with two AES-256 keys."""
    used_from: datetime = datetime.min.replace(tzinfo=UTC)
    """When new links begin to use the key. Links with it are accepted before."""


FIRST_LINK_KEY = "1"
"""The id of the key before any rotation, which is derived from `tag_secret`."""
LINK_KEY_BYTES = 64


class DeploymentSecrets:
    """Reads the secrets that operators set."""

    def __init__(self, settings: Settings, client: Any, clock: Callable[[], datetime]) -> None:
        """`client` is a botocore client of Secrets Manager."""
        self._settings = settings
        self._client = client
        self._clock = clock
        self._cache: dict[str, tuple[datetime, dict[str, Any] | None]] = {}

    def credentials(self, provider: str) -> Credentials | None:
        """Return the provider's credentials. Without them (None) this deployment does not offer the provider."""
        upper = provider.upper()
        fields: dict[str, Any] = {
            name: self._settings.direct_secret(f"{upper}_{name.upper()}")
            for name in ("client_id", "client_secret", "webhook_secret")
        }
        if not fields["client_id"]:
            fields = self._read(f"providers/{provider}") or {}
        if not fields.get("client_id") or not fields.get("client_secret"):
            return None
        return Credentials(str(fields["client_id"]), str(fields["client_secret"]), fields.get("webhook_secret"))

    def tag_secret(self) -> bytes:
        """Return the key of meeting tags. It must never change: existing meetings could not be found by their tags."""
        secret = self._settings.direct_secret("MEETLINK_TAG_SECRET")
        secret = secret or (self._read("deployment") or {}).get("tag_secret")
        if not secret:
            raise StoreUnavailable(f"The secret {self._settings.secrets_prefix}deployment has no tag_secret.")
        return str(secret).encode()

    def link_keys(self) -> tuple[LinkKey, ...]:
        """Return the keys of join links that are accepted. The first one encrypts new links.

        `operate rotate-link-keys` adds keys. A new key is used only after every process has read it.
        """
        secret = {} if self._settings.direct_secret("MEETLINK_TAG_SECRET") else self._read("deployment") or {}
        keys = read_link_keys(secret) or (first_link_key(self.tag_secret()),)
        in_use = tuple(key for key in keys if key.used_from <= self._clock())
        return (*in_use, *(key for key in keys if key not in in_use))

    def _read(self, name: str) -> dict[str, Any] | None:
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
            raise StoreUnavailable("Secrets Manager refused the request or is unavailable") from error
        except BotoCoreError as error:
            raise StoreUnavailable("Secrets Manager: no response") from error
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            # Raised outside of `except`, so that the traceback does not contain the text, which is a secret.
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
