"""`/v1/users/…` and `/v1/providers`"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chalice.app import Blueprint, Response

from chalicelib.api import schema, views
from chalicelib.api.http import CallerCall, caller_route, json_response
from chalicelib.domain.text import clean_line
from chalicelib.errors import FieldError, InvalidInput
from chalicelib.usecases.sessions import Visitor

if TYPE_CHECKING:
    from chalicelib.wiring import Services


def routes(services: Callable[[], Services]) -> Blueprint:
    """The routes of connections and providers."""
    routes = Blueprint(__name__)
    caller = caller_route(services)

    @routes.route("/v1/users/{user_id}/connect-links", methods=["POST"])
    @caller
    def post_connect_link(call: CallerCall, user_id: str) -> Response:
        body = call.read(schema.ConnectLinkBody) if call.raw_body else schema.ConnectLinkBody()
        token, expires_at = call.services.sessions.make_link(_visitor(call, user_id, body))
        link = {"url": f"{call.base_url}/connect/{token}", "expires_at": views.moment(expires_at)}
        return json_response(link, 201)

    @routes.route("/v1/users/{user_id}/connection", methods=["GET"])
    @caller
    def get_connection(call: CallerCall, user_id: str) -> Response:
        status = call.services.connector.status(call.workspace_id, user_id)
        return json_response(views.connection(user_id, status))

    @routes.route("/v1/users/{user_id}/connection", methods=["DELETE"])
    @caller
    def delete_connection(call: CallerCall, user_id: str) -> Response:
        dry_run = call.query("dry_run")
        if dry_run not in (None, "true", "false"):
            raise InvalidInput("dry_run must be true or false.")
        if dry_run == "true":
            kept = call.services.connector.upcoming(call.workspace_id, user_id)
            names = ("booking_id", "starts_at", "join_url")
            return json_response(
                {"upcoming": [dict(zip(names, (i, views.moment(s), u), strict=True)) for i, s, u in kept]}
            )
        meetings = call.query("meetings")
        if meetings not in (None, "keep", "delete"):
            raise InvalidInput("meetings must be keep or delete.")
        call.services.connector.disconnect(call.workspace_id, user_id, delete_meetings=meetings == "delete")
        return Response("", status_code=204)

    @routes.route("/v1/users/{user_id}/connection/confirm", methods=["POST"])
    @caller
    def confirm_connection(call: CallerCall, user_id: str) -> Response:
        status = call.services.connector.confirm(call.workspace_id, user_id)
        return json_response(views.connection(user_id, status))

    @routes.route("/v1/users/{user_id}/connection/check", methods=["POST"])
    @caller
    def check_connection(call: CallerCall, user_id: str) -> Response:
        steps = call.services.preflight.check(call.workspace_id, user_id)
        return json_response({"ok": all(step.ok for step in steps), "steps": [views.step(s) for s in steps]})

    @routes.route("/v1/providers", methods=["GET"])
    @caller
    def list_providers(call: CallerCall) -> Response:
        offered = {provider.name for provider in call.services.connector.offered()}
        return json_response(
            {
                "items": [
                    {"name": p.name, "display_name": p.display_name, "needs": p.needs, "configured": p.name in offered}
                    for p in call.services.providers.values()
                ],
                "next_cursor": None,
            }
        )

    return routes


def _visitor(call: CallerCall, user_id: str, body: schema.ConnectLinkBody) -> Visitor:
    if body.provider is not None and body.provider not in call.services.providers:
        _refuse("/provider", "This provider is not known. GET /v1/providers lists those that are.")
    if body.email is not None:
        schema.check_email(body.email, "/email")
    # Only listed addresses, compared as they are: every looser comparison has been an open redirect somewhere.
    if body.return_to is not None and body.return_to not in call.workspace.return_to:
        _refuse("/return_to", "This address is not on the workspace's list of return addresses.")
    name = clean_line(body.name, 200) if body.name else None
    return Visitor(call.workspace_id, user_id, body.email, name, body.provider, body.return_to)


def _refuse(pointer: str, detail: str) -> None:
    raise InvalidInput("The request has a wrong field.", errors=[FieldError(pointer, detail)])
