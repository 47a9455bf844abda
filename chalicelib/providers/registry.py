"""Every provider that the product knows. A new one is a file beside this one and a line here."""

from __future__ import annotations

from chalicelib.providers.base import Provider
from chalicelib.providers.daily import Daily
from chalicelib.providers.google_meet import GoogleMeet
from chalicelib.providers.google_meet_spaces import GoogleMeetSpaces
from chalicelib.providers.jaas import Jaas
from chalicelib.providers.jitsi import Jitsi
from chalicelib.providers.microsoft_teams import MicrosoftTeams
from chalicelib.providers.webex import Webex
from chalicelib.providers.zoom import Zoom

PROVIDERS: dict[str, type[Provider]] = {
    provider.name: provider
    for provider in (Zoom, GoogleMeet, GoogleMeetSpaces, MicrosoftTeams, Webex, Daily, Jitsi, Jaas)
}
