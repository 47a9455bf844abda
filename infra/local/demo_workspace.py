"""The workspace of the local stack: created at the first start, found again at later ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from chalicelib.webhooks.events import EventType
from infra.local.console.received import RECEIVE_PATH
from infra.local.kept_state import StackData
from infra.local.request_log import CONSOLE

WORKSPACE_ID = "demo"
_ENDPOINT = "/v1/webhook-endpoints/console"


@dataclass(frozen=True)
class DemoWorkspace:
    """The workspace of a stack at these addresses."""

    app_url: str
    console_url: str
    before: StackData | None
    """What was kept of it; None: it does not exist yet."""

    def create(self, operate: Callable[[dict[str, Any]], dict[str, Any]]) -> str:
        """Create it, or update its addresses. Return its API key. `operate` runs an operation of the product."""
        pages = [f"{url}/book" for url in (self.console_url, self.console_url.replace("127.0.0.1", "localhost"))]
        request: dict[str, Any] = {"do": "set-lists", "workspace_id": WORKSPACE_ID, "return_to": pages}
        if self.before is None:
            request |= {"do": "create-workspace", "name": "Demo Workspace", "admin_emails": ["admin@example.com"]}
        result = operate(request)
        if "error" in result:
            raise RuntimeError(f"{result['error']} Start over with `make run FRESH=1`.")
        return self.before.api_key if self.before else str(result["api_key"])

    def set_up(self, api_key: str, calendar_id: str, host: dict[str, str]) -> str:
        """Create its calendar, and its webhook endpoint at the console. Return the endpoint's secret."""
        headers = {"Authorization": f"Bearer {api_key}", "User-Agent": CONSOLE}
        with httpx.Client(base_url=self.app_url, headers=headers, timeout=30) as caller:
            endpoint = {"url": self.console_url + RECEIVE_PATH, "events": list(EventType)}
            response = caller.put(_ENDPOINT, json=endpoint).raise_for_status()
            if self.before is not None:
                return self.before.webhook_secret
            calendar = {"name": "Introduction", "host": host, "location": {"type": "phone"}}
            caller.put(f"/v1/calendars/{calendar_id}", json=calendar).raise_for_status()
            return str(response.json()["secret"])
