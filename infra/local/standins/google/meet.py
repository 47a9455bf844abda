"""The Meet REST API as far as spaces go (developers.google.com/workspace/meet/api/reference/rest/v2/spaces)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request

from infra.local.standins.google import contract
from infra.local.standins.google.errors import no_such_space, rpc, scope_missing, unauthenticated
from infra.local.standins.google.world import Google, OpenPolicy, Space
from infra.local.standins.oauth_rules import Person

_SETTINGS = "https://www.googleapis.com/auth/meetings.space.settings"


def routes(google: Google) -> Blueprint:
    """The API's paths."""
    api, pages = _Meet(google), Blueprint("meet", __name__)
    pages.add_url_rule("/v2/spaces", "create", api.create, methods=["POST"])
    pages.add_url_rule("/v2/spaces/<space_id>", "get", api.get, methods=["GET"])
    pages.add_url_rule("/v2/spaces/<space_id>", "patch", api.patch, methods=["PATCH"])
    pages.add_url_rule("/v2/spaces/<space_id>/members", "members", api.members, methods=["GET"])
    pages.add_url_rule("/v2/spaces/<space_id>/members", "add", api.add_member, methods=["POST"])
    pages.add_url_rule("/v2/spaces/<space_id>/members/<member_id>", "remove", api.remove_member, methods=["DELETE"])
    end = "/v2/spaces/<space_id>:endActiveConference"
    pages.add_url_rule(end, "end", api.end_conference, methods=["POST"])
    return pages


class _Meet:
    def __init__(self, google: Google) -> None:
        self._google = google

    def create(self) -> dict[str, Any]:
        google = self._google
        with google.lock:
            person, body = self._admit("meet.spaces.create"), self._body("meet.spaces.create")
            if not google.new_spaces.takes(person.id, google.clock()):
                raise rpc(429, "Quota exceeded.", name="RESOURCE_EXHAUSTED", reason="RATE_LIMIT_EXCEEDED")
            self._check_policy(body.get("config", {}))
            space = google.new_space(person.id)
            self._configure(space, body.get("config", {}))
            return self._shown(space)

    def get(self, space_id: str) -> dict[str, Any]:
        with self._google.lock:
            person = self._admit("meet.spaces.get")
            by_code = (s.body["name"] for s in self._google.spaces.values() if s.body["meetingCode"] == space_id)
            return self._shown(self._space(person, next(by_code, f"spaces/{space_id}")))

    def patch(self, space_id: str) -> dict[str, Any]:
        with self._google.lock:
            space = self._space(self._admit("meet.spaces.patch"), f"spaces/{space_id}")
            changes = self._body("meet.spaces.patch").get("config", {})
            mask = request.args.get("updateMask") or ",".join(f"config.{field}" for field in changes)
            named = [path.removeprefix("config.").split(".") for path in mask.split(",")]
            if not all(_is_declared(path) for path in named):
                raise rpc(400, "Invalid field mask.")
            self._check_policy(changes)
            self._configure(space, _masked(changes, named))
            return self._shown(space)

    def end_conference(self, space_id: str) -> dict[str, Any]:
        with self._google.lock:
            space = self._space(self._admit("meet.spaces.endActiveConference"), f"spaces/{space_id}")
            self._body("meet.spaces.endActiveConference")
            if space.conference is None:
                raise rpc(400, "There is no active conference for the space.", name="FAILED_PRECONDITION")
            space.conference = None
            return {}

    def members(self, space_id: str) -> dict[str, Any]:
        with self._google.lock:
            space = self._space(self._admit("meet.spaces.members.list"), f"spaces/{space_id}")
            return {"members": list(space.members.values())}

    def add_member(self, space_id: str) -> dict[str, Any]:
        with self._google.lock:
            space = self._space(self._admit("meet.spaces.members.create"), f"spaces/{space_id}")
            body = self._body("meet.spaces.members.create")
            if body["email"] not in self._google.google_accounts:
                raise rpc(400, "The member has no Google account.")
            if body["email"] in {member["email"] for member in space.members.values()}:
                raise rpc(409, "The member exists.", name="ALREADY_EXISTS")
            name = f"{space.body['name']}/members/{self._google.text(12)}"
            space.members[name] = {"name": name, "email": body["email"], "role": body["role"]}
            return space.members[name]

    def remove_member(self, space_id: str, member_id: str) -> dict[str, Any]:
        with self._google.lock:
            space = self._space(self._admit("meet.spaces.members.delete"), f"spaces/{space_id}")
            if space.members.pop(f"spaces/{space_id}/members/{member_id}", None) is None:
                raise rpc(404, "The member does not exist.", name="NOT_FOUND")
            return {}

    def _admit(self, method_id: str) -> Person:
        token = self._google.identity.bearer()
        if token is None:
            raise unauthenticated()
        if not contract.scopes(method_id) & set(token.scopes):
            raise scope_missing()
        problems = contract.query_errors(method_id, request.args)
        if problems:
            raise rpc(400, f"Invalid parameters: {problems}")
        return token.person

    def _body(self, method_id: str) -> dict[str, Any]:
        body: Any = request.get_json(silent=True) if request.data else {}
        problems = contract.request_errors(method_id, body)
        if problems:
            raise rpc(400, f"Invalid JSON payload received: {problems}")
        return dict(body)

    def _space(self, person: Person, name: str) -> Space:
        space = self._google.spaces.get(name)
        if space is None or space.owner != person.id or (space.is_calendars and not self._has_settings_scope()):
            raise no_such_space()
        return space

    def _has_settings_scope(self) -> bool:
        """`meetings.space.created` reaches only rooms that the app made itself."""
        token = self._google.identity.bearer()
        return token is not None and _SETTINGS in token.scopes

    def _check_policy(self, given: dict[str, Any]) -> None:
        if "ON" in str(given.get("artifactConfig")) and self._google.artifact_policy is OpenPolicy.REFUSES:
            raise rpc(403, "The user is not allowed to record or take notes.")
        if given.get("accessType") == "OPEN" and self._google.open_policy is OpenPolicy.REFUSES:
            raise rpc(403, "The user is not allowed to set this access type.")

    def _configure(self, space: Space, given: dict[str, Any]) -> None:
        defaults = {"accessType": self._google.default_access, "entryPointAccess": "ALL"}
        for kind, values in given.pop("artifactConfig", {}).items():
            if self._google.artifact_policy is OpenPolicy.ALLOWS:
                space.body["config"]["artifactConfig"][kind] |= values
        for field, value in given.items():
            if value == "OPEN" and self._google.open_policy is OpenPolicy.IGNORES:
                continue
            is_unset = value is None or value.endswith("UNSPECIFIED")
            space.body["config"][field] = defaults.get(field) if is_unset else value

    def _shown(self, space: Space) -> dict[str, Any]:
        active = {"activeConference": {"conferenceRecord": space.conference}} if space.conference else {}
        return space.body | active


def _is_declared(path: list[str]) -> bool:
    """Whether a field mask's path leads to a field of `SpaceConfig`."""
    schemas = contract.document("meet.v2")["schemas"]
    fields = schemas["SpaceConfig"]["properties"]
    for name in path:
        if name not in fields:
            return False
        fields = schemas.get(fields[name].get("$ref"), {}).get("properties", {})
    return True


def _masked(changes: dict[str, Any], paths: list[list[str]]) -> dict[str, Any]:
    """Return the values at the mask's paths; None for one that the body does not have, which resets it."""
    masked: dict[str, Any] = {}
    for *parents, name in paths:
        source, target = changes, masked
        for parent in parents:
            source, target = source.get(parent, {}), target.setdefault(parent, {})
        target[name] = source.get(name)
    return masked
