"""The console's start page, and the same facts for scripts."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template

from infra.local.console.api import Api, ApiProblem
from infra.local.console.demo import Demo
from infra.local.console.mailbox import Mailbox


def create_home(demo: Demo, mailbox: Mailbox, api: Api) -> Blueprint:
    """`GET /`, `GET /demo.json` and `GET /healthz`."""
    home = Blueprint("home", __name__)

    @home.get("/")
    def show_home() -> str:
        connection, calendar, problem = None, None, None
        try:
            connection, calendar = api.connection(), api.calendar()
        except ApiProblem as error:
            problem = error
        return render_template(
            "home.html",
            demo=demo,
            connection=connection,
            calendar=calendar,
            problem=problem,
            mail_count=len(mailbox.mails()),
        )

    @home.get("/demo.json")
    def show_demo() -> dict[str, Any]:
        return {
            "app_url": demo.app_url,
            "console_url": demo.console_url,
            "workspace_id": demo.workspace_id,
            "api_key": demo.api_key,
            "user_id": demo.user_id,
            "host": {"name": demo.host_name, "email": demo.host_email},
            "calendar_id": demo.calendar_id,
            "provider": demo.provider,
            "provider_url": demo.provider_url,
        }

    @home.get("/healthz")
    def show_health() -> dict[str, str]:
        return {"status": "ok"}

    return home
