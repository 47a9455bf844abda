"""Routes of `/v1/webhook-endpoints`: the addresses that receive a workspace's events."""

from __future__ import annotations

from chalice.app import Response

from chalicelib.api.calls import CallerCall
from chalicelib.api.pagination import encode_cursor, fit_page
from chalicelib.api.routing import Routes, json_response
from chalicelib.api.schemas import webhooks as schemas
from chalicelib.webhooks import url_safety
from chalicelib.webhooks.delivery_lists import DeliveryQuery
from chalicelib.webhooks.model import DeliveryKey, DeliveryState

routes = Routes("Webhook endpoints")


@routes.get(
    "/v1/webhook-endpoints",
    "List webhook endpoints",
    text="All of them, without their secrets.",
    responses={200: schemas.WebhookEndpointPage},
)
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
    text="Where it is, what it receives, and whether it accepts events. Without its secret.",
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
    text="Each with its payload and its last ten attempts. Deliveries are kept for 14 days. If you filter, or if "
    "payloads are large, a page can have fewer items than `limit`, or none, although more follow: continue until "
    "`next_cursor` is null.",
    query=schemas.DeliveriesQuery,
    responses={200: schemas.WebhookDeliveryPage},
    problems=("not_found",),
)
def list_deliveries(call: CallerCall, endpoint_id: str) -> Response:
    query = call.read_query(schemas.DeliveriesQuery)
    deliveries, after = call.services.webhook_endpoints.list_deliveries(
        _store_query(call, endpoint_id, query, query.state), limit=query.size, after=query.after
    )
    items, after = fit_page([(schemas.format_delivery(d), d.key.name) for d in deliveries], after)
    return json_response(schemas.WebhookDeliveryPage(items, encode_cursor(after)))


@routes.get(
    "/v1/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}",
    "Get a delivery",
    text="One event to one endpoint, with its payload and its last ten attempts.",
    responses={200: schemas.WebhookDelivery},
    problems=("not_found",),
)
def get_delivery(call: CallerCall, endpoint_id: str, delivery_id: str) -> Response:
    key = DeliveryKey(call.workspace_id, endpoint_id, delivery_id)
    return json_response(schemas.format_delivery(call.services.webhook_endpoints.get_delivery(key)))


@routes.post(
    "/v1/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}/resend",
    "Send an event again",
    text="Also one that was delivered. It is sent at once, under the same `webhook-id`, and retried for "
    "another day. A pause of the endpoint ends. A delivery that is being sent is returned as it is.",
    responses={202: schemas.WebhookDelivery},
    problems=("not_found", "endpoint_disabled"),
)
def resend_delivery(call: CallerCall, endpoint_id: str, delivery_id: str) -> Response:
    key = DeliveryKey(call.workspace_id, endpoint_id, delivery_id)
    return json_response(schemas.format_delivery(call.services.webhook_endpoints.resend(key)), 202)


@routes.post(
    "/v1/webhook-endpoints/{endpoint_id}/resend-failed",
    "Send failed events again",
    text="At most `limit` in one request: repeat it with `cursor` until `next_cursor` is null. `type`, `from` and `to` "
    "limit which events; test events are left out.",
    query=schemas.ResendQuery,
    responses={202: schemas.ResentDeliveries},
    problems=("not_found", "endpoint_disabled"),
)
def resend_failed(call: CallerCall, endpoint_id: str) -> Response:
    query = call.read_query(schemas.ResendQuery)
    resent, after = call.services.webhook_endpoints.resend_failed(
        _store_query(call, endpoint_id, query, None), limit=query.size, after=query.after
    )
    return json_response(schemas.ResentDeliveries(resent, encode_cursor(after)), 202)


def _store_query(
    call: CallerCall, endpoint_id: str, query: schemas.ResendQuery, state: DeliveryState | None
) -> DeliveryQuery:
    return DeliveryQuery(call.workspace_id, endpoint_id, state, query.type, query.since, query.until)
