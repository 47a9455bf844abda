"""Send a meeting's display time zone only where the provider knows it.

Zoom and Webex keep lists of their own, which differ from IANA's database. Start and end are sent in UTC, so a meeting
without a zone is at the right time; the provider's pages show it in the host's zone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chalicelib.errors import Rejected
from chalicelib.providers.http_client import ProviderResponse


class TimeZones:
    """The zones that a provider refused, for as long as this process lives.

    `may_be_zone` decides whether a refusal can be about the zone.
    """

    def __init__(self, may_be_zone: Callable[[Rejected], bool]) -> None:
        self._may_be_zone = may_be_zone
        self._unknown: set[str] = set()

    def send(self, body: dict[str, Any], send: Callable[[dict[str, Any]], ProviderResponse]) -> ProviderResponse:
        """Send `body`, and once more without its `timezone` if the provider refuses it. Raises the first refusal."""
        zone, without = body["timezone"], {name: value for name, value in body.items() if name != "timezone"}
        if zone in self._unknown:
            return send(without)
        try:
            return send(body)
        except Rejected as refusal:
            if not self._may_be_zone(refusal):
                raise
            try:
                response = send(without)
            except Rejected:
                raise refusal from None
            self._unknown.add(zone)
            return response
