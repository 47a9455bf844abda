"""`make break FAULT=…`: break something in the stack that `make run` started; `make break` lists everything."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import httpx

from infra.local.stack import HOST, ports_from_environment

_REPAIR = "repair"


def main(fault: str, environment: Mapping[str, str], transport: httpx.BaseTransport | None = None) -> int:
    """Break `fault`, repair everything for "repair", list everything for "". The exit code is 0 if it worked."""
    url = f"http://{HOST}:{ports_from_environment(environment).console}"
    try:
        with httpx.Client(base_url=url, timeout=60, trust_env=False, transport=transport) as console:
            return _run(console, fault)
    except httpx.TransportError:
        print(f"Nothing answers at {url}. Start the stack with `make run`.", file=sys.stderr)
        return 1


def _run(console: httpx.Client, fault: str) -> int:
    if not fault:
        for entry in console.get("/break.json").raise_for_status().json():
            print(f"  {entry['name']:<26}{'BROKEN   ' if entry['active'] else ''}{entry['effect']}")
        print(f"\nBreak one with `make break FAULT=…`, end all with `make break FAULT={_REPAIR}`.")
        return 0
    response = console.post(f"/break/{fault}")
    body = response.json()
    if response.is_error:
        print(body["error"], file=sys.stderr)
        return 1
    print("Everything is repaired." if fault == _REPAIR else f"{body['title']}. {body['effect']}")
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ.get("FAULT", ""), os.environ))
