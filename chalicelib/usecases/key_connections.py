"""Connect a user to a provider account with a key that the user enters."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from msgspec.structs import replace

from chalicelib.domain.connection import Account, Connection, KeyProblem, tokens_of_key
from chalicelib.errors import Forbidden, NotFound, ReconnectNeeded, Rejected, TokenRejected
from chalicelib.providers.base import KeyField, KeyProvider
from chalicelib.usecases.connect_links import Session, Visitor
from chalicelib.usecases.connection_setup import ConnectionSetup
from chalicelib.usecases.offered_providers import OfferedProviders


class KeyRefused(Forbidden):
    """The key is too long, malformed, or refused by the provider. The settings page says what to do.

    `advice` is the provider's own; otherwise the problem says what is wrong with the field.
    """

    reason = "key_refused"

    def __init__(self, problem: KeyProblem, *, advice: str = "", field: KeyField | None = None) -> None:
        super().__init__(advice or problem.value)
        self.problem = problem
        self.advice = advice
        self.field = field


class KeyConnections:
    """Connections by key, for providers without OAuth."""

    def __init__(self, providers: OfferedProviders, setup: ConnectionSetup) -> None:
        self._providers = providers
        self._setup = setup

    def connect(self, session: Session, provider_name: str, form: Mapping[str, str], base_url: str) -> Connection:
        """Try the key in `form` at the provider, then establish the connection.

        Raises `KeyRefused` with what is wrong, `NotFound` for a provider without keys, `ProviderError`, or `LostRace`.
        """
        provider = self._providers.find(provider_name)
        if not isinstance(provider, KeyProvider):
            raise NotFound("This provider is not connected by a key.")
        fields = {name: text.strip() for name, text in form.items()}
        key, account = _read_key(provider, fields)
        account = _private_account(session.visitor, account)
        return self._setup.establish(session, provider.name, account, tokens_of_key(key), base_url)


def _read_key(provider: KeyProvider, fields: Mapping[str, str]) -> tuple[str, Account]:
    """Return the key in the fields and its account. Raises `KeyRefused` or `ProviderError`."""
    for field in provider.fields:
        if len(fields.get(field.name, "")) > field.longest:
            raise KeyRefused(KeyProblem.TOO_LONG, field=field)
    try:
        key = provider.read_key(fields)
        return key, provider.read_account(key)
    except (TokenRejected, ReconnectNeeded) as error:
        raise KeyRefused(KeyProblem.NOT_ACCEPTED) from error
    except Rejected as error:
        raise KeyRefused(KeyProblem.REFUSED, advice=error.advice) from error


def _private_account(visitor: Visitor, account: Account) -> Account:
    """Return the account under an id of this user: a key does not prove ownership, so its grant is not shared."""
    owner = hashlib.sha256(f"{visitor.workspace_id}\0{visitor.user_id}".encode()).hexdigest()[:16]
    return replace(account, id=f"{account.id}/{owner}")
