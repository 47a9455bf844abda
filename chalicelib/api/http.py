"""The edge of every HTTP route: who asks, what came in, and errors as RFC 9457 problem details."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

from chalice.app import Chalice, Request, Response

from chalicelib.api import body, schema
from chalicelib.domain.workspace import Workspace, accepts, workspace_of_key
from chalicelib.errors import CallerError, InvalidInput, StoreError, Unauthorized
from chalicelib.observability import log

if TYPE_CHECKING:
    from chalicelib.wiring import Services

T = TypeVar("T")
PROBLEM = "application/problem+json"
SECURITY_HEADERS = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
# Chalice keeps the current request on the app object, which threads of the local server share.
_request: ContextVar[Request] = ContextVar("request")


class Call:
    """One request to a route. Query strings and headers are read through here and never logged."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.request = _request.get()

    @property
    def raw_body(self) -> bytes:
        raw = self.request.raw_body
        return raw.encode() if isinstance(raw, str) else raw

    def read(self, kind: type[T]) -> T:
        """The JSON body as `kind`. Raises `CallerError`."""
        return body.read(self.raw_body, kind)

    def query(self, name: str) -> str | None:
        """A query parameter. Raises `InvalidInput` if it is given twice."""
        known = self.request.query_params
        given = known.getlist(name) if known and name in known else []
        if len(given) > 1:
            raise InvalidInput(f"The query parameter {name} is given twice.")
        return str(given[0]) if given else None

    def header(self, name: str) -> str | None:
        value = self.request.headers.get(name)
        return str(value) if value is not None else None

    @property
    def base_url(self) -> str:
        """The public address of this deployment, without a trailing slash."""
        if self.services.settings.public_base_url:
            return self.services.settings.public_base_url
        context = self.request.context
        domain = context.get("domainName")
        if domain is None:
            return f"http://{self.header('host') or 'localhost'}"  # The local server; API Gateway names its domain.
        path = str(self.request.to_original_event().get("path") or "")
        prefix = str(context.get("path") or "").removesuffix(path)
        return f"https://{domain}{prefix}".rstrip("/")


class CallerCall(Call):
    """A request that carries one of a workspace's API keys."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self.workspace = _authenticate(services, self.header("authorization"))

    @property
    def workspace_id(self) -> str:
        return self.workspace.workspace_id


def caller_route(services: Callable[[], Services]) -> Callable[..., Any]:
    """For routes with an API key: the view gets a `CallerCall` and the path's ids, checked and decoded."""
    return _route(lambda: CallerCall(services()))


def open_route(services: Callable[[], Services]) -> Callable[..., Any]:
    """For routes without one: the view gets a `Call`."""
    return _route(lambda: Call(services()))


def json_response(
    value: Any, status: int = 200, headers: dict[str, str] | None = None, content_type: str = "application/json"
) -> Response:
    return Response(value, {"Content-Type": content_type, **(headers or {})}, status)


def problem(status: int, reason: str, detail: str, **more: Any) -> Response:
    """A problem detail (RFC 9457); `type` is stable and documented."""
    value = {
        "type": f"urn:meetlink:problem:{reason}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **more,
    }
    return Response(value, {"Content-Type": PROBLEM}, status)


def install(app: Chalice) -> None:
    """The middleware that every HTTP answer passes: request id, headers, Chalice's own errors as problem details."""

    @app.middleware("http")
    def edge(event: Request, get_response: Callable[[Request], Response]) -> Response:
        token = _request.set(event)
        request_id = str(event.context.get("requestId") or uuid.uuid4())
        try:
            with log.request(request_id, str(event.method), event.path):
                response = _own_words(get_response(event))
        finally:
            _request.reset(token)
        response.headers = {**SECURITY_HEADERS, "X-Request-Id": request_id, **response.headers}
        return response


def _route(make_call: Callable[[], Call]) -> Callable[..., Any]:
    def decorate(view: Callable[..., Response]) -> Callable[..., Response]:
        @wraps(view)
        def answer(**path: str) -> Response:
            try:
                ids = {name: schema.check_id(unquote(value), name) for name, value in path.items()}
                return view(make_call(), **ids)
            except CallerError as error:
                return refusal(error)
            except StoreError as error:
                log.failure("store", error)
                response = problem(503, "unavailable", "The database did not answer. Please try again.")
                response.headers["Retry-After"] = "1"
                return response
            except Exception as error:
                # Chalice would log the exception's text, which may quote what came in.
                log.failure("unexpected", error)
                return problem(500, "internal_error", "Something went wrong on our side. It has been logged.")

        return answer

    return decorate


def refusal(error: CallerError) -> Response:
    """A caller's error as its problem detail."""
    more = {"errors": [{"pointer": e.pointer, "detail": e.detail} for e in error.errors]} if error.errors else {}
    response = problem(error.status, error.reason, error.detail, **more)
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = 'Bearer realm="meetlink"'
    return response


def _own_words(response: Response) -> Response:
    # Chalice answers 404, 405, 415 and unexpected errors in a form of its own.
    value = response.body
    if response.status_code < 400 or not isinstance(value, dict) or "Code" not in value:
        return response
    reason = {405: "method_not_allowed", 415: "unsupported_media_type"}.get(response.status_code, "internal_error")
    details = {405: "This method is not supported here.", 415: "Send the body as application/json."}
    detail = details.get(response.status_code, "Something went wrong on our side. It has been logged.")
    ours = problem(response.status_code, reason, detail)
    ours.headers.update({k: v for k, v in response.headers.items() if k.lower() == "allow"})
    return ours


def _authenticate(services: Services, header: str | None) -> Workspace:
    scheme, _, key = (header or "").partition(" ")
    workspace_id = workspace_of_key(key.strip()) if scheme.lower() == "bearer" else None
    if workspace_id is None:
        raise Unauthorized("Send your workspace's API key: Authorization: Bearer <key>.")
    workspace = services.workspaces.get(workspace_id) if len(workspace_id) <= 128 else None
    if workspace is None or not accepts(workspace, key.strip()):
        raise Unauthorized("This API key is not valid.")
    return workspace
