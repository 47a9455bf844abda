"""Sealed values open for their owner alone, and cost KMS one call in five minutes."""

from __future__ import annotations

import gc
import hashlib
import traceback
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from chalicelib.errors import StoreUnavailable
from chalicelib.providers.http_client import TOKEN_TIMEOUT_SECONDS
from chalicelib.store.encryption import KEY_LIFE, Encryption, Owner, Purpose, Unsealable
from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.examples import examples

OWNER = Owner(Purpose.TOKENS, "zoom#a-1")
OTHER_OWNER = Owner(Purpose.TOKENS, "zoom#a-2")
SECRET = b"canary-access-token"
many = examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Counting:
    """A KMS client that counts its calls and keeps the data keys it gave out."""

    def __init__(self, kms: Any) -> None:
        self._kms = kms
        self.calls: Counter[str] = Counter()
        self.plain_keys: set[bytes] = set()

    def generate_data_key(self, **arguments: Any) -> Any:
        return self._note("generate_data_key", self._kms.generate_data_key(**arguments))

    def decrypt(self, **arguments: Any) -> Any:
        return self._note("decrypt", self._kms.decrypt(**arguments))

    def _note(self, name: str, answer: Any) -> Any:
        self.calls[name] += 1
        self.plain_keys.add(answer["Plaintext"])
        return answer


class Failing:
    """A KMS client that does nothing but fail."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def generate_data_key(self, **_: Any) -> Any:
        raise self._error

    decrypt = generate_data_key


@pytest.fixture
def kms(moto_aws: Aws) -> Counting:
    return Counting(moto_aws.client("kms"))


@pytest.fixture
def vault(moto_aws: Aws, kms: Counting, clock: FakeClock) -> Encryption:
    return Encryption(kms, moto_aws.key_id, clock)


class TestSealing:
    @given(
        plain=st.binary(max_size=2000),
        owner=st.builds(Owner, st.sampled_from(Purpose), st.text(st.characters(codec="utf-8"), min_size=1)),
    )
    @many
    def test_what_was_sealed_opens_for_its_owner(self, vault: Encryption, plain: bytes, owner: Owner) -> None:
        assert vault.open(owner, vault.seal(owner, plain)) == plain

    def test_sixteen_kilobytes_open(self, vault: Encryption) -> None:
        plain = bytes(range(256)) * 64
        assert vault.open(OWNER, vault.seal(OWNER, plain)) == plain

    def test_another_process_opens_it(self, vault: Encryption, moto_aws: Aws, clock: FakeClock) -> None:
        assert moto_aws.vault(clock).open(OWNER, vault.seal(OWNER, SECRET)) == SECRET

    def test_the_same_secret_is_never_sealed_the_same_way_twice(self, vault: Encryption) -> None:
        assert vault.seal(OWNER, SECRET) != vault.seal(OWNER, SECRET)

    def test_a_sealed_value_does_not_show_the_secret(self, vault: Encryption) -> None:
        assert SECRET not in vault.seal(OWNER, SECRET)


class TestOpening:
    def test_a_value_moved_to_another_owner_does_not_open(self, vault: Encryption) -> None:
        sealed = vault.seal(OWNER, SECRET)
        vault.seal(OTHER_OWNER, b"its own, so that its key is warm")
        with pytest.raises(Unsealable):
            vault.open(OTHER_OWNER, sealed)

    @pytest.mark.parametrize("owner", [Owner(Purpose.ENDPOINT_SECRETS, OWNER.id), OTHER_OWNER])
    def test_the_associated_data_alone_stops_another_owner_and_another_purpose(
        self, vault: Encryption, kms: Counting, moto_aws: Aws, clock: FakeClock, owner: Owner
    ) -> None:
        lenient = Lenient(kms, OWNER)
        with pytest.raises(Unsealable):
            Encryption(lenient, moto_aws.key_id, clock).open(owner, vault.seal(OWNER, SECRET))
        assert kms.calls["decrypt"] == 1

    def test_kms_alone_refuses_the_data_key_under_another_context(self, vault: Encryption, moto_aws: Aws) -> None:
        sealed = vault.seal(OWNER, SECRET)
        wrapped = sealed[3 : 3 + int.from_bytes(sealed[1:3], "big")]
        kms, context = moto_aws.client("kms"), _context(OWNER)
        assert kms.decrypt(CiphertextBlob=wrapped, EncryptionContext=context)["Plaintext"]
        for name in context:
            with pytest.raises(ClientError, match="InvalidCiphertext"):
                kms.decrypt(CiphertextBlob=wrapped, EncryptionContext=context | {name: "other"})

    def test_the_context_which_cloudtrail_shows_does_not_name_the_account(self, vault: Encryption) -> None:
        assert OWNER.id not in str(_context(OWNER))
        assert _context(OWNER)["meetlink:purpose"] == "tokens"

    @given(data=st.data())
    @many
    def test_a_value_with_one_wrong_bit_does_not_open(self, vault: Encryption, data: st.DataObject) -> None:
        sealed = bytearray(vault.seal(OWNER, SECRET))
        position = data.draw(st.integers(_nonce_starts(sealed), len(sealed) - 1))
        sealed[position] ^= 1 << data.draw(st.integers(0, 7))
        with pytest.raises(Unsealable):
            vault.open(OWNER, bytes(sealed))

    @given(data=st.data())
    @many
    def test_a_value_that_is_cut_off_does_not_open(self, vault: Encryption, data: st.DataObject) -> None:
        sealed = vault.seal(OWNER, SECRET)
        with pytest.raises(Unsealable):
            vault.open(OWNER, sealed[: data.draw(st.integers(_nonce_starts(sealed), len(sealed) - 1))])

    @pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01\x00\x00", b"\x02\x00\x00rest", b"\x01\xff\xffshort"])
    def test_what_was_never_sealed_does_not_open(self, vault: Encryption, sealed: bytes) -> None:
        with pytest.raises(Unsealable):
            vault.open(OWNER, sealed)

    def test_a_value_whose_data_key_kms_does_not_know_does_not_open(self, clock: FakeClock, vault: Encryption) -> None:
        refusing = Failing(ClientError({"Error": {"Code": "InvalidCiphertextException"}}, "Decrypt"))
        with pytest.raises(Unsealable):
            Encryption(refusing, "key", clock).open(OWNER, vault.seal(OWNER, SECRET))


class TestKmsCalls:
    def test_many_seals_and_opens_cost_one_call(self, vault: Encryption, kms: Counting) -> None:
        for _ in range(20):
            vault.open(OWNER, vault.seal(OWNER, SECRET))
        assert kms.calls == {"generate_data_key": 1}

    def test_a_fresh_process_opens_many_times_with_one_call(
        self, vault: Encryption, kms: Counting, moto_aws: Aws, clock: FakeClock
    ) -> None:
        sealed = vault.seal(OWNER, SECRET)
        fresh = Encryption(kms, moto_aws.key_id, clock)
        kms.calls.clear()
        assert [fresh.open(OWNER, sealed) for _ in range(20)] == [SECRET] * 20
        assert kms.calls == {"decrypt": 1}

    def test_each_owner_has_a_data_key_of_its_own(self, vault: Encryption, kms: Counting) -> None:
        vault.seal(OWNER, SECRET)
        vault.seal(OTHER_OWNER, SECRET)
        assert len(kms.plain_keys) == 2

    def test_a_data_key_is_used_for_five_minutes(self, vault: Encryption, kms: Counting, clock: FakeClock) -> None:
        sealed = vault.seal(OWNER, SECRET)
        clock.advance(timedelta(minutes=5).total_seconds())
        vault.open(OWNER, sealed)
        assert kms.calls == {"generate_data_key": 1}

    def test_a_data_key_is_not_used_after_five_minutes(
        self, vault: Encryption, kms: Counting, clock: FakeClock
    ) -> None:
        sealed = vault.seal(OWNER, SECRET)
        clock.advance(timedelta(minutes=5).total_seconds() + 0.001)
        assert vault.open(OWNER, sealed) == SECRET
        vault.seal(OWNER, SECRET)
        assert kms.calls == {"generate_data_key": 2, "decrypt": 1}

    @pytest.mark.parametrize("age_seconds", [0, KEY_LIFE.total_seconds() - 1], ids=["no key", "an old key"])
    def test_a_prepared_seal_needs_no_call_after_the_longest_token_call(
        self, moto_aws: Aws, clock: FakeClock, age_seconds: float
    ) -> None:
        kms = Counting(moto_aws.client("kms"))
        vault = Encryption(kms, moto_aws.key_id, clock)
        if age_seconds:
            vault.seal(OWNER, SECRET)
            clock.advance(age_seconds)
        vault.prepare(OWNER)
        kms.calls.clear()
        clock.advance(2 * TOKEN_TIMEOUT_SECONDS)
        vault.seal(OWNER, SECRET)
        assert not kms.calls

    @pytest.mark.parametrize(
        "error",
        [
            ClientError({"Error": {"Code": "ThrottlingException"}}, "Decrypt"),
            ClientError({"Error": {"Code": "DisabledException"}}, "Decrypt"),
            EndpointConnectionError(endpoint_url="https://kms.invalid"),
        ],
        ids=["throttled", "disabled", "no connection"],
    )
    def test_an_outage_of_kms_is_not_taken_for_a_damaged_value(
        self, vault: Encryption, clock: FakeClock, error: Exception
    ) -> None:
        out = Encryption(Failing(error), "key", clock)
        with pytest.raises(StoreUnavailable):
            out.open(OWNER, vault.seal(OWNER, SECRET))
        with pytest.raises(StoreUnavailable):
            out.seal(OWNER, SECRET)


class TestSilence:
    def test_an_error_shows_neither_secret_nor_key(self, vault: Encryption, kms: Counting) -> None:
        sealed = vault.seal(OWNER, SECRET)
        with pytest.raises(Unsealable) as caught:
            vault.open(OWNER, sealed[:-1] + bytes([sealed[-1] ^ 1]))
        shown = "".join(traceback.format_exception(caught.value))
        assert not _shows(shown, SECRET, *kms.plain_keys)

    def test_a_vault_that_is_printed_with_all_it_holds_shows_no_key(self, vault: Encryption, kms: Counting) -> None:
        vault.open(OWNER, vault.seal(OWNER, SECRET))
        assert not _shows(f"{vault!r} {vars(vault)!r}", SECRET, *kms.plain_keys)

    def test_keys_that_may_not_be_used_any_more_are_not_kept(
        self, vault: Encryption, kms: Counting, clock: FakeClock
    ) -> None:
        vault.seal(OWNER, SECRET)
        old = set(kms.plain_keys)
        clock.advance(KEY_LIFE.total_seconds() + 1)
        vault.seal(OTHER_OWNER, SECRET)
        held = [(key, gc.get_referrers(key)) for key in old]
        assert not [
            holder for key, holders in held for holder in holders if type(holder).__module__.startswith("chalice")
        ]


class Lenient:
    """A KMS that forgets to check the encryption context."""

    def __init__(self, kms: Counting, sealed_for: Owner) -> None:
        self._kms = kms
        self._sealed_for = sealed_for

    def decrypt(self, **arguments: Any) -> Any:
        return self._kms.decrypt(**arguments | {"EncryptionContext": _context(self._sealed_for)})


def _context(owner: Owner) -> dict[str, str]:
    return {"meetlink:purpose": owner.purpose, "meetlink:owner": hashlib.sha256(owner.id.encode()).hexdigest()}


def _nonce_starts(sealed: bytes | bytearray) -> int:
    return 3 + int.from_bytes(sealed[1:3], "big")


def _shows(text: str, *secrets: bytes) -> bool:
    return any(repr(secret)[2:-1] in text or secret.hex() in text for secret in secrets)
