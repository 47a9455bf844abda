"""The providers that a user can connect on the settings page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct

from chalicelib.domain.connection import ConnectionState, ConnectionStatus
from chalicelib.errors import NotFound

if TYPE_CHECKING:
    from chalicelib.api.calls import Call
    from chalicelib.domain.workspace import Workspace
    from chalicelib.providers.base import KeyField, Provider
    from chalicelib.usecases.connect_links import Visitor


class Offer(Struct, frozen=True):
    """A provider that can be connected."""

    provider: Provider
    fields: tuple[KeyField, ...]
    """The form for a key; without fields, the user signs in at the provider."""
    approval: str | None
    """The link for an organization's administrator."""
    is_open: bool
    """Whether the form for a key is shown at once."""


def list_offered(call: Call, workspace: Workspace | None, status: ConnectionStatus) -> list[Provider]:
    """Return the providers that users of the workspace can connect, in its order.

    A broken account can be reconnected, also if its provider is no longer one of them.
    """
    services = call.services
    offered = services.offered_providers.list_for(workspace.providers if workspace else ())
    current = services.providers.get(status.connection.provider) if status.connection else None
    if status.state is ConnectionState.BROKEN and current is not None and current not in offered:
        offered.append(current)
    return offered


def make_offers(call: Call, offered: Iterable[Provider], visitor: Visitor, opened: str | None) -> list[Offer]:
    """Return the offers in the order of the page: the provider that the link names comes first.

    `opened` is the provider whose form for a key is open.
    """
    first = opened or visitor.provider
    ordered = sorted(offered, key=lambda provider: provider.name != first)
    return [_make_offer(call, provider, is_open=provider.name == first) for provider in ordered]


def check_offered(call: Call, visitor: Visitor, name: str) -> None:
    """Raise `NotFound` if the user cannot connect the provider."""
    workspace = call.services.workspace_store.get(visitor.workspace_id)
    status = call.services.connections.status(visitor.workspace_id, visitor.user_id)
    if all(provider.name != name for provider in list_offered(call, workspace, status)):
        raise NotFound("This provider is not available here.")


def named_sign_in(call: Call, visitor: Visitor, workspace: Workspace | None) -> Provider | None:
    """Return the provider that the link names, if the user can sign in there now.

    None also if its account, or another one, is connected: the user then wants to see the settings first.
    """
    from chalicelib.providers.base import OAuthProvider

    status = call.services.connections.status(visitor.workspace_id, visitor.user_id)
    current = status.connection.provider if status.connection else visitor.provider
    is_needed = status.state in (ConnectionState.NONE, ConnectionState.BROKEN) and current == visitor.provider
    offered = list_offered(call, workspace, status) if is_needed and visitor.provider else []
    named = (p for p in offered if p.name == visitor.provider and isinstance(p, OAuthProvider))
    return next(named, None)


def sign_in_origins(offered: Iterable[Provider]) -> list[str]:
    """Return the origins of the providers' sign-in pages.

    Chromium applies form-action to a form's redirects as well, so it must allow them.
    """
    from chalicelib.providers.base import OAuthProvider

    return [origin_of(provider.addresses["OAUTH"]) for provider in offered if isinstance(provider, OAuthProvider)]


def origin_of(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _make_offer(call: Call, provider: Provider, *, is_open: bool) -> Offer:
    from chalicelib.providers.base import KeyProvider

    fields = provider.fields if isinstance(provider, KeyProvider) else ()
    approval = None if fields else call.services.oauth_flow.admin_consent_url(provider.name, call.base_url)
    return Offer(provider, fields, approval, is_open=is_open)
