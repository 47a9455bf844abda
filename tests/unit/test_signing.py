"""Standard Webhooks signatures: the official library's own cases, and whatever else may come in a header."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.webhook_signing import key_of, new_secret, signed_headers, verify

# standard-webhooks/standard-webhooks, libraries/javascript/src/webhook.test.ts
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
BODY = b'{"test": 2432232314}'
AT = datetime.fromtimestamp(1614265330, UTC)
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
OTHER = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
KEY = key_of(SECRET)
HEADERS = {"webhook-id": ID, "webhook-timestamp": "1614265330", "webhook-signature": SIGNATURE}


def test_the_official_vector_is_signed_so() -> None:
    assert signed_headers([KEY], ID, AT, BODY) == HEADERS


def test_the_official_vector_verifies_with_and_without_the_prefix_of_the_secret() -> None:
    assert verify([KEY], HEADERS, BODY, AT)
    assert verify([key_of(SECRET.removeprefix("whsec_"))], HEADERS, BODY, AT)


@pytest.mark.parametrize("missing", HEADERS)
def test_a_missing_header_is_refused(missing: str) -> None:
    assert not verify([KEY], {name: text for name, text in HEADERS.items() if name != missing}, BODY, AT)


@pytest.mark.parametrize(
    "timestamp", ["hello", "", "-1614265330", "1614265330.0", " 1614265330", "１６１４２６５３３０", "9" * 400]
)
def test_a_timestamp_that_is_no_number_is_refused(timestamp: str) -> None:
    assert not verify([KEY], HEADERS | {"webhook-timestamp": timestamp}, BODY, AT)


@pytest.mark.parametrize(
    "signature",
    ["v1,dawfeoifkpqwoekfpqoekf", SIGNATURE[:8], "v1,", "v1", "", ",", OTHER, SIGNATURE[3:], "v2" + SIGNATURE[2:],
     SIGNATURE + "=", SIGNATURE.rstrip("="), "v1a" + SIGNATURE[2:], "v1,\N{SNOWMAN}", "v1,\udc80"],
)  # fmt: skip
def test_anything_but_the_signature_is_refused(signature: str) -> None:
    assert not verify([KEY], HEADERS | {"webhook-signature": signature}, BODY, AT)


def test_one_good_signature_among_others_is_enough() -> None:
    many = " ".join([OTHER, "v2" + OTHER[2:], SIGNATURE, OTHER])
    assert verify([KEY], HEADERS | {"webhook-signature": many}, BODY, AT)


@pytest.mark.parametrize(("seconds", "fine"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_the_window_is_five_minutes_to_either_side(seconds: int, fine: bool) -> None:
    assert verify([KEY], HEADERS, BODY, AT + timedelta(seconds=seconds)) is fine


def test_two_keys_are_valid_at_once_on_either_side() -> None:
    old, new = KEY, key_of(new_secret())
    assert verify([new, old], HEADERS, BODY, AT)
    both = signed_headers([new, old], ID, AT, BODY)
    assert verify([new], both, BODY, AT)
    assert verify([old], both, BODY, AT)
    assert not verify([], both, BODY, AT)


@pytest.mark.parametrize("size", [24, 64])
def test_keys_of_24_to_64_bytes_are_taken(size: int) -> None:
    assert len(key_of("whsec_" + base64.b64encode(b"k" * size).decode())) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "whsec_!!!!",
        "whsec_" + base64.b64encode(b"k" * 23).decode(),
        base64.b64encode(b"k" * 65).decode(),
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
    ],
)
def test_other_secrets_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="secret"):
        key_of(text)


@given(st.binary(), st.text(), st.text(), st.text())
def test_no_header_and_no_body_makes_it_raise_or_pass(body: bytes, message_id: str, timestamp: str, given: str) -> None:
    headers = {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": given}
    assert verify([KEY], headers, body, AT) is False


@given(st.binary(min_size=1), st.integers(0, 10_000), st.text(min_size=1))
def test_every_body_verifies_as_signed_and_with_no_bit_changed(body: bytes, place: int, message_id: str) -> None:
    key = key_of(new_secret())
    headers = signed_headers([key], message_id, AT, body)
    assert verify([key], headers, body, AT)
    at = place % len(body)
    changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
    assert not verify([key], headers, changed, AT)
