"""What the providers' changes of a meeting's co-hosts have in common."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from chalicelib.errors import MeetingGone, Rejected
from chalicelib.observability import log
from chalicelib.providers.http_client import ProviderResponse


def do_nothing() -> None:
    """Allow every call: the default of `before_each_call`."""


class CohostChange(Struct, frozen=True):
    """The co-hosts that a meeting gets, by their addresses, and former ones, who are removed."""

    emails: tuple[str, ...]
    former: tuple[str, ...] = ()
    before_each_call: Callable[[], None] = do_nothing
    """Called before each request to the provider. It may raise an error to stop; a repeated change starts again."""


def remove_cohost(call: Callable[..., ProviderResponse], path: str) -> None:
    """Delete the co-host at `path`, if it exists. `call` sends a request.

    A permanent refusal is only logged: the co-host stays at the provider, and every later attempt would fail too.
    """
    try:
        call("DELETE", path)
    except MeetingGone:
        return
    except Rejected as error:
        log.warning("a former co-host stays", provider=error.provider, status=error.status, code=error.code)
