"""Requests as views see them: the body, the query, headers, and the workspace that an API key belongs to."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import datetime
from math import ceil
from typing import TYPE_CHECKING, TypeVar

from chalice.app import Chalice, Request
from msgspec import Struct

from chalicelib.api import json_body
from chalicelib.decoding import convert_value
from chalicelib.domain.workspace import Workspace, accepts_key, id_of_key, workspace_of_key
from chalicelib.errors import InvalidInput, Malformed, ParameterError, TooManyRequests, Unauthorized
from chalicelib.validation import Check, find_flaws

if TYPE_CHECKING:
    from chalicelib.wiring import Services

T = TypeVar("T")
_MAX_ACCEPTED_KEYS = 10_000
_EXPOSED = "Location, Meetlink-Version, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"
_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
current_request: ContextVar[Request] = ContextVar("request")
"""Chalice keeps the current request on the app object, which threads of the local server share."""


class NoQuery(Struct, forbid_unknown_fields=True):
    """The query of a route without parameters."""


class Call:
    """One request to a route. Query strings and headers may hold secrets and are never logged."""

    def __init__(self, app: Chalice, services: Services) -> None:
        self.app = app
        self.services = services
        self.request = current_request.get()
        self.response_headers: dict[str, str] = {}
        """Added to the response, also when it is an error."""

    def admit(self) -> None:
        """Raise `CallerError` if the request may not continue."""

    @property
    def raw_body(self) -> bytes:
        try:
            raw = self.request.raw_body
            return raw.encode("utf-8") if isinstance(raw, str) else raw
        except UnicodeEncodeError:
            raise Malformed("The body is not UTF-8.") from None

    def read(self, cls: type[T], checks: Mapping[str, Check] | None = None) -> T:
        """Return the JSON body as the struct `cls`. `checks` are those of `validation.convert`.

        Raises `CallerError`.
        """
        return json_body.read(self.raw_body, cls, checks)

    def query(self, name: str) -> str | None:
        """Return a query parameter. Raises `InvalidInput` if it is given twice."""
        values = self._query_values().get(name, [])
        if len(values) > 1:
            raise InvalidInput(f"The query parameter {name} is given twice.")
        return str(values[0]) if values else None

    def read_query(self, cls: type[T]) -> T:
        """Return the query parameters as the struct `cls`. Raises `InvalidInput` with everything that is wrong."""
        parameters = self._query_values()
        errors = [
            ParameterError(name, "This parameter is given twice.")
            for name, values in parameters.items()
            if len(values) > 1
        ]
        single = {name: values[0] for name, values in parameters.items() if len(values) == 1}
        # Strict conversion: otherwise the year 2031 would be read as seconds since 1970.
        errors += [ParameterError(str(flaw.path[0]), flaw.detail) for flaw in find_flaws(single, cls)]
        if errors:
            raise InvalidInput("The query is invalid; see `errors`.", errors=errors)
        return convert_value(single, cls)

    def header(self, name: str) -> str | None:
        value = self.request.headers.get(name)
        return str(value) if value is not None else None

    def _query_values(self) -> dict[str, list[str]]:
        parameters = self.request.query_params
        return {name: parameters.getlist(name) for name in parameters} if parameters else {}

    @property
    def base_url(self) -> str:
        """The public URL of this deployment, without a trailing slash."""
        if self.services.settings.public_base_url:
            return self.services.settings.public_base_url
        context = self.request.context
        domain = context.get("domainName")
        if domain is None:
            # The local server: only API Gateway reports its domain.
            host = self.header("host") or ""
            return f"http://{host if _HOST.fullmatch(host) else 'localhost'}"
        path = str(self.request.to_original_event().get("path") or "")
        prefix = str(context.get("path") or "").removesuffix(path)
        return f"https://{domain}{prefix}".rstrip("/")


class CallerCall(Call):
    """A request with an API key. Raises `Unauthorized` if the key is not valid."""

    used_until: datetime | None = None
    """Until when the workspace's rate is used, by all processes; None: it is not, or that is unknown."""

    def __init__(self, app: Chalice, services: Services) -> None:
        super().__init__(app, services)
        header = self.header("authorization")
        digest = hashlib.sha256((header or "").encode("utf-8", "replace")).digest()
        self.is_known_key = digest in services.accepted_keys
        """This process has accepted the key before. It is still checked on every request."""
        self.workspace, self.key_id = _authenticate(header, self.read_workspace)
        if len(services.accepted_keys) >= _MAX_ACCEPTED_KEYS:
            services.accepted_keys.clear()
        services.accepted_keys.add(digest)

    def read_workspace(self, workspace_id: str) -> Workspace | None:
        """Read the workspace that the key names, and until when its rate is used. The key is not checked yet."""
        workspace, self.used_until = self.services.workspace_store.get_with_usage(workspace_id)
        return workspace

    def admit(self) -> None:
        """Allow the workspace's own pages to read the response (CORS), and raise `TooManyRequests` over its limit."""
        self._allow_origin()
        if not self.is_known_key:
            self.services.key_uses.note(self.workspace_id, self.key_id)
        limit = self.services.rate_limit
        allowance = limit.count_request(self.workspace_id, self.used_until)
        # draft-ietf-httpapi-ratelimit-headers-10: q requests in w seconds; r are left, all of them again in t seconds.
        self.response_headers["RateLimit-Policy"] = f'"workspace";q={limit.burst};w={ceil(limit.window_seconds)}'
        self.response_headers["RateLimit"] = f'"workspace";r={allowance.remaining};t={allowance.reset_seconds}'
        if not allowance.granted:
            self.response_headers["Retry-After"] = str(allowance.retry_after_seconds)
            raise TooManyRequests(
                f"This workspace may send {limit.rate:g} requests a second. "
                f"Wait {allowance.retry_after_seconds} s, then try again."
            )

    def _allow_origin(self) -> None:
        origin, allowed = self.header("origin"), self.workspace.allowed_origins
        if allowed:
            self.response_headers["Vary"] = "Origin"
        if origin is not None and origin in allowed:
            self.response_headers["Access-Control-Allow-Origin"] = origin
            self.response_headers["Access-Control-Expose-Headers"] = _EXPOSED

    @property
    def workspace_id(self) -> str:
        return self.workspace.workspace_id

    def audit(self, verb: str) -> None:
        """Record an administrative action before it is carried out."""
        self.services.audit.record(verb, self.workspace_id, caller="API", key_id=self.key_id)


def _authenticate(header: str | None, read_workspace: Callable[[str], Workspace | None]) -> tuple[Workspace, str]:
    """Return the workspace and the id of the key. Raise `Unauthorized`."""
    scheme, _, key = (header or "").partition(" ")
    workspace_id = workspace_of_key(key.strip()) if scheme.lower() == "bearer" else None
    if workspace_id is None:
        raise Unauthorized("Send your workspace's API key: Authorization: Bearer <key>.")
    workspace = read_workspace(workspace_id)
    if workspace is None or not accepts_key(workspace, key.strip()):
        raise Unauthorized("This API key is not valid.", workspace_id=workspace_id, key_id=id_of_key(key.strip()))
    return workspace, str(id_of_key(key.strip()))
