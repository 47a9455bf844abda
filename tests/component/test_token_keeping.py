"""What tokens cost and how long their sealed form lasts: warm reads, rotated keys, values of earlier releases."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chalicelib.store.encryption import Encryption, Owner, Purpose
from infra.local.aws import create_key
from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.connected import ConnectedAccount

OWNER = Owner(Purpose.TOKENS, "zoom#1")
RECORDED_OWNER = Owner(Purpose.TOKENS, "zoom#recorded")
# Sealed by release 0.1 for this owner, under the data key of `RecordedKms`. Tokens that lie in tables
# when a new release is deployed must open for ever: never replace this value, add the next one beside it.
RECORDED = {
    "format 1": "AQALd3JhcHBlZC1rZXlMaW5raW5nLTEyMzT1DXm2sprjm6fC5S1i58MgcxxnURtZNa8=",
}


class RecordedKms:
    """KMS as it was when the values were recorded."""

    def decrypt(self, *, CiphertextBlob: bytes, EncryptionContext: dict[str, str]) -> dict[str, bytes]:  # noqa: N803
        owner = hashlib.sha256(b"zoom#recorded").hexdigest()
        assert CiphertextBlob == b"wrapped-key"
        assert EncryptionContext == {"meetlink:purpose": "tokens", "meetlink:owner": owner}
        return {"Plaintext": b"k" * 32}


@pytest.mark.parametrize("sealed", RECORDED.values(), ids=RECORDED.keys())
def test_a_value_sealed_by_an_earlier_release_still_opens(sealed: str, clock: FakeClock) -> None:
    vault = Encryption(RecordedKms(), "unused", clock)

    assert vault.open(RECORDED_OWNER, base64.b64decode(sealed)) == b"recorded"


def test_a_warm_settler_reads_tokens_without_kms_and_without_another_read(moto_aws: Aws, clock: FakeClock) -> None:
    account = ConnectedAccount(moto_aws, clock)
    keeper, grant = account.keeper(), account.stored()
    keeper.access_token(grant)

    with counted(moto_aws) as calls:
        for _ in range(10):
            keeper.access_token(grant)

    assert calls == {}


def test_a_cold_settler_asks_kms_once_for_a_grant(moto_aws: Aws, clock: FakeClock) -> None:
    account = ConnectedAccount(moto_aws, clock)
    keeper, grant = account.keeper(), account.stored()

    with counted(moto_aws) as calls:
        for _ in range(10):
            keeper.access_token(grant)

    assert calls == {"Decrypt": 1}


def test_tokens_survive_the_rotation_of_the_key_without_downtime(moto_aws: Aws, clock: FakeClock) -> None:
    kms = moto_aws.client("kms")
    create_key(kms, "alias/rotating")
    sealed = Encryption(kms, "alias/rotating", clock).seal(OWNER, b"before")

    newer = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.update_alias(AliasName="alias/rotating", TargetKeyId=newer)
    fresh = Encryption(kms, "alias/rotating", clock)

    assert fresh.open(OWNER, sealed) == b"before"
    assert fresh.open(OWNER, fresh.seal(OWNER, b"after")) == b"after"


@contextmanager
def counted(aws: Aws) -> Iterator[Counter[str]]:
    """AWS calls by operation."""
    calls: Counter[str] = Counter()

    def count(model: Any, **_: Any) -> None:
        calls[model.name] += 1

    events = [aws.client(service).meta.events for service in ("kms", "dynamodb")]
    for event in events:
        event.register("before-call", count)
    try:
        yield calls
    finally:
        for event in events:
            event.unregister("before-call", count)
