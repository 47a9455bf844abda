"""Texts of the settings page that depend on a provider or a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.domain.connection import KeyProblem, SignInProblem

if TYPE_CHECKING:
    from chalicelib.providers.base import Provider
    from chalicelib.usecases.connection_check import Step
    from chalicelib.usecases.key_connections import KeyRefused
    from chalicelib.wording import Wording


def sign_in_problem(code: str, provider: Provider | None, wording: Wording) -> str | None:
    """Return the text of a `SignInProblem`; None for any other code.

    `code` and the provider's name are from the page's address, so the text contains nothing else of it.
    """
    from chalicelib.providers.base import OAuthProvider

    texts = wording.settings_page
    if code not in set(SignInProblem) or not isinstance(provider, OAuthProvider):
        return None
    problem, oauth = SignInProblem(code), provider.oauth
    text = texts.sign_in_problems[problem]
    if oauth.admin_consent_path is not None:
        text = texts.sign_in_problems_with_approval.get(problem, text)
    needs, scopes = wording.translate(provider.needs), ", ".join(sorted(oauth.scope_sets[0]))
    return text.format(provider=provider.display_name, needs=needs, scopes=scopes)


def key_problem(error: KeyRefused | None, provider: str, wording: Wording) -> str:
    """Return what is wrong with a key; `error` is None if the provider could not check it."""
    if error is not None and error.advice:
        return wording.translate(error.advice)
    text = wording.settings_page.key_problems[error.problem if error else KeyProblem.NOT_CHECKED]
    field = error.field if error else None
    label, longest = (wording.translate(field.label), field.longest) if field else ("", 0)
    return text.format(provider=provider, field=label, count=longest)


def step_problem(step: Step, provider: str, wording: Wording) -> str:
    """Return what to do about a failed step of the connection check; empty if it did not fail."""
    if step.problem is None:
        return wording.translate(step.detail or "")
    text = wording.settings_page.step_problems[step.problem]
    return text.format(provider=provider, scopes=", ".join(step.missing_scopes))


def format_duration(minutes: int, wording: Wording) -> str:
    """Format minutes as “40 minutes” or “30 hours”."""
    texts = wording.settings_page
    if minutes >= 120 and minutes % 60 == 0:
        return wording.count(texts.hours, minutes // 60)
    return wording.count(texts.minutes, minutes)
