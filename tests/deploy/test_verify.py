"""Reading a deployment back, from answers as Amazon gives them: the local AWS says more."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
from botocore.stub import Stubber
from chalice.app import Chalice

from infra.deploy import stacks, verify
from infra.deploy.stage import Stage

PATHS = [
    {"id": "r1", "path": "/"},
    {"id": "r2", "parentId": "r1", "pathPart": "v1", "path": "/v1"},
    {
        "id": "r3",
        "parentId": "r2",
        "pathPart": "bookings",
        "path": "/v1/bookings",
        "resourceMethods": {"GET": {"httpMethod": "GET"}},
    },
]
"""docs.aws.amazon.com/apigateway/latest/api/API_GetResources.html: what has no methods has no `resourceMethods`."""


@pytest.mark.parametrize(
    ("route", "missing"),
    [("/v1/bookings", []), ("/v1", ["API Gateway has no route GET /v1."])],
)
def test_a_path_that_only_leads_to_others_has_no_routes(
    route: str, missing: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {"RestAPIId": "api-1", "EndpointURL": "https://api-1.example/"}
    monkeypatch.setattr(stacks, "outputs", lambda *_: made)
    client = boto3.Session("test", "test", region_name="us-east-1").client("apigateway")
    stage = Stage("ci", SimpleNamespace(client=lambda _: client), tmp_path)
    app = Chalice(app_name="meetlink", configure_logs=False)
    app.route(route)(lambda: None)
    with Stubber(client) as answers:
        answers.add_response("get_resources", {"items": PATHS}, {"restApiId": "api-1"})
        assert list(verify._routes(stage, app)) == missing
