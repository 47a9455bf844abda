"""The run against a live account, tried on stand-ins that are served as a live provider would be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from chalicelib.providers.registry import PROVIDERS
from infra.local.standins import catalogue
from infra.local.standins.faults import Action, Fault
from infra.local.standins.server import serve
from tests.live.__main__ import BEHAVIOURS, contract_of, run
from tests.live.questions import QUESTIONS
from tests.live.script import Script, plain
from tests.live.subject import LiveSubject, NotSetUp
from tests.support.clock import FakeClock

HOST = catalogue.Host("host@example.com", "password-1", "Demo Host")
REDIRECT = "https://product.example/callback"
# What only a person can see, or what a person has to do first.
NEEDS_A_PERSON = {
    "zoom-add-app",
    "zoom-deauthorization",
    "zoom-events",
    "zoom-scopes",
    "google-guest-alone",
    "google-guest",
    "google-link-after-delete",
    "spaces-guest",
    "teams-lobby-default",
    "daily-rooms",
    "jitsi-guest",
    "jaas-guest",
    "jaas-wrong-key",
    "jaas-users",
}


class Live:
    """A run against the stand-in of a provider, and what came of it. `answers` are what a person types, by prompt."""

    def __init__(
        self,
        reports: Path,
        name: str,
        *faults: Fault,
        environment: Mapping[str, str] | None = None,
        answers: Mapping[str, str] | None = None,
    ) -> None:
        self.stand_in = stand_in = catalogue.create_stand_in(name, HOST)
        self.said: list[str] = []
        self._answers = answers or {}
        with ExitStack() as stack, httpx.Client() as browser:
            url = stack.enter_context(serve(stand_in.app)).url if stand_in.app else ""  # Rooms have no server.
            stand_in.configure(url, frozenset({REDIRECT}))
            for fault in faults:
                stand_in.faults.add(fault)
            self.settings = stand_in.environment(url) | {
                f"{name}_{field}".upper(): text for field, text in stand_in.key_form.items()
            }
            self.settings |= {"REDIRECT_URI": REDIRECT} | dict(environment or {})
            sign_in = stand_in.sign_in
            good = run(
                name,
                self.settings,
                lambda address: sign_in(browser, address) if sign_in else "",
                self.said.append,
                lambda _: None,
                ask=self._answer,
                reports=reports,
            )
        assert good is not any(line.startswith("  NO") for line in self.said)
        self.text = (reports / f"live-{name}.json").read_text()
        self.report: dict[str, Any] = json.loads(self.text)

    def _answer(self, prompt: str) -> str:
        return next((answer for part, answer in self._answers.items() if part in prompt), "")

    def learned(self) -> dict[str, dict[str, Any]]:
        """The facts by question, of those that were answered."""
        return {q["id"]: q["facts"] for q in self.report["questions"] if q["answer"] != "skipped"}


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_stand_in_passes_as_a_live_provider_and_answers_its_questions(name: str, tmp_path: Path) -> None:
    live = Live(tmp_path, name)
    assert not [line for line in live.said if line.startswith("  NO") or "could not be" in line]
    applies = [one.replace("_", " ") for one in BEHAVIOURS if one not in contract_of(name).subject_kind.lacks]
    assert [line for line in live.said if line.startswith("  yes")] == [f"  yes  {one}" for one in applies]
    assert [result["behaviour"] for result in live.report["contract"]] == applies
    assert len(applies) >= 4
    assert [question["id"] for question in live.report["questions"]] == list(QUESTIONS[name])
    assert set(live.learned()) == set(QUESTIONS[name]) - NEEDS_A_PERSON
    assert REDIRECT in live.said[0] or not hasattr(PROVIDERS[name], "oauth")


@pytest.mark.parametrize("name", sorted(set(PROVIDERS) - {"google_meet_spaces"}))
def test_nothing_that_the_run_made_is_left(name: str, tmp_path: Path) -> None:
    live = Live(tmp_path, name, answers={"sixty rooms": "yes"})
    assert live.stand_in.held() == []


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_report_has_no_secret(name: str, tmp_path: Path) -> None:
    live = Live(tmp_path, name, answers={"paste": "https://product.example/callback?code=SecretCode-123&state=x"})
    secrets = [value for value in (*live.stand_in.secrets.values(), *live.stand_in.key_form.values()) if len(value) > 7]
    secrets += ["SecretCode-123", HOST.email, "https://zoom.us/j/", "joinWebUrl", "meet.google.com", "MTID", "jwt="]
    identity = live.stand_in.identity
    secrets += [*identity.access_tokens, *identity.refresh_tokens] if identity else []
    assert [secret for secret in secrets if secret in live.text] == []


def test_a_secret_that_got_into_an_answer_is_removed(tmp_path: Path) -> None:
    settings = {"REDIRECT_URI": REDIRECT, "DAILY_API_KEY": "words only key"}
    script = Script(LiveSubject("daily", settings, str, FakeClock()), print, str, print)
    script.learn("daily-taken", "as answered", words="words only key")
    script.write(tmp_path / "report.json", [], QUESTIONS["daily"], script.subject.secrets_seen())
    assert "words only key" not in (tmp_path / "report.json").read_text()
    assert "(removed)" in (tmp_path / "report.json").read_text()


def test_what_the_answers_say_is_learned(tmp_path: Path) -> None:
    facts = Live(tmp_path, "zoom", answers={"Add app": f"{REDIRECT}?code=1"}).learned()
    assert facts["zoom-add-app"] == {"code": True, "state": False, "error": False}
    assert facts["zoom-list"] == {"seconds": 0, "shows_agenda": True}
    assert facts["zoom-delete"] == {"change": 204, "deletion": 204, "second_deletion": 404, "second_code": "3001"}
    assert facts["zoom-revoked"] == {"status": 400, "code": "invalid_grant", "reason": "Invalid Token!"}
    facts = Live(tmp_path, "daily", answers={"sixty rooms": "yes"}).learned()
    assert facts["daily-taken"] == {
        "first": 200,
        "second": 400,
        "code": "invalid-request-error",
        "words": "a room named X already exists",
    }


def test_what_a_person_saw_is_learned(tmp_path: Path) -> None:
    live = Live(tmp_path, "microsoft_teams", answers={"What does the guest see?": "knock"})
    seen = {q["id"]: q["answer"] for q in live.report["questions"]}
    assert seen["teams-lobby-default"] == "a person saw: knock"


def test_what_differs_is_named_and_the_run_goes_on(tmp_path: Path) -> None:
    live = Live(tmp_path, "daily", Fault("/v1/rooms$", Action.BEFORE, status=500, method="POST", skip=3))
    assert [line for line in live.said if line.startswith("  NO")] == [
        "  NO   the created meeting matches the request: HTTP 500 (status 500, code None)"
    ]
    assert [result["result"] for result in live.report["contract"]].count("NO") == 1


def test_a_step_that_fails_does_not_end_the_run(tmp_path: Path) -> None:
    live = Live(tmp_path, "daily", Fault("/v1/$", Action.BEFORE, status=200, body="<html>"))
    assert "  This step could not be done: Ambiguous." in live.said
    assert "daily-domain-id" not in live.learned()
    assert "daily-taken" in live.learned()


@pytest.mark.parametrize(
    "value",
    ["host@example.com", "81234567890", "eyJhbGciOiJSUzI1NiJ9", 81234567890, {"id": 1}, "https://x", "a" * 90, "x1"],
)
def test_a_value_that_may_identify_someone_is_not_shown(value: Any) -> None:
    assert plain(value) == "(not shown)"


@pytest.mark.parametrize("value", ["invalid_grant", "Invalid Token!", "4711", "cancelled", "OPEN", True, 7, None])
def test_words_flags_and_short_numbers_are_shown(value: Any) -> None:
    assert plain(value) == value


def test_what_is_missing_is_named() -> None:
    with pytest.raises(NotSetUp, match="REDIRECT_URI"):
        run("zoom", {}, lambda _: "", print)
    with pytest.raises(NotSetUp, match="ZOOM_CLIENT_ID"):
        run("zoom", {"REDIRECT_URI": REDIRECT}, lambda _: "", print)
    with pytest.raises(NotSetUp, match="PROVIDER must be one of zoom"):
        run("", {}, lambda _: "", print)
