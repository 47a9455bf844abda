"""Every provider of the product. To add one, import its class and append it to the tuple below."""

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
