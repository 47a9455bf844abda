"""Settings of API Gateway that Chalice does not support: gateway responses, throttling, access log, web ACL.

`configure` applies them after `chalice deploy`. With `--bucket` they are in the template, from `sam_properties`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError

from infra.deploy import chalice_config
from infra.deploy.check_results import CheckResult, warning
from infra.deploy.stage import APP, DeployError, Stage
from infra.gateway_responses import RESPONSES, GatewayResponse

LOG_ROLE = f"{APP}-apigateway-logs"
"""API Gateway uses one role for the logs of all APIs in an account and region."""
LOG_FORMAT = json.dumps(
    {
        "request_id": "$context.requestId",
        "ip": "$context.identity.sourceIp",
        # The stage's domain or the default address.
        "host": "$context.domainName",
        "method": "$context.httpMethod",
        # Not the path itself: connect links and join links are secrets.
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


def sam_properties(stage: Stage, *, default_address_closed: bool = False) -> dict[str, Any]:
    """Return the same settings as properties of the API in Chalice's SAM template."""
    throttle = chalice_config.throttle(stage)
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


def configure(stage: Stage, api_id: str) -> None:
    """Apply the settings to the deployed API. Change only those that differ."""
    client = create_client(stage)
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
    name = chalice_config.api_stage(stage)
    if differing:
        # A stage serves the gateway responses of its last deployment.
        client.create_deployment(restApiId=api_id, stageName=name)
    if operations := list(_stage_operations(stage, client.get_stage(restApiId=api_id, stageName=name))):
        client.update_stage(restApiId=api_id, stageName=name, patchOperations=operations)


def associate_web_acl(stage: Stage, api_id: str, web_acl: str) -> None:
    """Associate the web ACL with the API's stage. It stays associated through later deployments."""
    name = chalice_config.api_stage(stage)
    if create_client(stage).get_stage(restApiId=api_id, stageName=name).get("webAclArn") == web_acl:
        return
    partition = stage.session.get_partition_for_region(stage.region)
    api = f"arn:{partition}:apigateway:{stage.region}::/restapis/{api_id}/stages/{name}"
    stage.client("wafv2").associate_web_acl(WebACLArn=web_acl, ResourceArn=api)


def ensure_log_role(stage: Stage) -> None:
    """Give API Gateway a role for writing logs, if the account has none in this region.

    No stack owns the role: other APIs may use it too, and would lose their logs with the stack.
    """
    client = create_client(stage)
    if client.get_account().get("cloudwatchRoleArn"):
        return
    try:
        role_arn = _create_log_role(stage)
    except ClientError as error:
        raise DeployError(
            f"API Gateway has no role for writing logs in {stage.region}, and creating one failed: {error} Deploy "
            f"once with permissions on the role {LOG_ROLE}."
        ) from error
    operation = {"op": "replace", "path": "/cloudwatchRoleArn", "value": role_arn}
    ends = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            client.update_account(patchOperations=[operation])
            return
        except client.exceptions.BadRequestException:
            # IAM publishes a new role within some seconds.
            if time.monotonic() > ends:
                raise
            time.sleep(_PAUSE_SECONDS)


def check(stage: Stage, api_id: str) -> Iterator[CheckResult]:
    """Report settings that a bare `chalice deploy` removed. Bookings work without them."""
    client, name = create_client(stage), chalice_config.api_stage(stage)
    if _differing_responses(client, api_id):
        yield warning(
            "API Gateway's own errors are not problem details, as after a bare `chalice deploy`. Deploy again."
        )
    if list(_stage_operations(stage, client.get_stage(restApiId=api_id, stageName=name))):
        yield warning("The API's throttling or access log differs from this stage's settings. Deploy again.")


def create_client(stage: Stage) -> Any:
    """Return a client of API Gateway that backs off when it is throttled."""
    # API Gateway accepts one deployment in five seconds, and Chalice has just created one.
    retries = Config(retries={"mode": "standard", "total_max_attempts": 8})
    return stage.session.client("apigateway", config=retries)


def _differing_responses(client: Any, api_id: str) -> list[str]:
    """Return the types whose response is missing or different: `chalice deploy` imports the API without any."""
    items = client.get_gateway_responses(restApiId=api_id, limit=500)["items"]
    deployed = {item["responseType"]: item for item in items}
    return [kind for kind, response in RESPONSES.items() if not _is_same(deployed.get(kind, {}), response)]


def _is_same(deployed: dict[str, Any], response: GatewayResponse) -> bool:
    return (
        deployed.get("statusCode") == str(response.status)
        and deployed.get("responseParameters") == _parameters(response)
        and deployed.get("responseTemplates") == {"application/json": response.body}
    )


def _parameters(response: GatewayResponse) -> dict[str, str]:
    return {f"gatewayresponse.header.{name}": source for name, source in _mapped_headers(response).items()}


def _mapped_headers(response: GatewayResponse) -> dict[str, str]:
    """Return the headers in API Gateway's mapping language, where fixed values are in single quotes."""
    return {name: f"'{value}'" for name, value in response.headers.items()} | {"X-Request-Id": "context.requestId"}


def _stage_operations(stage: Stage, deployed: dict[str, Any]) -> Iterator[dict[str, str]]:
    throttle, log = chalice_config.throttle(stage), deployed.get("accessLogSettings", {})
    limits = deployed.get("methodSettings", {}).get("*/*", {})
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
    """Return the ARN of the log group in `logs.yaml`."""
    partition = stage.session.get_partition_for_region(stage.region)
    return f"arn:{partition}:logs:{stage.region}:{stage.account()}:log-group:/aws/apigateway/{APP}-{stage.name}"


def _create_log_role(stage: Stage) -> str:
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
