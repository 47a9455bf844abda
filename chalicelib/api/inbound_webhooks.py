"""`/v1/webhooks/…`: what others tell us. Signatures are checked over the raw bytes, before anything is parsed."""

from __future__ import annotations

from chalice.app import Response

from chalicelib.api.calls import Call
from chalicelib.api.problems import ProblemDetails
from chalicelib.api.routing import Routes, json_response
from chalicelib.api.sources.standard import BookingEventBody, StandardSource
from chalicelib.errors import NotFound, ProviderError, TooLarge, Unauthorized
from chalicelib.observability import log

_LIMIT = 64 * 1024

routes = Routes("Webhooks")


@routes.post(
    "/v1/webhooks/providers/{provider}",
    "Receive a provider's lifecycle events",
    text="For the provider, not for callers. Signed as the provider signs.",
    responses={200: "application/json", 204: None},
    problems=("unauthorized", "not_found", "too_large"),
    auth="signature",
)
def provider_event(call: Call, provider: str) -> Response:
    from chalicelib.providers.base import Deauthorized, Reply

    known = call.services.providers.get(provider)
    # Only for known names: each other one would cost a call of Secrets Manager.
    credentials = call.services.deployment_secrets.credentials(provider) if known else None
    if known is None or credentials is None or not credentials.webhook_secret:
        raise NotFound("This provider sends no webhooks here.")
    if len(call.raw_body) > _LIMIT:
        raise TooLarge("The event is too large.")
    event = known.read_event(call.request.headers, call.raw_body, credentials.webhook_secret)
    match event:
        case None:
            raise Unauthorized("The signature is missing, wrong or too old.")
        case Reply(body):
            return json_response(body)
        case Deauthorized(account_id, at):
            try:
                call.services.connections.deauthorize(provider, account_id, at)
            except ProviderError as error:
                log.failure("a deauthorization could not be verified", error, provider=provider)
                detail = "The event could not be verified. Send it again."
                return ProblemDetails(503, "unavailable", detail, headers={"Retry-After": "60"}).response()
    return Response("", status_code=204)


@routes.post(
    "/v1/webhooks/bookings/{workspace_id}",
    "Receive your booking system's events",
    text="Signed by Standard Webhooks with one of the workspace's webhook secrets. The same effect as PUT and "
    "DELETE of the booking, in any order and any number of times; unknown events are accepted and ignored.",
    request=BookingEventBody,
    responses={204: None},
    problems=("unauthorized", "unknown_calendar", "booking_cancelled", "version_reused"),
    auth="signature",
)
def booking_event(call: Call, workspace_id: str) -> Response:
    if len(call.raw_body) > _LIMIT:
        raise TooLarge("The event is too large.")
    source, headers, now = StandardSource(), call.request.headers, call.services.clock()
    # Secrets are opened only for what looks signed: opening them costs calls of KMS.
    keys = call.services.webhook_secrets.load_keys(workspace_id) if source.may_be_signed(headers, now) else []
    if not source.is_signed(keys, headers, call.raw_body, now):
        # The same words for a workspace that does not exist: nobody learns which do.
        raise Unauthorized("The signature is missing, wrong or too old.", workspace_id=workspace_id)
    event = source.read(call.raw_body)
    if event is not None:
        call.services.booking_events.apply(workspace_id, event)
    return Response("", status_code=204)
