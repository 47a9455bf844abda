"""Routes of `/v1/users/…` and `/v1/providers`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalice.app import Response

from chalicelib.api.calls import CallerCall
from chalicelib.api.pagination import encode_cursor
from chalicelib.api.routing import Routes, json_response
from chalicelib.api.schemas import connections as schemas
from chalicelib.api.schemas.fields import format_timestamp
from chalicelib.domain.plain_text import clean_line
from chalicelib.domain.workspace import TEST_PROVIDER
from chalicelib.errors import FieldError, InvalidInput, TooManyRequests
from chalicelib.usecases.connect_links import Visitor
from chalicelib.usecases.connection_lists import ConnectionFilter
from chalicelib.validation import Check

if TYPE_CHECKING:
    from chalicelib.providers.base import Provider

routes = Routes("Connections")


@routes.post(
    "/v1/users/{user_id}/connect-links",
    "Create a link that opens the settings page for a user",
    text="The link works once, for ten minutes. Give it only to that user: on the page, they sign in at the provider.",
    request=schemas.ConnectLinkBody,
    request_required=False,
    responses={201: schemas.ConnectLink},
)
def post_connect_link(call: CallerCall, user_id: str) -> Response:
    body = _read_link(call) if call.raw_body else schemas.ConnectLinkBody()
    name = clean_line(body.name, 200) if body.name else None
    visitor = Visitor(call.workspace_id, user_id, body.email, name, body.provider, body.return_to)
    token, expires_at = call.services.connect_links.create_link(visitor, key_id=call.key_id)
    return json_response(schemas.ConnectLink(f"{call.base_url}/connect/{token}", format_timestamp(expires_at)), 201)


@routes.get(
    "/v1/connections",
    "List connections in order of user id",
    text="Users who never connected, or who disconnected, are not listed. If you filter, a page can have fewer items "
    "than `limit`, or none, although more follow: continue until `next_cursor` is null.",
    query=schemas.ConnectionsQuery,
    responses={200: schemas.ConnectionPage},
)
def list_connections(call: CallerCall) -> Response:
    query = call.read_query(schemas.ConnectionsQuery)
    listed, after = call.services.connection_lists.page(
        call.workspace_id, ConnectionFilter(query.state, query.provider), limit=query.size, after=query.after
    )
    items = [schemas.format_connection(user_id, status) for user_id, status in listed]
    return json_response(schemas.ConnectionPage(items, encode_cursor(after)))


@routes.get(
    "/v1/users/{user_id}/connection",
    "Get the state of a user's connection",
    text="Returns 200 for every user id: users need no registration.",
    responses={200: schemas.Connection},
)
def get_connection(call: CallerCall, user_id: str) -> Response:
    status = call.services.connections.status(call.workspace_id, user_id)
    return json_response(schemas.format_connection(user_id, status))


@routes.delete(
    "/v1/users/{user_id}/connection",
    "Disconnect a user, or preview it",
    text="Takes effect immediately, and also succeeds without a connection. The access is revoked at the provider soon "
    "after. The user's sessions and connect links end.",
    query=schemas.DisconnectQuery,
    responses={204: None, 200: schemas.DisconnectPreview},
)
def delete_connection(call: CallerCall, user_id: str) -> Response:
    query = call.read_query(schemas.DisconnectQuery)
    if query.dry_run == "true":
        meetings = call.services.connections.preview_disconnect(call.workspace_id, user_id)
        return json_response(schemas.format_disconnect_preview(meetings))
    call.audit("disconnect")
    delete_meetings = query.meetings == "delete"
    call.services.connections.disconnect(call.workspace_id, user_id, delete_meetings=delete_meetings)
    return Response("", status_code=204)


@routes.post(
    "/v1/users/{user_id}/connection/confirm",
    "Confirm that the connected account belongs to the user",
    text="Only if the workspace requires it: until then, the connection is `pending` and bookings get no links. "
    "Send the account that you reviewed: if the user has connected another one since, the response is 409.",
    request=schemas.ConfirmBody,
    responses={200: schemas.Connection},
    problems=("not_connected", "account_changed"),
)
def confirm_connection(call: CallerCall, user_id: str) -> Response:
    if not call.raw_body:
        detail = "Send the account that you confirm: `account.id` of GET …/connection."
        raise InvalidInput("The request is invalid; see `errors`.", errors=[FieldError("/account_id", detail)])
    body = call.read(schemas.ConfirmBody)
    call.audit("confirm-connection")
    status = call.services.connections.confirm(call.workspace_id, user_id, body.account_id)
    return json_response(schemas.format_connection(user_id, status))


@routes.delete(
    "/v1/users/{user_id}/sessions",
    "Sign a user out",
    text="Ends the user's sessions on the settings page and every unused connect link. The connection stays.",
    responses={204: None},
)
def delete_sessions(call: CallerCall, user_id: str) -> Response:
    call.audit("sign-out")
    call.services.connect_links.end_all(call.workspace_id, user_id)
    return Response("", status_code=204)


@routes.post(
    "/v1/users/{user_id}/connection/check",
    "Check the connection",
    text="Signs in as for a booking, and creates and deletes a test meeting. Reports what guests will experience: "
    "whether they wait, who moderates, how long a meeting can last. At most once a minute per account, otherwise 429.",
    responses={200: schemas.Check},
)
def check_connection(call: CallerCall, user_id: str) -> Response:
    from chalicelib.usecases.connection_check import CHECK_EVERY

    try:
        report = call.services.connection_check.check(call.workspace_id, user_id)
    except TooManyRequests:
        call.response_headers["Retry-After"] = str(int(CHECK_EVERY.total_seconds()))
        raise
    return json_response(schemas.format_check(report))


@routes.get(
    "/v1/providers",
    "List the video providers",
    text="Users of your workspace can connect those that are `configured`. The default is first.",
    responses={200: schemas.ProviderPage},
)
def list_providers(call: CallerCall) -> Response:
    offered = {provider.name for provider in call.services.offered_providers.list_all()}
    providers = [schemas.format_provider(p, configured=p.name in offered) for p in _providers(call).values()]
    return json_response(schemas.ProviderPage(providers, None))


def _providers(call: CallerCall) -> dict[str, Provider]:
    """Return the providers that the workspace's users may connect, in its order."""
    providers = call.services.providers
    names = call.workspace.providers or [name for name in providers if name != TEST_PROVIDER]
    return {name: providers[name] for name in names if name in providers}


def _read_link(call: CallerCall) -> schemas.ConnectLinkBody:
    providers, allowed = _providers(call), call.workspace.return_to
    checks: dict[str, Check] = {
        "provider": lambda name: (
            None if name in providers else "This provider cannot be connected. GET /v1/providers lists those that can."
        ),
        # Compared exactly: looser comparisons of return addresses are a common cause of open redirects.
        "return_to": lambda address: (
            None if address in allowed else "This address is not on the workspace's list of return addresses."
        ),
    }
    return call.read(schemas.ConnectLinkBody, checks)
