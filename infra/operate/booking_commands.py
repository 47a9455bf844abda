"""Commands for bookings and connections: list, show, retry."""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from chalicelib import wiring
from chalicelib.api.schemas.bookings import format_booking
from chalicelib.api.schemas.connections import format_connection
from chalicelib.domain.connection import ConnectionState
from chalicelib.domain.guest_key import guest_key
from chalicelib.domain.meeting import MeetingReason, MeetingState
from chalicelib.errors import InvalidInput, NotFound
from chalicelib.store.booking_lists import BookingQuery, count_troubled
from chalicelib.store.booking_records import TROUBLE_STATES, Record
from chalicelib.usecases.connection_lists import ConnectionFilter
from infra.operate.command import Command, Options, Recorded, add_limit, add_start_range, add_workspace, add_yes
from infra.operate.replay import Range, list_workspaces, replay
from infra.operate.stage_access import tables
from infra.progress import Progress

_PAGE_SIZE = 100


def _list(options: Options, services: wiring.Services) -> dict[str, Any]:
    query, items = _query(options, services), list[Any]()
    is_troubled = bool(query.meeting_states) and query.meeting_states <= TROUBLE_STATES
    total = min(options.limit, count_troubled(query)) if is_troubled else options.limit
    after: str | None = None
    qualifier = "about" if is_troubled else "at most"
    with Progress("bookings listed", total, qualifier=qualifier) as progress:
        while len(items) < options.limit:
            size = min(_PAGE_SIZE, options.limit - len(items))
            records, after = services.booking_store.page(query, limit=size, after=after)
            items += [_form(record) for record in records]
            progress.advance(len(records))
            if after is None:
                break
    return {"items": items} | ({"more": True} if after else {})


def _query(options: Options, services: wiring.Services) -> BookingQuery:
    email = options.guest
    secret = services.deployment_secrets.tag_secret() if email else b""
    return BookingQuery(
        options.workspace_id,
        starts_from=options.starts_from,
        starts_before=options.starts_before,
        calendar_id=options.calendar,
        user_id=options.user,
        status=options.status,
        meeting_states=frozenset(map(MeetingState, options.state or ())),
        reason=options.reason,
        guest_email=email,
        guest_key=guest_key(secret, options.workspace_id, email) if email else None,
    )


def _show(options: Options, services: wiring.Services) -> dict[str, Any]:
    record = services.booking_store.get(options.workspace_id, options.booking)
    if record is None:
        raise NotFound("There is no booking with this id in this workspace.")
    return _form(record)


def _form(record: Record) -> dict[str, Any]:
    form: dict[str, Any] = msgspec.to_builtins(format_booking(record))
    return form


def _retry(options: Options, services: wiring.Services) -> dict[str, Any]:
    """Settle one booking again, or all in a state and range."""
    if options.booking:
        if not options.workspace_id:
            raise InvalidInput("A booking id is unique in its workspace only: pass --workspace too.")
        _show(options, services)  # Raises if there is no such booking.
        if options.yes:
            services.bookings.retry(options.workspace_id, options.booking)
        return {"bookings": {options.booking: 1}, "done": options.yes}
    states, selected = frozenset(map(MeetingState, options.state or ["failed"])), ranges(options, services)
    expected = expected_bookings(options, services)
    if states <= TROUBLE_STATES:
        expected = sum(count_troubled(bookings.query(states)) for bookings in selected)
    counts = replay(services, selected, states, apply=options.yes, expected_bookings=expected)
    return {"bookings": counts, "done": options.yes}


def ranges(options: Options, services: wiring.Services) -> list[Range]:
    """Return the ranges of bookings that the options select."""
    ids = [options.workspace_id] if options.workspace_id else list_workspaces(tables(services))
    return [Range(id_, options.starts_from, options.starts_before) for id_ in ids]


def expected_bookings(options: Options, services: wiring.Services) -> int | None:
    """Return about how many bookings the ranges contain; None if they are only a part of the table."""
    if options.workspace_id or options.starts_from or options.starts_before:
        return None
    return tables(services).estimate_size("bookings")


def _list_connections(options: Options, services: wiring.Services) -> dict[str, Any]:
    wanted = ConnectionFilter(ConnectionState(options.state) if options.state else None, options.provider)
    items: list[Any] = []
    after: str | None = None
    with Progress("connections listed", options.limit, qualifier="at most") as progress:
        while len(items) < options.limit:
            size = min(_PAGE_SIZE, options.limit - len(items))
            listed, after = services.connection_lists.page(options.workspace_id, wanted, limit=size, after=after)
            items += [msgspec.to_builtins(format_connection(user_id, status)) for user_id, status in listed]
            progress.advance(len(listed))
            if after is None:
                break
    return {"items": items} | ({"more": True} if after else {})


def _add_states(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--state", action="append", choices=list(MeetingState), help=f"{text}; repeatable")


def _add_list(parser: argparse.ArgumentParser) -> None:
    add_workspace(parser)
    _add_states(parser, "bookings with a meeting in this state")
    parser.add_argument("--reason", choices=list(MeetingReason), help="why the meeting is in its state")
    parser.add_argument("--status", choices=["confirmed", "cancelled"])
    parser.add_argument("--user", metavar="ID", help="the host's id")
    parser.add_argument("--calendar", metavar="ID", help="the calendar's id")
    parser.add_argument("--guest", metavar="EMAIL", help="the exact address of the first guest")
    add_start_range(parser)
    add_limit(parser)


def _add_show(parser: argparse.ArgumentParser) -> None:
    add_workspace(parser)
    parser.add_argument("booking", help="the booking's id")


def _add_retry(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("booking", nargs="?", help="one booking's id; without it, all bookings in --state")
    add_workspace(parser, required=False)
    _add_states(parser, "bookings with a meeting in this state; failed by default")
    add_start_range(parser)
    add_yes(parser)


def _add_connections(parser: argparse.ArgumentParser) -> None:
    add_workspace(parser)
    parser.add_argument("--state", choices=list(ConnectionState))
    parser.add_argument("--provider", help="the provider's name, such as zoom")
    add_limit(parser)


COMMANDS = (
    Command(
        "booking list",
        "list a workspace's bookings, by state, guest, host, calendar or time",
        _list,
        _add_list,
        columns=(
            "id",
            "starts_at",
            "meeting.state",
            "meeting.reason",
            "meeting.provider",
            "host.user_id",
            "guests.0.email",
        ),
    ),
    Command("booking show", "show a booking with its meeting and emails", _show, _add_show),
    Command("booking retry", "settle bookings again", _retry, _add_retry, Recorded.APPLIED),
    Command(
        "connection list",
        "list a workspace's connections, by state or provider",
        _list_connections,
        _add_connections,
        columns=("user_id", "state", "reason", "provider", "account.email", "connected_at", "last_meeting_at"),
    ),
)
