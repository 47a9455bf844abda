"""Remove people who are no longer co-hosts of a meeting."""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.errors import MeetingGone, Rejected
from chalicelib.observability import log
from chalicelib.providers.http_client import ProviderResponse


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
