"""API Gateway's ImportRestApi and PutRestApi for ministack: Chalice deploys through them.

ministack answers 201 to an import and drops every route. The routes of the OpenAPI document are made here through
ministack's own operations for single resources and methods. The variable REFUSE_ONCE names a call that fails the first
time, so that a test can see what a deployment leaves that ended there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from ministack.services import apigateway_v1 as gateway

_METHODS = {"get", "put", "post", "delete", "options", "head", "patch"}
_stock = gateway.handle_request
_stock_import = gateway._import_rest_api
_refusals = [os.environ[name] for name in ("REFUSE_ONCE",) if os.environ.get(name)]


def install() -> None:
    """Have ministack's API Gateway take whole documents."""
    gateway.handle_request = _handle_request
    gateway._import_rest_api = _import_for_cloudformation


async def _handle_request(
    method: str, path: str, headers: Any, body: bytes, query: Mapping[str, Any]
) -> tuple[int, Any, Any]:
    parts = [part for part in path.strip("/").split("/") if part]
    if parts and f"{method} {parts[-1]}" in _refusals:
        _refusals.clear()
        refusal = {"__type": "BadRequestException", "message": "refused once"}
        return 400, {"x-amzn-ErrorType": "BadRequestException"}, json.dumps(refusal)
    if parts[:1] == ["restapis"]:
        if method == "POST" and len(parts) == 1 and _first(query, "mode") == "import":
            return _import(json.loads(body), query)
        if method == "PUT" and len(parts) == 2:
            _put_routes(parts[1], json.loads(body))
            return gateway._get_rest_api(parts[1])
    return await _stock(method, path, headers, body, query)


def _import(document: Mapping[str, Any], query: Mapping[str, Any]) -> tuple[int, Any, Any]:
    kind = _first(query, "endpointConfigurationTypes") or "EDGE"
    made = gateway._create_rest_api({"name": document["info"]["title"], "endpointConfiguration": {"types": [kind]}})
    _put_routes(json.loads(made[2])["id"], document)
    return made


def _put_routes(api_id: str, document: Mapping[str, Any]) -> None:
    """Replace the API's routes by the document's."""
    _put_responses(api_id, document)
    gateway._rest_apis[api_id]["binaryMediaTypes"] = document.get("x-amazon-apigateway-binary-media-types", [])
    resources = gateway._resources[api_id]
    root = next(id_ for id_, resource in resources.items() if resource["path"] == "/")
    for id_ in [id_ for id_ in resources if id_ != root]:
        del resources[id_]
    resources[root]["resourceMethods"].clear()
    for path, methods in document["paths"].items():
        resource_id = _resource(api_id, root, path)
        for name in _METHODS & set(methods):
            _put_method(api_id, resource_id, name.upper(), methods[name])


def _import_for_cloudformation(document: Mapping[str, Any], data: Any) -> str:
    """CloudFormation's way, for which ministack takes everything but gateway responses."""
    api_id = str(_stock_import(document, data))
    _put_responses(api_id, document)
    return api_id


def _put_responses(api_id: str, document: Mapping[str, Any]) -> None:
    """Replace the API's gateway responses by the document's: PutRestApi overwrites all that a document can say."""
    gateway._gateway_responses[api_id] = {}
    for kind, response in document.get("x-amazon-apigateway-gateway-responses", {}).items():
        gateway._put_gateway_response(api_id, kind, response)


def _resource(api_id: str, root: str, path: str) -> str:
    """The resource at the path; those above it are made as well."""
    found = root
    for part in [part for part in path.split("/") if part]:
        below = {r["pathPart"]: i for i, r in gateway._resources[api_id].items() if r.get("parentId") == found}
        if part not in below:
            made = gateway._create_resource(api_id, found, {"pathPart": part})
            below[part] = json.loads(made[2])["id"]
        found = below[part]
    return found


def _put_method(api_id: str, resource_id: str, method: str, operation: Mapping[str, Any]) -> None:
    integration = operation["x-amazon-apigateway-integration"]
    gateway._put_method(api_id, resource_id, method, {"authorizationType": "NONE"})
    gateway._put_integration(
        api_id,
        resource_id,
        method,
        {
            "type": integration["type"].upper(),
            "httpMethod": integration.get("httpMethod", "POST"),
            "uri": integration.get("uri", ""),
            "passthroughBehavior": integration.get("passthroughBehavior", "when_no_match").upper(),
            "contentHandling": integration.get("contentHandling"),
        },
    )


def _first(query: Mapping[str, Any], name: str) -> str:
    value = query.get(name, "")
    return str(value[0] if isinstance(value, list) else value)
