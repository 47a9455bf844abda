"""`/workspace/webhooks`: the webhook endpoints, their deliveries, and one delivery with its payload and attempts."""

from __future__ import annotations

import json

from chalice.app import Response

from chalicelib.api.calls import Call
from chalicelib.api.pages.tones import DELIVERY_TONES
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
from chalicelib.domain.workspace import MemberRole
from chalicelib.usecases.workspace_links import MemberSession
from chalicelib.webhooks.delivery_lists import DeliveryQuery
from chalicelib.webhooks.events import EventType
from chalicelib.webhooks.model import DeliveryKey, DeliveryState

routes = PageRoutes(render_workspace_error)
_PAGE = 50


@routes.get("/workspace/webhooks")
def show_webhooks(call: Call) -> Response:
    session = require_member(call)
    now, wording = call.services.clock(), member_audience(call, session).wording
    endpoints = call.services.endpoint_store.list_by_workspace(session.workspace.workspace_id)
    paused = {
        endpoint.endpoint_id: show_utc(endpoint.paused_until, wording)
        for endpoint in endpoints
        if endpoint.paused_until and endpoint.paused_until > now
    }
    return workspace_page(call, session, "webhooks", endpoints=endpoints, paused=paused)


@routes.get("/workspace/webhooks/{endpoint_id}")
def show_endpoint(call: Call, endpoint_id: str) -> Response:
    session = require_member(call)
    filters = {name: value for name in ("state", "type") if (value := call.query(name) or "")}
    query = DeliveryQuery(
        session.workspace.workspace_id,
        endpoint_id,
        state=DeliveryState(filters["state"]) if filters.get("state") in set(DeliveryState) else None,
        type=filters.get("type"),
    )
    endpoint = call.services.webhook_endpoints.get(query.workspace_id, endpoint_id)
    lister = call.services.webhook_endpoints.list_deliveries
    deliveries, following = lister(query, limit=_PAGE, after=list_start(call))
    wording = member_audience(call, session).wording
    return workspace_page(
        call,
        session,
        "webhooks",
        template="workspace/webhook.html",
        endpoint=endpoint,
        rows=[(delivery, show_utc(delivery.created_at, wording)) for delivery in deliveries],
        tones=DELIVERY_TONES,
        filters={"state": "", "type": ""} | filters,
        states=tuple(DeliveryState),
        types=sorted(EventType),
        **list_page_links(call, following, filters),
    )


@routes.get("/workspace/webhooks/{endpoint_id}/deliveries/{delivery_id}")
def show_delivery(call: Call, endpoint_id: str, delivery_id: str) -> Response:
    session = require_member(call)
    delivery = call.services.webhook_endpoints.get_delivery(_key(session, endpoint_id, delivery_id))
    wording = member_audience(call, session).wording
    return workspace_page(
        call,
        session,
        "webhooks",
        template="workspace/delivery.html",
        endpoint_id=endpoint_id,
        delivery=delivery,
        tone=DELIVERY_TONES[delivery.state],
        created_at=show_utc(delivery.created_at, wording),
        next_attempt_at=show_utc(delivery.next_attempt_at, wording) if delivery.next_attempt_at else None,
        attempts=[(attempt, show_utc(attempt.at, wording)) for attempt in reversed(delivery.attempt_log)],
        payload=json.dumps(json.loads(delivery.body), indent=2, ensure_ascii=False),
    )


@routes.post("/workspace/webhooks/{endpoint_id}/resend-failed")
def resend_failed_deliveries(call: Call, endpoint_id: str) -> Response:
    session, _ = posted_by_member(call, MemberRole.SUPPORT)
    record_action(call, session, "resend-failed-webhooks")
    query = DeliveryQuery(session.workspace.workspace_id, endpoint_id)
    call.services.webhook_endpoints.resend_failed(query, limit=_PAGE, after=None)
    return go_to(call, f"webhooks/{endpoint_id}", "resent_failed")


@routes.post("/workspace/webhooks/{endpoint_id}/deliveries/{delivery_id}/resend")
def resend_one_delivery(call: Call, endpoint_id: str, delivery_id: str) -> Response:
    session, _ = posted_by_member(call, MemberRole.SUPPORT)
    record_action(call, session, "resend-webhook")
    call.services.webhook_endpoints.resend(_key(session, endpoint_id, delivery_id))
    return go_to(call, f"webhooks/{endpoint_id}/deliveries/{delivery_id}", "resent")


def _key(session: MemberSession, endpoint_id: str, delivery_id: str) -> DeliveryKey:
    return DeliveryKey(session.workspace.workspace_id, endpoint_id, delivery_id)
