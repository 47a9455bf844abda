"""Envelope encryption of tokens: AES-256-GCM under data keys from KMS.

A sealed value is bound to its purpose and its owner twice: as KMS encryption context and as associated data. Moved to
another row it does not open. The functions' policies name the purposes that each of them may open (infra/policies).
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
"""How long a data key stays in memory: a warm settler needs no KMS call, a revoked key is soon useless."""
_PREPARED_LIFE = KEY_LIFE - timedelta(minutes=2)
_CACHED_KEYS = 1024


class Purpose(StrEnum):
    """What is sealed. The values are part of what is stored, and of the conditions in infra/policies."""

    TOKENS = "tokens"
    """A grant's tokens."""
    ENDPOINT_SECRETS = "endpoint_secrets"
    """What webhooks to a workspace's endpoints are signed with."""
    BOOKING_SECRETS = "booking_secrets"
    """What a workspace's booking system signs its webhooks with."""


class Owner(Struct, frozen=True):
    """Whose value is sealed."""

    purpose: Purpose
    id: str
    """A grant's or a workspace's."""


class Unsealable(StoreError):
    """The value was not sealed for this owner, or was damaged."""


class _DataKey(Redacted, frozen=True):
    plain: bytes
    wrapped: bytes
    fetched_at: datetime


class Encryption:
    """Seals and opens secrets. `kms` is a boto3 KMS client."""

    def __init__(self, kms: Any, key_id: str, clock: Callable[[], datetime]) -> None:
        self._kms = kms
        self._key_id = key_id
        self._clock = clock
        self._keys: OrderedDict[tuple[Owner, bytes | None], _DataKey] = OrderedDict()
        self._lock = threading.Lock()

    def seal(self, owner: Owner, plain: bytes) -> bytes:
        """`plain` encrypted for `owner`. Raises `StoreUnavailable` when KMS gives no key."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = self._cached((owner, None)) or self._generate(owner)
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(key.plain).encrypt(nonce, plain, _associated(owner))
        return _FORMAT + len(key.wrapped).to_bytes(2, "big") + key.wrapped + nonce + sealed

    def prepare(self, owner: Owner) -> None:
        """Have a data key at hand, so that the next `seal` for `owner` cannot fail for want of one."""
        key = self._cached((owner, None))
        if key is None or self._clock() - key.fetched_at > _PREPARED_LIFE:
            self._generate(owner)

    def open(self, owner: Owner, sealed: bytes) -> bytes:
        """The plain text. Raises `Unsealable` for another owner's value, `StoreUnavailable` when KMS is out."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if sealed[:1] != _FORMAT:
            raise Unsealable("unknown format")
        start = 3 + int.from_bytes(sealed[1:3], "big")
        end = start + _NONCE_BYTES
        if len(sealed) < end:
            raise Unsealable("cut off")
        wrapped, nonce, ciphertext = sealed[3:start], sealed[start:end], sealed[end:]
        key = self._cached((owner, wrapped)) or self._unwrap(owner, wrapped)
        try:
            return AESGCM(key.plain).decrypt(nonce, ciphertext, _associated(owner))
        except InvalidTag as error:
            raise Unsealable("not sealed for this owner") from error

    def _generate(self, owner: Owner) -> _DataKey:
        answer = self._call(
            "generate_data_key", KeyId=self._key_id, KeySpec="AES_256", EncryptionContext=_context(owner)
        )
        key = _DataKey(answer["Plaintext"], answer["CiphertextBlob"], self._clock())
        self._remember((owner, None), key)
        self._remember((owner, key.wrapped), key)
        return key

    def _unwrap(self, owner: Owner, wrapped: bytes) -> _DataKey:
        answer = self._call("decrypt", CiphertextBlob=wrapped, EncryptionContext=_context(owner))
        key = _DataKey(answer["Plaintext"], wrapped, self._clock())
        self._remember((owner, wrapped), key)
        return key

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer: dict[str, Any] = getattr(self._kms, operation)(**arguments)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in ("InvalidCiphertextException", "IncorrectKeyException"):
                raise Unsealable("KMS does not know this key for this owner") from error
            raise StoreUnavailable(f"KMS: {error.response.get('Error', {}).get('Code')}") from error
        except BotoCoreError as error:
            raise StoreUnavailable("KMS: no answer") from error
        return answer

    def _cached(self, name: tuple[Owner, bytes | None]) -> _DataKey | None:
        with self._lock:
            key = self._keys.get(name)
            if key is None or self._clock() - key.fetched_at > KEY_LIFE:
                return None
            self._keys.move_to_end(name)
            return key

    def _remember(self, name: tuple[Owner, bytes | None], key: _DataKey) -> None:
        with self._lock:
            for old in [name for name, held in self._keys.items() if key.fetched_at - held.fetched_at > KEY_LIFE]:
                del self._keys[old]
            self._keys[name] = key
            while len(self._keys) > _CACHED_KEYS:
                self._keys.popitem(last=False)


def _context(owner: Owner) -> dict[str, str]:
    # CloudTrail shows the context in clear, so it has a digest of the owner's id.
    return {"meetlink:purpose": owner.purpose, "meetlink:owner": hashlib.sha256(owner.id.encode()).hexdigest()}


def _associated(owner: Owner) -> bytes:
    return _FORMAT + f"{owner.purpose}\0{owner.id}".encode()
