"""`/v1/users/…` and `/v1/providers`"""

from __future__ import annotations

from chalice.app import Response

from chalicelib.api.calls import CallerCall
from chalicelib.api.routing import Routes, json_response
from chalicelib.api.schemas import connections as schemas
from chalicelib.api.schemas.fields import format_timestamp
from chalicelib.domain.plain_text import clean_line
from chalicelib.errors import FieldError, InvalidInput, TooManyRequests
from chalicelib.usecases.connect_links import Visitor
from chalicelib.usecases.connection_check import CHECK_EVERY
from chalicelib.validation import Check

routes = Routes("Connections")


@routes.post(
    "/v1/users/{user_id}/connect-links",
    "Make a link that opens the settings page for a user",
    text="It works once and for ten minutes. Give it only to that user, who signs in at the provider there.",
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
    "/v1/users/{user_id}/connection",
    "Get the state of a user's connection",
    text="Answers 200 for every user id: users need no registration.",
    responses={200: schemas.Connection},
)
def get_connection(call: CallerCall, user_id: str) -> Response:
    status = call.services.connections.status(call.workspace_id, user_id)
    return json_response(schemas.format_connection(user_id, status))


@routes.delete(
    "/v1/users/{user_id}/connection",
    "Disconnect a user, or see what that would do",
    text="Always works here and now, also when there is no connection; revoking at the provider follows. "
    "The user's sessions and connect links end.",
    query=schemas.DisconnectQuery,
    responses={204: None, 200: schemas.DisconnectPreview},
)
def delete_connection(call: CallerCall, user_id: str) -> Response:
    asked = call.read_query(schemas.DisconnectQuery)
    if asked.dry_run == "true":
        meetings = call.services.connections.preview_disconnect(call.workspace_id, user_id)
        return json_response(schemas.format_disconnect_preview(meetings))
    call.audit("disconnect")
    delete_meetings = asked.meetings == "delete"
    call.services.connections.disconnect(call.workspace_id, user_id, delete_meetings=delete_meetings)
    return Response("", status_code=204)


@routes.post(
    "/v1/users/{user_id}/connection/confirm",
    "Confirm that the connected account is the user's",
    text="Only where the workspace asks for it: until then the connection is `pending` and gives no links. "
    "Send the account that you looked at: if the user connected another one since, the answer is 409.",
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
    text="Ends the user's sessions on the settings page and every connect link that was not used. The connection "
    "stays.",
    responses={204: None},
)
def delete_sessions(call: CallerCall, user_id: str) -> Response:
    call.audit("sign-out")
    call.services.connect_links.end_all(call.workspace_id, user_id)
    return Response("", status_code=204)


@routes.post(
    "/v1/users/{user_id}/connection/check",
    "Try the connection out",
    text="Signs in as a booking would, and makes and deletes a disposable meeting. Reports what guests will "
    "experience: whether they wait, who moderates, how long a meeting may last. At most once a minute for an "
    "account; then 429.",
    responses={200: schemas.Check},
)
def check_connection(call: CallerCall, user_id: str) -> Response:
    try:
        report = call.services.connection_check.check(call.workspace_id, user_id)
    except TooManyRequests:
        call.response_headers["Retry-After"] = str(int(CHECK_EVERY.total_seconds()))
        raise
    return json_response(schemas.format_check(report))


@routes.get("/v1/providers", "List the video providers", responses={200: schemas.ProviderPage})
def list_providers(call: CallerCall) -> Response:
    offered = {provider.name for provider in call.services.offered_providers.list_all()}
    known = [schemas.format_provider(p, configured=p.name in offered) for p in call.services.providers.values()]
    return json_response(schemas.ProviderPage(known, None))


def _read_link(call: CallerCall) -> schemas.ConnectLinkBody:
    known, listed = call.services.providers, call.workspace.return_to
    checks: dict[str, Check] = {
        "provider": lambda name: (
            None if name in known else "This provider is not known. GET /v1/providers lists those that are."
        ),
        # Only listed addresses, compared as they are: every looser comparison has been an open redirect somewhere.
        "return_to": lambda address: (
            None if address in listed else "This address is not on the workspace's list of return addresses."
        ),
    }
    return call.read(schemas.ConnectLinkBody, checks)
