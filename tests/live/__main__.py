"""Ten minutes with a live account: its open questions, then what of the contract it can show, one line each.

It makes meetings and deletes them again, and writes what it learned to `build/live-<provider>.json`, without secrets.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalicelib.errors import ProviderError
from tests.contract.kit.contract import ProviderContract
from tests.live.questions import QUESTIONS
from tests.live.script import Script, plain
from tests.live.steps import AFTER, REGISTER, STEPS
from tests.live.subject import LiveSubject, NotSetUp
from tests.support.clock import FakeClock

REPORTS = Path("build")
# In an order that leaves the tokens usable to the end. The rest of the contract needs faults on demand.
BEHAVIOURS = (
    "connecting_returns_the_account",
    "consent_grants_every_scope",
    "the_created_meeting_matches_the_request",
    "every_booking_gets_its_own_meeting",
    "a_reschedule_keeps_the_link",
    "the_meeting_is_found_by_its_tag",
    "find_returns_nothing_if_nothing_was_created",
    "a_repeated_create_returns_the_same_meeting",
    "no_secret_is_returned",
    "a_deleted_meeting_is_gone",
    "a_second_delete_reports_that_it_is_gone",
    "a_visitor_is_admitted_by_a_short_lived_link",
    "a_used_refresh_token_behaves_as_declared",
    "disconnecting_revokes_the_tokens",
)


def contract_of(name: str) -> type[ProviderContract]:
    """The contract as the provider's own test declares it."""
    module = importlib.import_module(f"tests.contract.test_{name}")
    found = [one for one in vars(module).values() if isinstance(one, type) and issubclass(one, ProviderContract)]
    return next(one for one in found if one is not ProviderContract)


def run(
    name: str,
    environment: Mapping[str, str],
    sign_in: Callable[[str], str],
    say: Callable[[str], None],
    pause: Callable[[float], None] = time.sleep,
    *,
    ask: Callable[[str], str] = lambda _: "",
    reports: Path = REPORTS,
) -> bool:
    """Whether the live provider did all that its stand-in does. Raises `NotSetUp`.

    `ask` has a person answer a question: an empty answer skips it. The report goes into the folder `reports`.
    """
    subject = LiveSubject(name, environment, sign_in, FakeClock(datetime.now(UTC)))
    say(REGISTER[name].format(redirect=subject.redirect))
    contract = contract_of(name)
    lacks = contract.subject_kind.lacks
    subject.refreshing, subject.lacks = contract.subject_kind.refreshing, lacks  # type: ignore[misc]
    subject.connect()
    script = Script(subject, say, ask, pause)
    try:
        STEPS[name](script)
    finally:
        script.clean_up()
    say("\nThe contract")
    results = _check_contract(subject, contract, say, pause)
    AFTER.get(name, lambda _: None)(script)
    path = reports / f"live-{name}.json"
    script.write(path, results, QUESTIONS[name], subject.secrets_seen())
    say(f"\nThe report is {path}. It has no secrets: please attach it to an issue.")
    return all(result["result"] != "NO" for result in results)


def _check_contract(
    subject: LiveSubject,
    contract: type[ProviderContract],
    say: Callable[[str], None],
    pause: Callable[[float], None],
) -> list[dict[str, str]]:
    """Run what of the contract a live account can show: one result for each behaviour."""
    results = []
    for behaviour in BEHAVIOURS:
        words = behaviour.replace("_", " ")
        if behaviour in subject.lacks:
            say(f"  –    {words}: {subject.lacks[behaviour]}")
            continue
        result = {"behaviour": words, "result": "yes", "detail": ""}
        try:
            getattr(contract(), f"test_{behaviour}")(subject)
        except (AssertionError, ProviderError, ValueError, pytest.fail.Exception) as error:
            detail = type(error).__name__
            if isinstance(error, ProviderError):
                detail = f"{error.call.what} (status {error.status}, code {plain(error.code)})"
            result |= {"result": "NO", "detail": detail}
        results.append(result)
        say(f"  {result['result']:<4} {words}{': ' if result['detail'] else ''}{result['detail']}")
        if behaviour != BEHAVIOURS[-1]:
            subject.clean_up()
        pause(1.0)  # Be a good guest: providers count calls by the second.
    return results


def main() -> int:
    """PROVIDER chooses whom to ask; its credentials are read from the environment."""
    name = os.environ.get("PROVIDER", "")
    try:
        good = run(name, os.environ, _sign_in, print, ask=_ask)
    except NotSetUp as error:
        print(error, file=sys.stderr)
        return 2
    print("\nAs the stand-in." if good else "\nThe live provider differs: see the lines with NO.")
    return 0 if good else 1


def _sign_in(address: str) -> str:
    return _ask(
        f"Open this address, sign in, allow, and paste the address that your browser is sent to:\n\n{address}\n"
    )


def _ask(prompt: str) -> str:
    print(prompt)
    return input("> ").strip()


if __name__ == "__main__":
    sys.exit(main())
