"""`make run`: keep the local stack up until Ctrl-C or SIGTERM, and say where everything is."""

from __future__ import annotations

import os
import signal
import sys
import threading

from infra.local.aws import LocalAwsError
from infra.local.stack import PASSWORD, LocalStack, ports_from_environment


def main() -> int:
    """Serve until told to stop. The exit code is 0 after an orderly end."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        ports, provider = ports_from_environment(os.environ), os.environ.get("PROVIDER") or "zoom"
        with LocalStack(ports, say=lambda part: print(f"  {part}", flush=True), provider=provider) as stack:
            if not stop.is_set():
                print(_addresses(stack), flush=True)
            stop.wait()
            print("\nStopping ...", flush=True)
    except (LocalAwsError, RuntimeError, ValueError) as error:
        print(f"The local stack did not start: {error}", file=sys.stderr)
        return 1
    return 0


def _addresses(stack: LocalStack) -> str:
    demo = stack.demo
    return f"""
ready. Open the console and follow it:

  Console, inbox       {stack.console_url}/          {stack.console_url}/inbox
  Booking page         {stack.console_url}/book
  Settings page        {stack.app_url}/settings    (through "Connect" on the console)
  API                  {stack.app_url}/v1    Authorization: Bearer {demo.api_key}
  Sign in              {_sign_in(stack)}
  For scripts          {stack.console_url}/demo.json    {stack.console_url}/inbox.json

Ctrl-C stops everything."""


def _sign_in(stack: LocalStack) -> str:
    """What to type on the provider's page, or on the settings page."""
    if stack.standing.sign_in:
        return f"{stack.demo.host_email} / {PASSWORD}"
    typed = "    ".join(f"{name}: {text}" for name, text in stack.standing.key_form.items() if text)
    return typed or "nothing to type"


if __name__ == "__main__":
    sys.exit(main())
