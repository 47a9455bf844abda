"""A run against a live account as it goes: what to click is printed, what is learned goes into a report."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chalicelib.domain.connection import Tokens
from chalicelib.errors import MeetingGone, ProviderError
from chalicelib.providers.http_client import ProviderResponse
from tests.live.subject import LiveSubject

Fact = bool | int | float | str | None
_WORDS = re.compile(r"[A-Za-z][A-Za-z_ /.,!'-]{0,80}|\d{1,6}")
_SKIPPED = "skipped"


def plain(value: Any) -> Fact:
    """A value of a provider's answer, if it is a flag, a number of up to six digits or words; no id has this form."""
    if value is None or isinstance(value, bool) or (isinstance(value, int | float) and abs(value) < 1e6):
        return value
    return str(value) if _WORDS.fullmatch(str(value)) else "(not shown)"


class Script:
    """One provider's questions, answered by calls and by a person.

    `say` prints a line, `ask` prints a line and reads one, `pause` waits for seconds. `findings` is what was learned,
    by question.
    """

    def __init__(
        self,
        subject: LiveSubject,
        say: Callable[[str], None],
        ask: Callable[[str], str],
        pause: Callable[[float], None],
    ) -> None:
        self.subject, self.say, self.pause = subject, say, pause
        self.findings: dict[str, dict[str, Any]] = {}
        self._ask = ask
        self._undo: list[Callable[[], object]] = []

    @property
    def tokens(self) -> Tokens:
        return self.subject.connect()

    def call(
        self, method: str, path: str, *, json: Any = None, at: str = "API", content_type: str | None = None
    ) -> ProviderResponse:
        """A call that no status makes an error."""
        provider = self.subject.provider
        headers = {"Authorization": f"Bearer {self.tokens.access_token}"}
        headers |= {"Content-Type": content_type} if content_type else {}
        return provider.http.send(provider.name, method, provider.addresses[at] + path, headers=headers, json=json)

    def learn(self, question: str, answer: str, **facts: Fact) -> None:
        """Note what a question's answer is, in words of ours and in flags, numbers and words of the provider's."""
        shown = {name: plain(value) for name, value in facts.items()}
        self.findings[question] = {"answer": answer, "facts": shown}
        details = ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in shown.items())
        self.say(f"  {question}: {answer}{f' ({details})' if details else ''}")

    def look(self, question: str, prompt: str, *choices: str) -> str:
        """Have a person look, and note which of `choices` they see. An empty line skips the question."""
        while True:
            seen = self._ask(f"{prompt} [{'/'.join(choices)}, Enter to skip]").strip().lower()
            if seen in choices or not seen:
                break
        if seen:
            self.learn(question, f"a person saw: {seen}")
        return seen

    def read(self, prompt: str) -> str:
        """A line that a person types; empty if they skip it."""
        return self._ask(f"{prompt} [Enter to skip]").strip()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A step that may fail without ending the run."""
        self.say(f"\n{title}")
        try:
            yield
        except (ProviderError, KeyError, TypeError, ValueError, AssertionError) as error:
            self.say(f"  This step could not be done: {type(error).__name__}.")

    def undo_later(self, undo: Callable[[], object]) -> None:
        """Something to delete at the end, whatever happens until then."""
        self._undo.append(undo)

    def clean_up(self) -> None:
        for undo in reversed(self._undo):
            try:
                undo()
            except MeetingGone:
                continue
            except ProviderError as error:
                self.say(f"  Something that this run made could not be deleted: {error.call.what}. Please look for it.")
            self.pause(0.5)  # Daily deletes two rooms a second.
        self._undo.clear()

    def write(self, path: Path, contract: list[dict[str, str]], questions: dict[str, str], secrets: list[str]) -> None:
        """Write the report. Every question is in it; none of `secrets` is."""
        answers = [
            {"id": name, "question": question} | self.findings.get(name, {"answer": _SKIPPED, "facts": {}})
            for name, question in questions.items()
        ]
        report = {"provider": self.subject.provider.name, "contract": contract, "questions": answers}
        text = json.dumps(report, indent=1)
        for secret in secrets:
            text = text.replace(json.dumps(secret)[1:-1], "(removed)") if secret else text
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
