"""The facts of the local stack that the console's pages and scripts need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Demo:
    """What was set up when the local stack started.

    Addresses carry no trailing slash. `verified_senders` are SES identities: whole addresses, or domains, which cover
    their subdomains. `provider_email` and `provider_password` sign in at the stand-in; empty means: nothing to show.
    `key_form` is what connects a provider with a key: the text for each field of the settings page's form.
    """

    app_url: str
    console_url: str
    workspace_id: str
    api_key: str
    user_id: str
    host_name: str
    host_email: str
    calendar_id: str
    provider: str = "zoom"
    provider_url: str = ""
    provider_email: str = ""
    provider_password: str = ""
    verified_senders: frozenset[str] = frozenset()
    key_form: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The forms of further providers with a stand-in, by name."""

    @property
    def forms(self) -> list[tuple[str, Mapping[str, str]]]:
        """The provider and form of every stand-in."""
        return [(self.provider, self.key_form), *self.others.items()]
