"""OAuth 2.0 with PKCE, for every provider: build the authorization URL, exchange the code, refresh, revoke.

authlib builds the messages. This module sends them and reads the responses: authlib would accept a 429 as a token, and
its automatic refresh takes no lock.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from msgspec.structs import replace

from chalicelib.domain.connection import Tokens
from chalicelib.errors import Ambiguous, ClientRefused, FailedCall, ProviderError, ProviderUnavailable, ReconnectNeeded
from chalicelib.observability import count, log
from chalicelib.providers.base import OAuthProvider
from chalicelib.providers.http_client import TOKEN_TIMEOUT_SECONDS, ProviderResponse, parse_retry_after

# Zoom's older form responds invalid_request and puts the cause into `reason`: github.com/calcom/cal.diy/pull/729
_ZOOM_INVALID_TOKEN = "Invalid Token!"  # noqa: S105
_INVALID_GRANT_CODES = {"invalid_grant", "interaction_required", "consent_required"}


def authorization_url(provider: OAuthProvider, client_id: str, *, redirect_uri: str, state: str, verifier: str) -> str:
    """Return the URL where the browser signs in (RFC 6749, 4.1.1; RFC 7636, 4.3)."""
    from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
    from authlib.oauth2.rfc7636 import create_s256_code_challenge

    oauth = provider.oauth
    parameters = dict(oauth.extra_parameters)
    if provider.uses_pkce:
        parameters |= {"code_challenge": create_s256_code_challenge(verifier), "code_challenge_method": "S256"}
    scope = " ".join(oauth.requested_scopes) if oauth.requested_scopes is not None else None
    address = provider.addresses["OAUTH"] + oauth.authorize_path
    return str(prepare_grant_uri(address, client_id, "code", redirect_uri, scope, state, **parameters))


def admin_consent_url(provider: OAuthProvider, client_id: str, *, redirect_uri: str) -> str | None:
    """Return the URL where an administrator approves the app for an organization; None if there is no such page.

    The redirect back proves nothing about the visitor, so no state is sent
    (learn.microsoft.com/entra/identity-platform/v2-admin-consent).
    """
    from urllib.parse import urlencode

    oauth = provider.oauth
    if oauth.admin_consent_path is None:
        return None
    scope = " ".join(oauth.requested_scopes or ())
    query = {"client_id": client_id, "redirect_uri": redirect_uri, "scope": scope}
    return f"{provider.addresses['OAUTH']}{oauth.admin_consent_path}?{urlencode(query)}"


def exchange(
    provider: OAuthProvider, credentials: tuple[str, str], *, code: str, redirect_uri: str, verifier: str
) -> Tokens:
    """Exchange an authorization code for tokens. Raises `ReconnectNeeded` if the code is not accepted.

    A response without scopes grants the requested ones (RFC 6749, 5.1).
    """
    from authlib.oauth2.rfc6749.parameters import prepare_token_request

    parameters = {"code_verifier": verifier} if provider.uses_pkce else {}
    body = prepare_token_request("authorization_code", code=code, redirect_uri=redirect_uri, **parameters)
    return _request_tokens(provider, credentials, body, provider.oauth.requested_scopes or ())


def refresh(provider: OAuthProvider, credentials: tuple[str, str], tokens: Tokens) -> Tokens:
    """Return new tokens. The old refresh token is kept if the response has none (RFC 6749, 6).

    Raises `ReconnectNeeded` if the grant is revoked, `Ambiguous` if the response was lost.
    """
    from authlib.oauth2.rfc6749.parameters import prepare_token_request

    body = prepare_token_request("refresh_token", refresh_token=tokens.refresh_token)
    try:
        new = _request_tokens(provider, credentials, body)
    except ProviderUnavailable as error:
        if error.status == 400 and tokens.lapses_at is not None and tokens.lapses_at <= provider.now():
            raise ReconnectNeeded(replace(error.call, what="the refresh token has expired")) from error
        raise
    return Tokens(
        new.access_token,
        new.refresh_token or tokens.refresh_token,
        new.expires_at,
        new.scopes or tokens.scopes,
        new.lapses_at or tokens.lapses_at,
    )


def revoke(provider: OAuthProvider, credentials: tuple[str, str], access_token: str) -> None:
    """Revoke the grant at the provider (RFC 7009). Do nothing if the provider has no revocation endpoint.

    A token that the provider does not know counts as revoked. After any other error the grant may still be valid
    (RFC 7009, 2.2.1): raises `ReconnectNeeded` if the provider reports that the grant is revoked, else
    `ProviderUnavailable` or `Ambiguous`.
    """
    if provider.oauth.revoke_path is None:
        return
    client = credentials if provider.oauth.revoke_needs_client else None
    response = _post(provider, client, provider.oauth.revoke_path, {"token": access_token})
    if response.ok or _is_unknown_token(response):
        return
    raise _read_error(provider, response)


def _request_tokens(
    provider: OAuthProvider, credentials: tuple[str, str], body: str, requested_scopes: tuple[str, ...] = ()
) -> Tokens:
    response = _post(provider, credentials, provider.oauth.token_path, dict(parse_qsl(body)))
    if not response.ok:
        raise _read_error(provider, response)
    return _read_tokens(provider, response.object(), provider.now(), requested_scopes)


def _post(
    provider: OAuthProvider, credentials: tuple[str, str] | None, path: str, form: dict[str, str]
) -> ProviderResponse:
    basic = provider.oauth.basic_auth and credentials is not None
    if credentials is not None and not basic:
        form = form | {"client_id": credentials[0], "client_secret": credentials[1]}
    return provider.http.send(
        provider.name,
        "POST",
        provider.token_address + path,
        form=form,
        auth=credentials if basic else None,
        timeout_seconds=TOKEN_TIMEOUT_SECONDS,
    )


def _read_error(provider: OAuthProvider, response: ProviderResponse) -> ProviderError:
    body = response.body if isinstance(response.body, dict) else {}
    values = (body.get(field) for field in ("error", "code", "errorCode"))
    code = next((str(value) for value in values if isinstance(value, str | int) and value), None)
    text = " ".join(str(body.get(field, "")) for field in ("error_description", "message"))
    if _is_invalid_grant(provider, response, code, text):
        code = provider.oauth.error_code(code or "", text) or None
        return ReconnectNeeded(_failed_call(provider, response, "the token endpoint refuses the grant", code))
    if response.status in (500, 502, 504):
        return Ambiguous(_failed_call(provider, response, "the token endpoint failed"))
    if code in provider.oauth.invalid_client_codes | provider.oauth.ambiguous_client_codes:
        return _refuse_client(provider, response, code)
    call = _failed_call(provider, response, "the token endpoint refuses the request", code)
    reason = "rate_limited" if response.status == 429 else None
    return ProviderUnavailable(call, retry_at=parse_retry_after(response.headers, provider.now()), reason=reason)


def _failed_call(provider: OAuthProvider, response: ProviderResponse, what: str, code: str | None = None) -> FailedCall:
    return FailedCall(provider.name, what, status=response.status, code=code)


def _is_invalid_grant(provider: OAuthProvider, response: ProviderResponse, code: str | None, text: str) -> bool:
    if code in _INVALID_GRANT_CODES or code in provider.oauth.invalid_grant_codes:
        return True
    if code == "invalid_request" and response.object().get("reason") == _ZOOM_INVALID_TOKEN:
        return True
    phrases = provider.oauth.invalid_grant_phrases
    return response.status == 400 and any(phrase in text.lower() for phrase in phrases)


def _refuse_client(provider: OAuthProvider, response: ProviderResponse, code: str | None) -> ClientRefused:
    may_be_grant = code in provider.oauth.ambiguous_client_codes
    error = ClientRefused(_failed_call(provider, response, "the client is refused", code), may_be_grant=may_be_grant)
    count("ClientRefused")
    log.failure("a provider refuses this deployment's credentials", error, provider=provider.name)
    return error


def _is_unknown_token(response: ProviderResponse) -> bool:
    """Whether the revocation endpoint reports that the token does not exist, as Google and Zoom do."""
    body = response.body if isinstance(response.body, dict) else {}
    is_unknown = body.get("error") == "invalid_token" or body.get("reason") == _ZOOM_INVALID_TOKEN
    return response.status == 400 and is_unknown


def _read_tokens(
    provider: OAuthProvider, body: dict[str, Any], now: datetime, requested_scopes: tuple[str, ...]
) -> Tokens:
    access_token, refresh_token = body.get("access_token"), body.get("refresh_token")
    scope = body.get("scope")
    if not isinstance(access_token, str) or not access_token or not isinstance(refresh_token, str | None):
        raise Ambiguous(FailedCall(provider.name, "the token endpoint responded without a token", status=200))
    scopes = tuple(scope.replace(",", " ").split()) if isinstance(scope, str) else requested_scopes
    expires_at = now + _read_lifetime(body.get("expires_in"))
    refresh_lifetime = _read_lifetime(body.get("refresh_token_expires_in"))
    lapses_at = now + refresh_lifetime if refresh_lifetime else None
    return Tokens(access_token, refresh_token, expires_at, scopes, lapses_at)


def _read_lifetime(seconds: Any) -> timedelta:
    """Return zero if the value is unreadable: the token is then used once, which keeps a rotating grant alive."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float | str):
        return timedelta()
    try:
        return timedelta(seconds=int(max(0.0, min(float(seconds), 1e8))))
    except (ValueError, OverflowError):
        return timedelta()
