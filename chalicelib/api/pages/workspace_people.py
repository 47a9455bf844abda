"""`/workspace/people`: who has connected which account, and hosts who have not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from chalice.app import Response
from msgspec import Struct

from chalicelib.api.calls import Call
from chalicelib.api.pages.workspace_shell import (
    go_to,
    list_page_links,
    list_start,
    member_audience,
    posted_by_member,
    record_action,
    render_workspace_error,
    require_member,
    show_utc,
    workspace_page,
)
from chalicelib.api.routing import PageRoutes
from chalicelib.domain.calendar import Host
from chalicelib.domain.connection import ConnectionState, ConnectionStatus, Reason
from chalicelib.domain.ids import is_id
from chalicelib.domain.meeting import MeetingState
from chalicelib.domain.workspace import MemberRole
from chalicelib.errors import IndexUnavailable, NotFound
from chalicelib.store.booking_lists import BookingQuery
from chalicelib.usecases.connection_lists import ConnectionFilter

if TYPE_CHECKING:
    from chalicelib.wording import Wording

routes = PageRoutes(render_workspace_error)
_PAGE = 25
_CALENDARS_READ = 100
_HOSTS_SHOWN = 25
_WAITING_READ = 200
_TONES = {ConnectionState.CONNECTED: "good", ConnectionState.BROKEN: "bad"}
_LISTED = (ConnectionState.CONNECTED, ConnectionState.BROKEN, ConnectionState.PENDING, ConnectionState.NONE)


class ShownPerson(Struct, frozen=True):
    """A row of one of the two tables."""

    user_id: str
    name: str
    email: str
    state: str
    tone: str
    account: str
    last_meeting: str
    """Empty if there is none."""
    waiting: int


@routes.get("/workspace/people")
def show_people(call: Call) -> Response:
    session, state = require_member(call), call.query("state") or ""
    workspace_id, wording = session.workspace.workspace_id, member_audience(call, session).wording
    wanted = ConnectionFilter(state=ConnectionState(state) if state in set(ConnectionState) else None)
    after = list_start(call)
    listed, following = call.services.connection_lists.page(workspace_id, wanted, limit=_PAGE, after=after)
    waiting, is_partial = _count_waiting(call, workspace_id)
    calendars, _ = call.services.calendar_store.page(workspace_id, limit=_CALENDARS_READ, after=None)
    hosts = {calendar.host.user_id: calendar.host for calendar in calendars}
    shows_hosts = wanted.state in (None, ConnectionState.NONE) and after is None
    return workspace_page(
        call,
        session,
        "people",
        people=[
            _show(call, user_id, status, hosts.get(user_id), waiting[user_id], wording) for user_id, status in listed
        ],
        hosts=_unconnected(call, workspace_id, hosts, waiting, wording) if shows_hosts else [],
        states=_LISTED,
        state=state,
        is_partial=is_partial,
        **list_page_links(call, following, {"state": state}),
    )


@routes.post("/workspace/people/link")
def send_connect_link(call: Call) -> Response:
    session, form = posted_by_member(call, MemberRole.SUPPORT)
    user_id, workspace_id = form.get("user", ""), session.workspace.workspace_id
    if not is_id(user_id):
        raise NotFound("There is no such user.")
    record_action(call, session, "send-connect-link")
    is_sent = call.services.connect_invitations.request(workspace_id, user_id, call.base_url)
    return go_to(call, "people", "sent" if is_sent else "too_often")


def _show(
    call: Call, user_id: str, status: ConnectionStatus, host: Host | None, waiting: int, wording: Wording
) -> ShownPerson:
    connection = status.connection
    provider = call.services.providers.get(connection.provider) if connection else None
    last = connection.last_meeting_at if connection else None
    account = f"{provider.display_name if provider else ''} · {connection.account.label}" if connection else ""
    return ShownPerson(
        user_id=user_id,
        name=(connection.user_name if connection else None) or (host.name if host else user_id),
        email=(connection.user_email if connection else None) or (host.email if host else ""),
        state=wording.workspace_pages.people.states[status.state],
        tone=_TONES.get(status.state, "plain"),
        account=account.removeprefix(" · "),
        last_meeting=show_utc(last, wording) if last else "",
        waiting=waiting,
    )


def _unconnected(
    call: Call, workspace_id: str, hosts: Mapping[str, Host], waiting: Counter[str], wording: Wording
) -> list[ShownPerson]:
    """Return those of the hosts who never connected an account, or who disconnected it."""
    connections = call.services.connection_store.get_all(workspace_id, hosts)
    state = wording.workspace_pages.people.states[ConnectionState.NONE]
    people = [
        ShownPerson(user_id, host.name, host.email, state, "plain", "", "", waiting[user_id])
        for user_id, host in sorted(hosts.items())
        if user_id not in connections or connections[user_id].ended_reason == Reason.DISCONNECTED
    ]
    return people[:_HOSTS_SHOWN]


def _count_waiting(call: Call, workspace_id: str) -> tuple[Counter[str], bool]:
    """Return how many upcoming bookings wait for a link, by host, and whether there are more than were read."""
    states = frozenset({MeetingState.WAITING})
    query = BookingQuery(workspace_id, starts_from=call.services.clock(), meeting_states=states)
    try:
        records, following = call.services.booking_store.page(query, limit=_WAITING_READ, after=None)
    except IndexUnavailable:
        return Counter(), True
    return Counter(record.booking.host.user_id for record in records), following is not None
