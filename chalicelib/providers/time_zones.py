"""Send a meeting's display time zone only if the provider supports it.

Zoom and Webex have their own lists of zones, which differ from IANA's database. Start and end are sent in UTC, so a
meeting without a zone still has the right time; the provider's pages then show it in the host's zone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chalicelib.errors import Rejected
from chalicelib.providers.http_client import ProviderResponse


class TimeZones:
    """Remembers the zones that a provider refused, for the lifetime of this process.

    `may_be_zone` returns whether an error can be about the zone.
    """

    def __init__(self, may_be_zone: Callable[[Rejected], bool]) -> None:
        self._may_be_zone = may_be_zone
        self._refused: set[str] = set()

    def send(self, body: dict[str, Any], send: Callable[[dict[str, Any]], ProviderResponse]) -> ProviderResponse:
        """Send `body`; if the provider refuses it, send it again without `timezone`. Raises the first error."""
        zone = body["timezone"]
        body_without_zone = {name: value for name, value in body.items() if name != "timezone"}
        if zone in self._refused:
            return send(body_without_zone)
        try:
            return send(body)
        except Rejected as error:
            if not self._may_be_zone(error):
                raise
            try:
                response = send(body_without_zone)
            except Rejected:
                raise error from None
            self._refused.add(zone)
            return response
