"""What Chalice does not set at API Gateway: its own responses, throttling, the access log, a web ACL.

`tune` sets it after `chalice deploy`; with `--bucket` it is in the template, from `additions`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError

from infra.deploy import settings
from infra.deploy.findings import Finding, warning
from infra.deploy.stage import APP, DeployError, Stage
from infra.gateway_responses import RESPONSES, GatewayResponse

LOG_ROLE = f"{APP}-apigateway-logs"
"""API Gateway has one role for the logs of all APIs of an account and region."""
LOG_FORMAT = json.dumps(
    {
        "request_id": "$context.requestId",
        "ip": "$context.identity.sourceIp",
        # Whether the request came to the domain or to the default address.
        "host": "$context.domainName",
        "method": "$context.httpMethod",
        # Never the path itself: links to connect and to join are secrets.
        "route": "$context.resourcePath",
        "status": "$context.status",
        "took_ms": "$context.responseLatency",
        "app_took_ms": "$context.integrationLatency",
        "app_status": "$context.integrationStatus",
        "gateway_response": "$context.error.responseType",
    }
)
_PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 3.0


def additions(stage: Stage, *, default_address_closed: bool = False) -> dict[str, Any]:
    """The same for the API in Chalice's SAM template, as its properties."""
    throttle = settings.throttle(stage)
    return {
        "GatewayResponses": {
            kind: {
                "StatusCode": str(response.status),
                "ResponseParameters": {"Headers": _mapped_headers(response)},
                "ResponseTemplates": {"application/json": response.body},
            }
            for kind, response in RESPONSES.items()
        },
        "MethodSettings": [
            {
                "ResourcePath": "/*",
                "HttpMethod": "*",
                "ThrottlingRateLimit": throttle.per_second,
                "ThrottlingBurstLimit": throttle.burst,
            }
        ],
        "DisableExecuteApiEndpoint": default_address_closed,
        "AccessLogSetting": {"DestinationArn": _log_group(stage), "Format": LOG_FORMAT},
    }


def tune(stage: Stage, api_id: str) -> None:
    """Bring the deployed API to what `additions` says; what is so already is not touched."""
    client = client_of(stage)
    differing = _differing_responses(client, api_id)
    for kind in differing:
        response = RESPONSES[kind]
        client.put_gateway_response(
            restApiId=api_id,
            responseType=kind,
            statusCode=str(response.status),
            responseParameters=_parameters(response),
            responseTemplates={"application/json": response.body},
        )
    name = settings.api_stage(stage)
    if differing:
        # A stage serves the responses that its deployment was made with.
        client.create_deployment(restApiId=api_id, stageName=name)
    if operations := list(_stage_operations(stage, client.get_stage(restApiId=api_id, stageName=name))):
        client.update_stage(restApiId=api_id, stageName=name, patchOperations=operations)


def protect(stage: Stage, api_id: str, web_acl: str) -> None:
    """Put the web ACL before the API. API Gateway keeps it through later deployments."""
    name = settings.api_stage(stage)
    if client_of(stage).get_stage(restApiId=api_id, stageName=name).get("webAclArn") == web_acl:
        return
    partition = stage.session.get_partition_for_region(stage.region)
    api = f"arn:{partition}:apigateway:{stage.region}::/restapis/{api_id}/stages/{name}"
    stage.client("wafv2").associate_web_acl(WebACLArn=web_acl, ResourceArn=api)


def allow_access_log(stage: Stage) -> None:
    """Give API Gateway a role for writing logs, if the account has none in this region.

    No stack owns the role: other APIs use it too, and would lose their logs with the stack.
    """
    client = client_of(stage)
    if client.get_account().get("cloudwatchRoleArn"):
        return
    try:
        role_arn = _ensure_log_role(stage)
    except ClientError as error:
        raise DeployError(
            f"API Gateway has no role for writing logs in {stage.region}, and this one cannot be made: {error} Deploy "
            f"once with rights on the role {LOG_ROLE}."
        ) from error
    operation = {"op": "replace", "path": "/cloudwatchRoleArn", "value": role_arn}
    ends = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            client.update_account(patchOperations=[operation])
            return
        except client.exceptions.BadRequestException:
            # A new role takes some seconds to be known everywhere.
            if time.monotonic() > ends:
                raise
            time.sleep(_PAUSE_SECONDS)


def check(stage: Stage, api_id: str) -> Iterator[Finding]:
    """Report what `chalice deploy` alone lacks or takes away. Bookings work without."""
    client, name = client_of(stage), settings.api_stage(stage)
    if _differing_responses(client, api_id):
        yield warning(
            "API Gateway's own errors are not problem details, as after a bare `chalice deploy`. Deploy again."
        )
    if list(_stage_operations(stage, client.get_stage(restApiId=api_id, stageName=name))):
        yield warning("The API's throttling or access log is not as this stage's settings say. Deploy again.")


def client_of(stage: Stage) -> Any:
    """Return a client of API Gateway that waits when there are too many requests."""
    # API Gateway takes one deployment in five seconds, and Chalice has just made one.
    retries = Config(retries={"mode": "standard", "total_max_attempts": 8})
    return stage.session.client("apigateway", config=retries)


def _differing_responses(client: Any, api_id: str) -> list[str]:
    """The types whose response is missing or different: `chalice deploy` imports the API without any."""
    found = {item["responseType"]: item for item in client.get_gateway_responses(restApiId=api_id, limit=500)["items"]}
    return [kind for kind, response in RESPONSES.items() if not _is_same(found.get(kind, {}), response)]


def _is_same(found: dict[str, Any], response: GatewayResponse) -> bool:
    return (
        found.get("statusCode") == str(response.status)
        and found.get("responseParameters") == _parameters(response)
        and found.get("responseTemplates") == {"application/json": response.body}
    )


def _parameters(response: GatewayResponse) -> dict[str, str]:
    return {f"gatewayresponse.header.{name}": source for name, source in _mapped_headers(response).items()}


def _mapped_headers(response: GatewayResponse) -> dict[str, str]:
    """Headers in API Gateway's mapping language: fixed values are in single quotes."""
    return {name: f"'{value}'" for name, value in response.headers.items()} | {"X-Request-Id": "context.requestId"}


def _stage_operations(stage: Stage, found: dict[str, Any]) -> Iterator[dict[str, str]]:
    throttle, log = settings.throttle(stage), found.get("accessLogSettings", {})
    limits = found.get("methodSettings", {}).get("*/*", {})
    if limits.get("throttlingRateLimit") != throttle.per_second:
        yield _replace("/*/*/throttling/rateLimit", f"{throttle.per_second:g}")
    if limits.get("throttlingBurstLimit") != throttle.burst:
        yield _replace("/*/*/throttling/burstLimit", str(throttle.burst))
    if str(log.get("destinationArn", "")).removesuffix(":*") != _log_group(stage):
        yield _replace("/accessLogSettings/destinationArn", _log_group(stage))
    if log.get("format") != LOG_FORMAT:
        yield _replace("/accessLogSettings/format", LOG_FORMAT)


def _replace(path: str, value: str) -> dict[str, str]:
    return {"op": "replace", "path": path, "value": value}


def _log_group(stage: Stage) -> str:
    """The ARN of the group in `logs.yaml`."""
    partition = stage.session.get_partition_for_region(stage.region)
    return f"arn:{partition}:logs:{stage.region}:{stage.account()}:log-group:/aws/apigateway/{APP}-{stage.name}"


def _ensure_log_role(stage: Stage) -> str:
    client = stage.client("iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "apigateway.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    try:
        role = client.get_role(RoleName=LOG_ROLE)["Role"]
    except client.exceptions.NoSuchEntityException:
        role = client.create_role(RoleName=LOG_ROLE, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    partition = stage.session.get_partition_for_region(stage.region)
    policy = f"arn:{partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
    client.attach_role_policy(RoleName=LOG_ROLE, PolicyArn=policy)
    return str(role["Arn"])
