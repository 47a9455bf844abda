"""*Break things*: everything that can be broken in the stack, for people and for scripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from infra.local.breakage import Break, Breakage, NotPossible, UnknownBreak
from infra.local.console.api import ApiProblem

_GROUPS = (
    ("Provider", ("provider-", "token-", "app-", "meeting-")),
    ("Emails", ("ses-", "email-")),
    ("Webhooks", ("webhook-",)),
    ("Clock", ("skip-",)),
)


def create_break_page(breakage: Breakage) -> Blueprint:
    """`GET /break`, `GET /break.json`, `POST /break/<name>` and `POST /break/repair`."""
    blueprint, pages = Blueprint("breaking", __name__), _BreakPages(breakage)
    blueprint.get("/break")(pages.show_breaks)
    blueprint.get("/break.json")(pages.list_breaks)
    blueprint.post("/break/repair")(pages.repair)
    blueprint.post("/break/<name>")(pages.start)
    return blueprint


@dataclass(frozen=True)
class _BreakPages:
    breakage: Breakage

    def show_breaks(self) -> str:
        breaks = self.breakage.breaks
        groups = [(title, [fault for fault in breaks if fault.name.startswith(names)]) for title, names in _GROUPS]
        done = next((fault for fault in breaks if fault.name == request.args.get("done")), None)
        return render_template("break.html", groups=groups, active=self.breakage.active, done=done)

    def list_breaks(self) -> Response:
        return jsonify([_as_json(fault, self.breakage.active) for fault in self.breakage.breaks])

    def start(self, name: str) -> Response | tuple[dict[str, Any], int]:
        try:
            started = self.breakage.start(name)
        except UnknownBreak as error:
            return _refuse(404, "There is no such fault", str(error))
        except NotPossible as error:
            return _refuse(409, "This is not possible now", str(error))
        if _wants_json():
            return _as_json(started, self.breakage.active), 200
        return redirect(url_for("breaking.show_breaks", done=name), 303)

    def repair(self) -> Response | tuple[dict[str, Any], int]:
        self.breakage.repair()
        return ({}, 200) if _wants_json() else redirect(url_for("breaking.show_breaks"), 303)


def _refuse(status: int, title: str, detail: str) -> tuple[dict[str, Any], int]:
    if _wants_json():
        return {"error": detail}, status
    raise ApiProblem(status, title, detail)


def _wants_json() -> bool:
    return "text/html" not in request.headers.get("Accept", "")


def _as_json(fault: Break, active: list[str]) -> dict[str, Any]:
    return {
        "name": fault.name,
        "title": fault.title,
        "effect": fault.effect,
        "lasts": fault.repair is not None,
        "active": fault.name in active,
    }
