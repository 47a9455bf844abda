"""The providers that users of this deployment can connect to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chalicelib.domain.redacted import Redacted
from chalicelib.domain.workspace import TEST_PROVIDER
from chalicelib.providers.base import KeyProvider, OAuthProvider, Provider
from chalicelib.store.deployment_secrets import DeploymentSecrets


class OAuthClient(Redacted, frozen=True):
    """A provider with this deployment's credentials for it."""

    provider: OAuthProvider
    credentials: tuple[str, str]
    """Client id and client secret."""


class OfferedProviders:
    """Providers by name, with the credentials of those that need some."""

    def __init__(self, providers: Mapping[str, Provider], secrets: DeploymentSecrets) -> None:
        self._providers = providers
        self._secrets = secrets

    def list_all(self) -> list[Provider]:
        """Return the providers that this deployment has credentials for, and those that need none."""
        return [p for p in self._providers.values() if isinstance(p, KeyProvider) or self._secrets.credentials(p.name)]

    def list_for(self, names: Sequence[str]) -> list[Provider]:
        """Return those of `list_all` with these names, in this order. Without names, return all but that of tests."""
        offered = {provider.name: provider for provider in self.list_all()}
        every = [name for name in offered if name != TEST_PROVIDER]
        return [offered[name] for name in names or every if name in offered]

    def find(self, name: str) -> Provider | None:
        """Return the provider, with or without credentials; None if the deployment does not have it."""
        return self._providers.get(name)

    def oauth_client(self, name: str) -> OAuthClient | None:
        """Return the OAuth provider with its credentials; None without them, and for other kinds of providers."""
        provider, credentials = self._providers.get(name), self._secrets.credentials(name)
        if credentials is None or not isinstance(provider, OAuthProvider):
            return None
        return OAuthClient(provider, (credentials.client_id, credentials.client_secret))
