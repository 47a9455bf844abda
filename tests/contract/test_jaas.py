"""Jitsi as a Service: tokens for its rooms, signed by the account's own key."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import extract_compact

from chalicelib.domain.meeting import Visit
from chalicelib.errors import Rejected
from chalicelib.providers.http_client import HttpClient
from chalicelib.providers.jaas import Jaas
from tests.contract.kit.contract import ProviderContract
from tests.contract.kit.subject import ServerlessSubject
from tests.support.clock import START
from tests.support.jitsi_rules import browser_problems

APP_ID = "vpaas-magic-cookie-0123456789abcdef"


@cache
def key() -> RSAKey:
    return RSAKey.generate_key(2048)


def short_key() -> str:
    """Of 1024 bits, in PEM."""
    made = rsa.generate_private_key(65537, 1024)
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def form(**changes: str) -> dict[str, str]:
    typed = {"app_id": APP_ID, "key_id": "key-1", "private_key": key().as_pem(private=True).decode()}
    return typed | changes


class JaasSubject(ServerlessSubject):
    kind = Jaas

    def secrets(self) -> list[str]:
        return [line for line in form()["private_key"].splitlines() if line and "-" not in line]

    def key_form(self) -> dict[str, str]:
        return form()


class TestJaas(ProviderContract):
    subject_kind = JaasSubject


@pytest.fixture
def jaas() -> Jaas:
    return Jaas(HttpClient(lambda: None), lambda: START)  # type: ignore[arg-type] # It sends no request.


def test_a_visit_gets_a_token_that_8x8_can_check(jaas: Jaas) -> None:
    visit = Visit(True, "visitor-1", "Demo Host", "Talk", START, START + timedelta(hours=2))
    address = urlsplit(jaas.create_join_link(jaas.read_key(form(key_id=f"{APP_ID}/key-1")), "room-1", visit))
    assert (address.netloc, address.path) == ("8x8.vc", f"/{APP_ID}/room-1")
    text = parse_qs(address.query)["jwt"][0]
    assert extract_compact(text.encode()).headers() == {"alg": "RS256", "typ": "JWT", "kid": f"{APP_ID}/key-1"}
    claims = jwt.decode(text, RSAKey.import_key(key().as_pem(private=False)), algorithms=["RS256"]).claims
    assert {name: claims[name] for name in ("aud", "iss", "sub", "room")} == {
        "aud": "jitsi",
        "iss": "chat",
        "sub": APP_ID,
        "room": "room-1",
    }
    assert claims["exp"] == int((START + timedelta(hours=2)).timestamp())
    assert claims["context"]["user"] == {"id": "visitor-1", "moderator": "true", "name": "Demo Host"}
    assert set(claims["context"]["features"].values()) == {"false"}


@pytest.mark.parametrize("is_host", [True, False], ids=["host", "guest"])
def test_jitsi_meets_own_rules_accept_the_token(jaas: Jaas, is_host: bool) -> None:
    visit = Visit(is_host, "visitor-1", "Demo Host" if is_host else None, "Talk", START, START + timedelta(hours=2))
    text = parse_qs(urlsplit(jaas.create_join_link(jaas.read_key(form()), "room-1", visit)).query)["jwt"][0]
    header = dict(extract_compact(text.encode()).headers())
    claims = jwt.decode(text, RSAKey.import_key(key().as_pem(private=False)), algorithms=["RS256"]).claims
    assert browser_problems(header, claims, tenant=APP_ID, now=START) == []
    wrong = browser_problems(header, claims | {"sub": "*"}, tenant=f"{APP_ID}0", now=START + timedelta(days=1))
    assert wrong == ["it has expired", "kid belongs to another tenant", f"sub is not {APP_ID}0"]


@pytest.mark.filterwarnings("ignore:Key size should be")
@pytest.mark.parametrize(
    "wrong",
    [
        {"app_id": "cookie"},
        {"key_id": "a key"},
        {"private_key": ""},
        {"private_key": "not a key"},
        {"private_key": key().as_pem(private=False).decode()},
        {"private_key": short_key()},
        {"private_key": ECKey.generate_key("P-256").as_pem(private=True).decode()},
    ],
    ids=["app id", "key id", "no key", "no PEM", "public key", "short key", "not RSA"],
)
def test_what_cannot_work_is_refused_with_what_to_do(jaas: Jaas, wrong: dict[str, str]) -> None:
    with pytest.raises(Rejected) as refused:
        jaas.read_key(form(**wrong))
    assert refused.value.advice
    assert form()["private_key"][60:90] not in str(refused.value)
