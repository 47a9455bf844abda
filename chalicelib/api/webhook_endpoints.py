"""Routes of `/v1/webhook-endpoints`: the addresses that receive a workspace's events."""

from __future__ import annotations

from chalice.app import Response

from chalicelib.api.calls import CallerCall
from chalicelib.api.pagination import PageQuery, encode_cursor
from chalicelib.api.routing import Routes, json_response
from chalicelib.api.schemas import webhooks as schemas
from chalicelib.webhooks import url_safety

routes = Routes("Webhook endpoints")


@routes.get("/v1/webhook-endpoints", "List webhook endpoints", responses={200: schemas.WebhookEndpointPage})
def list_endpoints(call: CallerCall) -> Response:
    endpoints = call.services.endpoint_store.list_by_workspace(call.workspace_id)
    return json_response(schemas.WebhookEndpointPage([schemas.format_endpoint(e) for e in endpoints], None))


@routes.put(
    "/v1/webhook-endpoints/{endpoint_id}",
    "Create or change a webhook endpoint",
    text="Only the first response contains the secret. A disabled endpoint is enabled again.",
    request=schemas.EndpointBody,
    responses={201: schemas.WebhookEndpoint, 200: schemas.WebhookEndpoint},
    problems=("too_many",),
)
def put_endpoint(call: CallerCall, endpoint_id: str) -> Response:
    to_loopback = call.services.settings.allows_loopback_webhooks
    body = call.read(schemas.EndpointBody, {"url": lambda url: url_safety.refusal(url, to_loopback=to_loopback)})
    events = tuple(sorted(event.value for event in set(body.events)))
    call.audit("put-webhook-endpoint")
    endpoint, secret = call.services.webhook_endpoints.put(call.workspace_id, endpoint_id, body.url, events)
    return json_response(schemas.format_endpoint(endpoint, secret), 201 if secret else 200)


@routes.get(
    "/v1/webhook-endpoints/{endpoint_id}",
    "Get a webhook endpoint",
    responses={200: schemas.WebhookEndpoint},
    problems=("not_found",),
)
def get_endpoint(call: CallerCall, endpoint_id: str) -> Response:
    return json_response(schemas.format_endpoint(call.services.webhook_endpoints.get(call.workspace_id, endpoint_id)))


@routes.delete(
    "/v1/webhook-endpoints/{endpoint_id}",
    "Delete a webhook endpoint",
    text="Nothing more is sent to it, including retries.",
    responses={204: None},
    problems=("not_found",),
)
def delete_endpoint(call: CallerCall, endpoint_id: str) -> Response:
    call.audit("delete-webhook-endpoint")
    call.services.webhook_endpoints.delete(call.workspace_id, endpoint_id)
    return Response("", status_code=204)


@routes.post(
    "/v1/webhook-endpoints/{endpoint_id}/rotate-secret",
    "Create a new secret for a webhook endpoint",
    text="For one day, every message is also signed with the previous secret.",
    responses={200: schemas.WebhookEndpoint},
    problems=("not_found",),
)
def rotate_secret(call: CallerCall, endpoint_id: str) -> Response:
    call.audit("rotate-endpoint-secret")
    endpoint, secret = call.services.webhook_endpoints.rotate_secret(call.workspace_id, endpoint_id)
    return json_response(schemas.format_endpoint(endpoint, secret))


@routes.post(
    "/v1/webhook-endpoints/{endpoint_id}/test",
    "Send a test event to a webhook endpoint",
    text="Sends `endpoint.test` now and once, also to a disabled endpoint. The response reports the result.",
    responses={200: schemas.WebhookDelivery},
    problems=("not_found",),
)
def test_endpoint(call: CallerCall, endpoint_id: str) -> Response:
    return json_response(
        schemas.format_delivery(call.services.webhook_endpoints.send_test(call.workspace_id, endpoint_id))
    )


@routes.get(
    "/v1/webhook-endpoints/{endpoint_id}/deliveries",
    "List the deliveries to a webhook endpoint, newest first",
    text="Deliveries are kept for 14 days.",
    query=PageQuery,
    responses={200: schemas.WebhookDeliveryPage},
    problems=("not_found",),
)
def list_deliveries(call: CallerCall, endpoint_id: str) -> Response:
    query = call.read_query(PageQuery)
    deliveries, after = call.services.webhook_endpoints.list_deliveries(
        call.workspace_id, endpoint_id, limit=query.size, after=query.after
    )
    return json_response(
        schemas.WebhookDeliveryPage([schemas.format_delivery(d) for d in deliveries], encode_cursor(after))
    )
