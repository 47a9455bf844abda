"""Routes of `/v1/webhook-secrets`: the secrets that a workspace's booking system signs its events with."""

from __future__ import annotations

from chalice.app import Response

from chalicelib.api.calls import CallerCall
from chalicelib.api.routing import Routes, json_response
from chalicelib.api.schemas import webhooks as schemas
from chalicelib.domain.plain_text import clean_line

routes = Routes("Webhooks")


@routes.get(
    "/v1/webhook-secrets",
    "List the secrets that your booking system can sign with",
    text="All of them, without their texts.",
    responses={200: schemas.WebhookSecretPage},
)
def list_secrets(call: CallerCall) -> Response:
    secrets = call.services.webhook_secrets.list_secrets(call.workspace_id)
    return json_response(schemas.WebhookSecretPage([schemas.format_secret(s) for s in secrets], None))


@routes.post(
    "/v1/webhook-secrets",
    "Create a secret for your booking system to sign with, or store its own",
    text="All secrets of a workspace are valid at the same time. To rotate: add one, switch over, delete the other.",
    request=schemas.SecretBody,
    request_required=False,
    responses={201: schemas.WebhookSecret},
    problems=("too_many",),
)
def post_secret(call: CallerCall) -> Response:
    body = call.read(schemas.SecretBody) if call.raw_body else schemas.SecretBody()
    note = clean_line(body.note, 200)
    call.audit("add-webhook-secret")
    secret, text = call.services.webhook_secrets.add(call.workspace_id, body.secret, note)
    return json_response(schemas.format_secret(secret, text), 201)


@routes.delete(
    "/v1/webhook-secrets/{secret_id}",
    "Delete a secret",
    text="Events signed with it are refused from now on.",
    responses={204: None},
    problems=("not_found",),
)
def delete_secret(call: CallerCall, secret_id: str) -> Response:
    call.audit("delete-webhook-secret")
    call.services.webhook_secrets.remove(call.workspace_id, secret_id)
    return Response("", status_code=204)
