"""`make run`: run the local stack until Ctrl-C or SIGTERM, and print its addresses."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path
from select import select
from types import FrameType

from infra import docs_site
from infra.local.aws import LocalAwsError
from infra.local.kept_state import ROOT, KeptState
from infra.local.stack import PASSWORD, LocalStack, ports_from_environment


def main() -> int:
    """Serve until SIGINT or SIGTERM. The exit code is 0 after a clean stop."""
    stop = StopSignals()
    try:
        ports, provider = ports_from_environment(os.environ), os.environ.get("PROVIDER") or "zoom"
        docs_site.build_if_stale(_print)
        kept = _kept_state(provider, ports.app)
        with LocalStack(ports, report=_print, provider=provider, report_request=_print, kept=kept) as stack:
            if not stop.has_arrived():
                print(_addresses(stack), flush=True)
            stop.wait()
            print("\nStopping ...", flush=True)
    except (LocalAwsError, RuntimeError, ValueError) as error:
        print(f"The local stack did not start: {error}", file=sys.stderr)
        return 1
    return 0


def _kept_state(provider: str, port: int) -> KeptState:
    """Return what the last run with this provider and port kept. `FRESH=1` deletes it."""
    parent = Path(os.environ.get("MEETLINK_STATE_DIR") or ROOT / "build" / "local")
    kept = KeptState(parent / f"{provider}-{port}", _print)
    if os.environ.get("FRESH"):
        kept.forget()
    return kept


def _print(line: str) -> None:
    print(f"  {line}", flush=True)


class StopSignals:
    """Waits for SIGINT or SIGTERM.

    The interpreter writes each signal to a socket. A handler that takes a lock, as `threading.Event.set` does, would
    deadlock when it interrupts an earlier handler that holds the lock.
    """

    def __init__(self) -> None:
        self._received, self._written = socket.socketpair()
        self._written.setblocking(False)  # As `set_wakeup_fd` requires.
        signal.set_wakeup_fd(self._written.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _do_nothing)

    def has_arrived(self) -> bool:
        """Return whether a signal has arrived."""
        return bool(select([self._received], [], [], 0)[0])

    def wait(self) -> None:
        """Return once a signal has arrived."""
        select([self._received], [], [])


def _do_nothing(_: int, __: FrameType | None) -> None:
    """Do nothing: Python writes to the wakeup socket only for signals that have a handler."""


def _addresses(stack: LocalStack) -> str:
    demo = stack.demo
    return f"""
ready. Open the console and follow its three steps:

  Console, inbox       {stack.console_url}/          {stack.console_url}/inbox
  Booking page         {stack.console_url}/book
  Settings page        {stack.app_url}/settings    (open it with "Connect" on the console)
  API                  {stack.app_url}/v1    guides and reference: {stack.app_url}/docs
  Sign in              {_sign_in(stack)}
  Break things         {stack.console_url}/break    (or: make break FAULT=provider-down)
  For scripts          {stack.console_url}/demo.json    {stack.console_url}/inbox.json

For your own code, in another terminal:

  export MEETLINK_URL={stack.app_url}
  export MEETLINK_KEY={demo.api_key}

Ctrl-C stops everything and keeps the data; `make run FRESH=1` starts over. Requests to the API:
"""


def _sign_in(stack: LocalStack) -> str:
    """Return what to type on the provider's page, or in the form of the settings page."""
    if stack.stand_in.sign_in:
        return f"{stack.demo.host_email} / {PASSWORD}"
    fields = {name: text for name, text in stack.stand_in.key_form.items() if text}
    shown = [f"{name}: {text if len(text.split()) == 1 else 'see the console'}" for name, text in fields.items()]
    return "    ".join(shown) or "not needed"


if __name__ == "__main__":
    sys.exit(main())
