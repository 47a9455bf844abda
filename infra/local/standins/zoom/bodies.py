"""The JSON bodies of the stand-in's responses, with the fields of the contract."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from infra.local.standins.zoom.accounts import Account
from infra.local.standins.zoom.contract import declared_settings
from infra.local.standins.zoom.meetings import Meeting, Page
from infra.local.standins.zoom.minting import Mint

_AGENDA_IN_LISTS = 250
_FREE = 1
RECORDED = frozenset({"uuid", "host_id", "status", "chat_join_url"})
"""What Zoom answers a create with beyond its contract: tests/contract/recorded/zoom.json."""

# Numbers set aside for fiction: 555-0100 to -0199 (NANP) and 020 7946 0xxx (Ofcom).
_DIAL_IN_NUMBERS = [
    {"country": "US", "country_name": "US", "city": "New York", "number": "+1 212 555 0143", "type": "toll"},
    {"country": "GB", "country_name": "United Kingdom", "city": "London", "number": "+44 20 7946 0958", "type": "toll"},
]


def user(account: Account) -> dict[str, Any]:
    """GET /users/me, as recorded with the scope `user:read:user` alone: tests/contract/recorded/zoom.json."""
    return {
        "id": account.user_id,
        "account_id": account.account_id,
        "display_name": account.display_name,
        "type": account.type,
        "timezone": account.timezone,
        "status": "active",
        "verified": 1,
        "language": "en-US",
        "email": account.email,
    }


def created(meeting: Meeting, host: Account, web_url: str, mint: Mint) -> dict[str, Any]:
    """POST …/meetings, with `RECORDED` as well, which the contract does not declare here."""
    declared = declared_settings("post", "/users/{userId}/meetings", "201")
    passwords = {
        "password": meeting.password,
        "h323_password": meeting.dial_in_password,
        "pstn_password": meeting.dial_in_password,
        "encrypted_password": meeting.encrypted_password,
    }
    phone = {"global_dial_in_numbers": _DIAL_IN_NUMBERS} if host.type != _FREE else {"audio": "voip"}
    return {
        "uuid": meeting.uuid,
        "id": meeting.id,
        "host_id": meeting.host_user_id,
        "host_email": host.email,
        "status": "waiting",
        "chat_join_url": f"{web_url}/launch/jc/{meeting.id}",
        "type": meeting.type,
        "topic": meeting.topic,
        "agenda": meeting.agenda,
        "start_time": instant(meeting.start_time),
        "duration": meeting.duration,
        "timezone": meeting.timezone,
        "created_at": instant(meeting.created_at),
        # The host's key to the meeting: a new one each time, alive for two hours. Never to be stored or mailed.
        "start_url": f"{web_url}/s/{meeting.id}?zak={mint.text(48)}",
        "join_url": join_url(meeting, web_url),
        "creation_source": "open_api",
        "pre_schedule": False,
        "settings": {name: value for name, value in meeting.settings.items() if name in declared} | phone,
    } | (passwords if meeting.password else {})


def found(meeting: Meeting, host: Account, web_url: str, mint: Mint) -> dict[str, Any]:
    """GET /meetings/{id}."""
    return created(meeting, host, web_url, mint)


def listed(page: Page, page_size: int, web_url: str, *, with_agenda: bool) -> dict[str, Any]:
    """GET /users/me/meetings: "agenda gets truncated to 250 characters when you list", and is absent when empty."""
    return {
        "page_size": page_size,
        "total_records": page.total_records,
        "next_page_token": page.next_page_token,
        "meetings": [
            {
                "uuid": meeting.uuid,
                "id": meeting.id,
                "host_id": meeting.host_user_id,
                "topic": meeting.topic,
                "type": meeting.type,
                "start_time": instant(meeting.start_time),
                "duration": meeting.duration,
                "timezone": meeting.timezone,
                "created_at": instant(meeting.created_at),
                "join_url": join_url(meeting, web_url),
            }
            | ({"agenda": meeting.agenda[:_AGENDA_IN_LISTS]} if meeting.agenda and with_agenda else {})
            for meeting in page.meetings
        ],
    }


def invitation(meeting: Meeting, host: Account, web_url: str) -> dict[str, Any]:
    """GET /meetings/{id}/invitation."""
    lines = [
        f"{host.display_name} is inviting you to a scheduled Zoom meeting.",
        "",
        f"Topic: {meeting.topic}",
        f"Time: {instant(meeting.start_time)}",
        "",
        "Join Zoom Meeting",
        join_url(meeting, web_url),
        "",
        f"Meeting ID: {meeting.id}",
        f"Passcode: {meeting.password}",
    ]
    return {"invitation": "\r\n".join(lines), "sip_links": []}


def join_url(meeting: Meeting, web_url: str) -> str:
    """The guests' link, with the passcode inside."""
    password = f"?pwd={meeting.encrypted_password}" if meeting.password else ""
    return f"{web_url}/j/{meeting.id}{password}"


def instant(time: datetime) -> str:
    """A UTC time as Zoom writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
