"""A stand-in for Microsoft Entra and the online meetings of Microsoft Graph. Never shipped.

Bodies are held to Graph's own metadata: `metadata`.
"""

from __future__ import annotations

from infra.local.standins.microsoft.api import create_app
from infra.local.standins.microsoft.world import Door, LobbyPolicy, Meeting, Microsoft

__all__ = ["Door", "LobbyPolicy", "Meeting", "Microsoft", "create_app"]
