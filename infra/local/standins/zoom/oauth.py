"""The token and revocation endpoints: https://developers.zoom.us/docs/integrations/oauth/"""

from __future__ import annotations

import hmac
from typing import Any

from flask import Blueprint, request

from infra.local.standins.zoom.current import current_zoom, locked
from infra.local.standins.zoom.errors import OAuthError
from infra.local.standins.zoom.grants import ACCESS_TOKEN_LIFE, Pair

blueprint = Blueprint("oauth", __name__, url_prefix="/oauth")

# What Zoom's own client sends, and nothing else; real Zoom does not say what it does about more.
_EXCHANGE_FIELDS = frozenset({"grant_type", "code", "redirect_uri", "code_verifier"})
_REFRESH_FIELDS = frozenset({"grant_type", "refresh_token"})


@blueprint.post("/token")
@locked
def token() -> dict[str, Any]:
    """Exchange a code or refresh a pair."""
    _authenticate_client()
    grants = current_zoom().grants
    match request.form.get("grant_type"):
        case "authorization_code":
            _accept_only(_EXCHANGE_FIELDS)
            form = request.form
            return _token_answer(
                grants.exchange(form.get("code", ""), form.get("redirect_uri", ""), form.get("code_verifier", ""))
            )
        case "refresh_token":
            _accept_only(_REFRESH_FIELDS)
            return _token_answer(grants.refresh(request.form.get("refresh_token", "")))
        case _:
            raise OAuthError("Unsupported grant type", "unsupported_grant_type")  # 4705


@blueprint.post("/revoke")
@locked
def revoke() -> dict[str, Any]:
    """End the grant that an access token belongs to."""
    _authenticate_client()
    _accept_only(frozenset({"token"}))
    current_zoom().grants.revoke(request.form.get("token", ""))
    return {"status": "success"}


def _authenticate_client() -> None:
    """Demand HTTP Basic; credentials in the body do not count.

    Status and words as reported in https://github.com/JubaerHossain/zoom-laravel/issues/3 (4702, 4706).
    """
    zoom, given = current_zoom(), request.authorization
    if given is None or given.type != "basic":
        raise OAuthError("Invalid client_id or client_secret", "invalid_client")
    expected = f"{zoom.client_id}:{zoom.client_secret}"
    if not hmac.compare_digest(f"{given.username}:{given.password}".encode(), expected.encode()):
        raise OAuthError("Invalid client_id or client_secret", "invalid_client")


def _accept_only(fields: frozenset[str]) -> None:
    unknown = (set(request.form) | set(request.args)) - fields
    if unknown or request.args:
        raise OAuthError(f"Unexpected parameters: {', '.join(sorted(unknown))}", "invalid_request")


def _token_answer(pair: Pair) -> dict[str, Any]:
    return {
        "access_token": pair.access_token,
        "token_type": "bearer",
        "refresh_token": pair.refresh_token,
        "expires_in": int(ACCESS_TOKEN_LIFE.total_seconds()) - 1,
        "scope": " ".join(pair.scopes),
        "api_url": current_zoom().api_url,
    }
