"""The deployed REST API: its id and its address."""

from __future__ import annotations

import urllib.parse

from infra.deploy import app_stack, chalice_cli, chalice_config, stacks
from infra.deploy.stage import Stage


def find_api(stage: Stage) -> tuple[str, str]:
    """Return the API's id and its default address; both empty before the first deployment."""
    outputs = stacks.outputs(stage, app_stack.CONCERN)
    if outputs:
        return outputs["RestAPIId"], outputs["EndpointURL"]
    resource = chalice_cli.resources(stage).get("rest_api", {})
    return str(resource.get("rest_api_id", "")), str(resource.get("rest_api_url", ""))


def address(stage: Stage) -> str:
    """Return the API's base URL: the stage's `PUBLIC_BASE_URL`, or the default address."""
    public = chalice_config.environment(stage).get("PUBLIC_BASE_URL")
    if public:
        return public
    api_id, url = find_api(stage)
    endpoint = str(stage.client("apigateway").meta.endpoint_url)
    if is_at_amazon(endpoint):
        return url
    # The form of ministack and LocalStack. The URLs that they report are at Amazon and may belong to another account.
    return f"{endpoint.rstrip('/')}/_aws/execute-api/{api_id}/{chalice_config.api_stage(stage)}/"


def is_on_emulator(stage: Stage) -> bool:
    """Return whether the stage is on an emulator instead of Amazon's AWS."""
    return not is_at_amazon(str(stage.client("apigateway").meta.endpoint_url))


def is_at_amazon(url: str) -> bool:
    """Return whether Amazon serves the URL."""
    host = urllib.parse.urlsplit(url).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))
