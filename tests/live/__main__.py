"""Run what of the contract a live account can show, one line each. It makes meetings and deletes them again."""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import pytest

from chalicelib.errors import ProviderError
from tests.contract.kit.contract import ProviderContract
from tests.live.subject import LiveSubject, NotSetUp
from tests.support.clock import FakeClock

# In an order that leaves the tokens usable to the end. The rest of the contract needs faults on demand.
BEHAVIOURS = (
    "connecting_names_the_account",
    "consent_grants_all_that_is_needed",
    "create_makes_the_meeting_as_asked",
    "every_booking_gets_its_own_meeting",
    "a_reschedule_keeps_the_link",
    "the_meeting_is_found_by_its_tag",
    "nothing_is_found_where_nothing_was_made",
    "repeating_a_create_answers_with_the_same_meeting",
    "no_secret_leaves_the_provider",
    "a_removed_meeting_is_gone",
    "removing_it_again_says_that_it_is_gone",
    "a_visitor_is_let_in_by_a_link_of_the_moment",
    "a_used_refresh_token_is_as_declared",
    "disconnecting_ends_the_tokens",
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
) -> bool:
    """Whether the live provider did all that its stand-in does. Raises `NotSetUp`."""
    subject = LiveSubject(name, environment, sign_in, FakeClock(datetime.now(UTC)))
    contract = contract_of(name)
    lacks = contract.subject_kind.lacks
    subject.refreshing, subject.lacks = contract.subject_kind.refreshing, lacks  # type: ignore[misc]
    subject.connect()
    good = True
    for behaviour in BEHAVIOURS:
        words = behaviour.replace("_", " ")
        if behaviour in lacks:
            say(f"  –    {words}: {lacks[behaviour]}")
            continue
        try:
            getattr(contract(), f"test_{behaviour}")(subject)
        except (AssertionError, ProviderError, ValueError, pytest.fail.Exception) as error:
            good = False
            what = str(error) if isinstance(error, ProviderError) else type(error).__name__
            say(f"  NO   {words}: {what}")
        else:
            say(f"  yes  {words}")
        if behaviour != BEHAVIOURS[-1]:
            subject.clean_up()
        pause(1.0)  # Be a good guest: providers count calls by the second.
    return good


def main() -> int:
    """PROVIDER chooses whom to ask; its credentials are read from the environment."""
    name = os.environ.get("PROVIDER", "")
    try:
        good = run(name, os.environ, _ask, print)
    except NotSetUp as error:
        print(error, file=sys.stderr)
        return 2
    print("\nAs the stand-in." if good else "\nThe live provider differs: see the lines with NO.")
    return 0 if good else 1


def _ask(address: str) -> str:
    print(f"Open this address, sign in, allow, and paste the address that your browser is sent to:\n\n{address}\n")
    return input("> ").strip()


if __name__ == "__main__":
    sys.exit(main())
