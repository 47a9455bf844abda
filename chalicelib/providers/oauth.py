"""OAuth 2.0 with PKCE against any provider: build the redirect, exchange the code, refresh, revoke.

authlib builds the messages. Sending and judging the answers is done here: authlib takes a 429 for a token, and its
automatic refresh takes no lock.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from chalicelib.domain.connection import Tokens
from chalicelib.errors import Ambiguous, ClientRefused, FailedCall, ProviderError, ProviderUnavailable, ReconnectNeeded
from chalicelib.observability import count, log
from chalicelib.providers.base import OAuthProvider
from chalicelib.providers.http_client import TOKEN_TIMEOUT_SECONDS, ProviderResponse, parse_retry_after

# Zoom's older form says invalid_request and puts the cause into `reason`: github.com/calcom/cal.diy/pull/729
_ZOOMS_UNKNOWN_TOKEN = "Invalid Token!"  # noqa: S105
_DEAD_GRANT = {"invalid_grant", "interaction_required", "consent_required"}


def authorization_url(provider: OAuthProvider, client_id: str, *, redirect_uri: str, state: str, verifier: str) -> str:
    """Where to send the browser (RFC 6749, 4.1.1; RFC 7636, 4.3)."""
    from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
    from authlib.oauth2.rfc7636 import create_s256_code_challenge

    oauth = provider.oauth
    extra = dict(oauth.extra_parameters)
    if provider.uses_pkce:
        extra |= {"code_challenge": create_s256_code_challenge(verifier), "code_challenge_method": "S256"}
    scope = " ".join(oauth.requested_scopes) if oauth.requested_scopes is not None else None
    address = provider.addresses["OAUTH"] + oauth.authorize_path
    return str(prepare_grant_uri(address, client_id, "code", redirect_uri, scope, state, **extra))


def admin_consent_url(provider: OAuthProvider, client_id: str, *, redirect_uri: str) -> str | None:
    """Where an administrator approves the app for everybody; None where the provider knows no such thing.

    Whoever comes back from there proves nothing, so there is no state to keep
    (learn.microsoft.com/entra/identity-platform/v2-admin-consent).
    """
    from urllib.parse import urlencode

    oauth = provider.oauth
    if oauth.admin_consent_path is None:
        return None
    asked = {"client_id": client_id, "redirect_uri": redirect_uri, "scope": " ".join(oauth.requested_scopes or ())}
    return f"{provider.addresses['OAUTH']}{oauth.admin_consent_path}?{urlencode(asked)}"


def exchange(
    provider: OAuthProvider, credentials: tuple[str, str], *, code: str, redirect_uri: str, verifier: str
) -> Tokens:
    """Tokens for an authorization code. Raises `ReconnectNeeded` if the code is not accepted.

    An response that names no scopes grants those that were asked for (RFC 6749, 5.1).
    """
    from authlib.oauth2.rfc6749.parameters import prepare_token_request

    extra = {"code_verifier": verifier} if provider.uses_pkce else {}
    body = prepare_token_request("authorization_code", code=code, redirect_uri=redirect_uri, **extra)
    return _token_call(provider, credentials, body, provider.oauth.requested_scopes or ())


def refresh(provider: OAuthProvider, credentials: tuple[str, str], tokens: Tokens) -> Tokens:
    """New tokens; the old refresh token is kept where the response carries none (RFC 6749, 6).

    Raises `ReconnectNeeded` if the grant is dead, `Ambiguous` if the response was lost.
    """
    from authlib.oauth2.rfc6749.parameters import prepare_token_request

    body = prepare_token_request("refresh_token", refresh_token=tokens.refresh_token)
    try:
        new = _token_call(provider, credentials, body)
    except ProviderUnavailable as error:
        if error.status == 400 and tokens.lapses_at is not None and tokens.lapses_at <= provider.now():
            raise ReconnectNeeded(
                FailedCall(provider.name, "the refresh token has lapsed", status=400, code=error.code)
            ) from error
        raise
    scopes = new.scopes or tokens.scopes
    kept = new.refresh_token or tokens.refresh_token
    return Tokens(new.access_token, kept, new.expires_at, scopes, new.lapses_at or tokens.lapses_at)


def revoke(provider: OAuthProvider, credentials: tuple[str, str], access_token: str) -> None:
    """Revoke the grant at the provider (RFC 7009). Do nothing where the provider has no such call.

    A token that the provider does not know is revoked already. After any other refusal the grant may still be alive
    (RFC 7009, 2.2.1): raises `ReconnectNeeded` if the provider says that the grant is dead, else `ProviderUnavailable`
    or `Ambiguous`.
    """
    if provider.oauth.revoke_path is None:
        return
    as_client = provider.oauth.revoke_needs_client
    response = _post(provider, credentials if as_client else None, provider.oauth.revoke_path, {"token": access_token})
    if response.ok or _is_unknown_token(response):
        return
    raise _refused(provider, response)


def _token_call(
    provider: OAuthProvider, credentials: tuple[str, str], body: str, asked: tuple[str, ...] = ()
) -> Tokens:
    response = _post(provider, credentials, provider.oauth.token_path, dict(parse_qsl(body)))
    if not response.ok:
        raise _refused(provider, response)
    return _tokens(provider, response.object(), provider.now(), asked)


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


def _refused(provider: OAuthProvider, response: ProviderResponse) -> ProviderError:
    said = response.body if isinstance(response.body, dict) else {}
    named = (said.get(field) for field in ("error", "code", "errorCode"))
    code = next((str(value) for value in named if isinstance(value, str | int) and value), None)
    invalid_token = code == "invalid_request" and said.get("reason") == _ZOOMS_UNKNOWN_TOKEN
    words = " ".join(str(said.get(field, "")) for field in ("error_description", "message"))
    in_words = response.status == 400 and any(dead in words.lower() for dead in provider.oauth.invalid_grant_phrases)
    if code in _DEAD_GRANT or code in provider.oauth.invalid_grant_codes or invalid_token or in_words:
        code = provider.oauth.error_code(code or "", words) or None
        return ReconnectNeeded(
            FailedCall(provider.name, "the token endpoint refuses the grant", status=response.status, code=code)
        )
    if response.status in (500, 502, 504):
        return Ambiguous(FailedCall(provider.name, "the token endpoint failed", status=response.status))
    if code in provider.oauth.invalid_client_codes | provider.oauth.ambiguous_client_codes:
        return _client_refused(provider, response, code)
    return _unavailable(provider, response, code)


def _client_refused(provider: OAuthProvider, response: ProviderResponse, code: str | None) -> ClientRefused:
    may_be_grant = code in provider.oauth.ambiguous_client_codes
    call = FailedCall(provider.name, "the client is refused", status=response.status, code=code)
    error = ClientRefused(call, may_be_grant=may_be_grant)
    count("ClientRefused")
    log.failure("a provider refuses this deployment's credentials", error, provider=provider.name)
    return error


def _is_unknown_token(response: ProviderResponse) -> bool:
    """Whether the revocation endpoint says that there is no such token, as Google and Zoom do."""
    body = response.body if isinstance(response.body, dict) else {}
    unknown = body.get("error") == "invalid_token" or body.get("reason") == _ZOOMS_UNKNOWN_TOKEN
    return response.status == 400 and unknown


def _unavailable(provider: OAuthProvider, response: ProviderResponse, code: str | None = None) -> ProviderUnavailable:
    at = parse_retry_after(response.headers, provider.now())
    call = FailedCall(provider.name, "the token endpoint refuses the request", status=response.status, code=code)
    return ProviderUnavailable(call, retry_at=at, reason="rate_limited" if response.status == 429 else None)


def _tokens(provider: OAuthProvider, body: dict[str, Any], now: datetime, asked: tuple[str, ...]) -> Tokens:
    access, refresh_token = body.get("access_token"), body.get("refresh_token")
    scope = body.get("scope")
    if not isinstance(access, str) or not access or not isinstance(refresh_token, str | None):
        raise Ambiguous(FailedCall(provider.name, "the token endpoint answered without a token", status=200))
    scopes = tuple(scope.replace(",", " ").split()) if isinstance(scope, str) else asked
    lapses_in = _lifetime(body.get("refresh_token_expires_in"))
    lapses_at = now + lapses_in if lapses_in else None
    return Tokens(access, refresh_token, now + _lifetime(body.get("expires_in")), scopes, lapses_at)


def _lifetime(seconds: Any) -> timedelta:
    """Zero if it cannot be read: the tokens are then used once. Thrown away they would end a rotating grant."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float | str):
        return timedelta()
    try:
        return timedelta(seconds=int(max(0.0, min(float(seconds), 1e8))))
    except (ValueError, OverflowError):
        return timedelta()
