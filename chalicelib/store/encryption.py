"""Envelope encryption of tokens: AES-256-GCM under data keys from KMS.

A sealed value is bound to its purpose and its owner twice, by the KMS encryption context and by associated data: it
cannot be opened in another row. The functions' policies name the purposes that each of them may open (infra/policies).
Layout: format byte, length of the wrapped key (2 bytes, big-endian), wrapped key, nonce, ciphertext.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from msgspec import Struct

from chalicelib.domain.redacted import Redacted
from chalicelib.errors import StoreError, StoreUnavailable

_FORMAT = b"\x01"
_NONCE_BYTES = 12
KEY_LIFE = timedelta(minutes=5)
"""How long a data key stays in memory. A warm process needs no KMS call; a revoked key soon stops working."""
_PREPARED_LIFE = KEY_LIFE - timedelta(minutes=2)
_MAX_CACHED_KEYS = 1024


class Purpose(StrEnum):
    """What a value is for. The names are part of stored values and of the conditions in infra/policies."""

    TOKENS = "tokens"
    """A grant's tokens."""
    ENDPOINT_SECRETS = "endpoint_secrets"
    """Secrets that sign webhooks to a workspace's endpoints."""
    BOOKING_SECRETS = "booking_secrets"
    """Secrets with which a workspace's booking system signs its webhooks."""


class Owner(Struct, frozen=True):
    """To which row a value belongs."""

    purpose: Purpose
    id: str
    """The id of a grant or a workspace."""


class Unsealable(StoreError):
    """The value was sealed for another owner, or is damaged."""


class _DataKey(Redacted, frozen=True):
    plain: bytes
    wrapped: bytes
    fetched_at: datetime


class Encryption:
    """Seals (encrypts) and opens (decrypts) secrets."""

    def __init__(self, kms: Any, key_id: str, clock: Callable[[], datetime]) -> None:
        """`kms` is a botocore KMS client."""
        self._kms = kms
        self._key_id = key_id
        self._clock = clock
        self._keys: OrderedDict[tuple[Owner, bytes | None], _DataKey] = OrderedDict()
        self._lock = threading.Lock()

    def seal(self, owner: Owner, plain: bytes) -> bytes:
        """Encrypt `plain` for `owner`. Raises `StoreUnavailable` if KMS provides no key."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = self._get_cached((owner, None)) or self._generate(owner)
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(key.plain).encrypt(nonce, plain, _associated(owner))
        return _FORMAT + len(key.wrapped).to_bytes(2, "big") + key.wrapped + nonce + sealed

    def prepare(self, owner: Owner) -> None:
        """Fetch a data key if none is cached, so that the next `seal` for `owner` does not depend on KMS."""
        key = self._get_cached((owner, None))
        if key is None or self._clock() - key.fetched_at > _PREPARED_LIFE:
            self._generate(owner)

    def open(self, owner: Owner, sealed: bytes) -> bytes:
        """Decrypt a value. Raises `Unsealable` for another owner's value, `StoreUnavailable` if KMS is unavailable."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if sealed[:1] != _FORMAT:
            raise Unsealable("unknown format")
        start = 3 + int.from_bytes(sealed[1:3], "big")
        end = start + _NONCE_BYTES
        if len(sealed) < end:
            raise Unsealable("truncated")
        wrapped, nonce, ciphertext = sealed[3:start], sealed[start:end], sealed[end:]
        key = self._get_cached((owner, wrapped)) or self._unwrap(owner, wrapped)
        try:
            return AESGCM(key.plain).decrypt(nonce, ciphertext, _associated(owner))
        except InvalidTag as error:
            raise Unsealable("not sealed for this owner") from error

    def _generate(self, owner: Owner) -> _DataKey:
        response = self._call(
            "generate_data_key", KeyId=self._key_id, KeySpec="AES_256", EncryptionContext=_context(owner)
        )
        key = _DataKey(response["Plaintext"], response["CiphertextBlob"], self._clock())
        self._cache((owner, None), key)
        self._cache((owner, key.wrapped), key)
        return key

    def _unwrap(self, owner: Owner, wrapped: bytes) -> _DataKey:
        response = self._call("decrypt", CiphertextBlob=wrapped, EncryptionContext=_context(owner))
        key = _DataKey(response["Plaintext"], wrapped, self._clock())
        self._cache((owner, wrapped), key)
        return key

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            response: dict[str, Any] = getattr(self._kms, operation)(**arguments)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in ("InvalidCiphertextException", "IncorrectKeyException"):
                raise Unsealable("KMS cannot unwrap this key for this owner") from error
            raise StoreUnavailable(f"KMS: {error.response.get('Error', {}).get('Code')}") from error
        except BotoCoreError as error:
            raise StoreUnavailable("KMS: no response") from error
        return response

    def _get_cached(self, name: tuple[Owner, bytes | None]) -> _DataKey | None:
        with self._lock:
            key = self._keys.get(name)
            if key is None or self._clock() - key.fetched_at > KEY_LIFE:
                return None
            self._keys.move_to_end(name)
            return key

    def _cache(self, name: tuple[Owner, bytes | None], key: _DataKey) -> None:
        with self._lock:
            expired = [name for name, old in self._keys.items() if key.fetched_at - old.fetched_at > KEY_LIFE]
            for old_name in expired:
                del self._keys[old_name]
            self._keys[name] = key
            while len(self._keys) > _MAX_CACHED_KEYS:
                self._keys.popitem(last=False)


def _context(owner: Owner) -> dict[str, str]:
    # CloudTrail logs the context in clear text, so it contains a digest of the owner's id.
    return {"meetlink:purpose": owner.purpose, "meetlink:owner": hashlib.sha256(owner.id.encode()).hexdigest()}


def _associated(owner: Owner) -> bytes:
    return _FORMAT + f"{owner.purpose}\0{owner.id}".encode()
