"""A stand-in for Webex integrations and the Webex Meetings API. Never shipped.

Bodies are held to Webex's published OpenAPI contract: `contract`.
"""

from __future__ import annotations

from infra.local.standins.webex.api import create_app
from infra.local.standins.webex.world import Mail, Meeting, Webex

__all__ = ["Mail", "Meeting", "Webex", "create_app"]
