"""The reference: a page for each group of operations, one for events, and one for states and reasons."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.docs_site.code import CodeBlocks
from infra.docs_site.page import Page, Section, plain, slugify
from infra.docs_site.samples import SampleRequest
from infra.docs_site.schema import Field, Schemas

GROUP = "API reference"
_HIDDEN = frozenset({"/docs", "/docs/{page}", "/llms.txt"})
_LISTS = (
    ("MeetingState", "States of a meeting", "`meeting.state` of a booking."),
    ("MeetingReason", "Reasons of a meeting", "`meeting.reason` says why a meeting is in its state."),
    ("ConnectionState", "States of a connection", "`state` of a connection."),
    ("ConnectionReason", "Reasons of a connection", "`reason` of a connection."),
    ("InvitationState", "States of an invitation", "`state` of each of a booking's `invitations`."),
    ("EmailProblem", "Problems of an email", "`reason` of an invitation that was not delivered, or is delayed."),
    ("DeliveryState", "States of a delivery", "`state` of a webhook delivery."),
    ("Attendance", "Attendance", "`meeting.attendance` says who came."),
    ("ProblemType", "Types of problems", "`type` of a problem, the body of every error."),
)
Render = Callable[..., str]
"""Renders a template with values."""


@dataclass(frozen=True)
class Problem:
    """One way in which an operation can fail."""

    status: str
    name: str
    about: str


@dataclass(frozen=True)
class Operation:
    """What the template of an operation shows."""

    id: str
    method: str
    path: str
    summary: str
    text: str
    needs_key: bool
    parameters: Mapping[str, Sequence[Field]]
    """By heading: path, query, headers."""
    body: Sequence[Field]
    response: Sequence[Field]
    response_title: str
    problems: Sequence[Problem]
    samples: str
    """HTML of the request and the response."""


class Reference:
    """Renders the reference of one OpenAPI document."""

    def __init__(self, document: Mapping[str, Any], render: Render) -> None:
        self._document = document
        self._schemas = Schemas(document["components"]["schemas"])
        self._render = render

    def pages(self) -> Iterator[Page]:
        """Yield the pages in the order of the navigation."""
        for tag in self._document["tags"]:
            code = CodeBlocks()
            operations = [self._operation(*entry, code) for entry in self._operations(tag["name"])]
            if operations:
                yield self._group(tag, operations)
            elif tag["name"] == "Webhook events":
                yield self._events(tag, code)
        yield self._states()

    def _operations(self, tag: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        for path, methods in self._document["paths"].items():
            for method, operation in methods.items():
                if tag in operation["tags"] and path not in _HIDDEN:
                    yield path, method.upper(), operation

    def _operation(self, path: str, method: str, operation: Mapping[str, Any], code: CodeBlocks) -> Operation:
        success = {status: answer for status, answer in operation["responses"].items() if status < "300"}
        status, response = next(iter(success.items()))
        titles = " or ".join(f"{status} {answer['description']}" for status, answer in success.items())
        parameters: dict[str, list[Field]] = {}
        for parameter in operation["parameters"]:
            heading = {"path": "Path", "query": "Query", "header": "Headers"}[parameter["in"]]
            about, is_required = parameter.get("description", ""), bool(parameter.get("required"))
            field = self._schemas.field(parameter["name"], parameter["schema"], is_required=is_required, about=about)
            parameters.setdefault(heading, []).append(field)
        return Operation(
            operation["operationId"],
            method,
            path,
            operation["summary"],
            operation["description"],
            bool(operation["security"]),
            parameters,
            self._schemas.fields(_json_schema(operation.get("requestBody", {}))),
            self._schemas.fields(_json_schema(response)),
            titles,
            list(self._problems(operation)),
            self._samples(path, method, operation, f"{status} {response['description']}", response, code),
        )

    def _samples(
        self,
        path: str,
        method: str,
        operation: Mapping[str, Any],
        title: str,
        response: Mapping[str, Any],
        code: CodeBlocks,
    ) -> str:
        for parameter in operation["parameters"]:
            if parameter["in"] == "path":
                example = self._schemas.resolve(parameter["schema"]).get("examples", ["id"])[0]
                path = path.replace(f"{{{parameter['name']}}}", _example_id(parameter["name"], example))
        headers = tuple(
            (p["name"], p["example"]) for p in operation["parameters"] if p["in"] == "header" and "example" in p
        )
        sample = SampleRequest(
            method, path, _example(operation.get("requestBody", {})), bool(operation["security"]), headers
        )
        html = code.tabs(sample.as_tabs())
        answer = _example(response)
        if answer is not None:
            return html + code.block("json", json.dumps(answer, indent=2, ensure_ascii=False), title=title)
        return html + f'<div class="code"><p class="code-title">{title}</p></div>'

    def _problems(self, operation: Mapping[str, Any]) -> Iterator[Problem]:
        shared = self._document["components"]["responses"]
        for status, response in operation["responses"].items():
            if status < "400" or not status.isdigit():
                continue
            target = shared[response["$ref"].rpartition("/")[2]] if "$ref" in response else response
            for content in target["content"].values():
                for name, example in content["examples"].items():
                    yield Problem(status, name, example["value"]["detail"])

    def _group(self, tag: Mapping[str, Any], operations: Sequence[Operation]) -> Page:
        html = self._render("operations.html", about=tag["description"], operations=operations)
        sections = tuple(Section(o.id, o.summary, f"{o.method} {o.path} {plain(o.text)}", o.method) for o in operations)
        markdown = self._render("operations.md", title=tag["name"], about=tag["description"], operations=operations)
        return Page(_slug(tag["name"]), GROUP, tag["name"], html, markdown, tag["description"], sections, "reference")

    def _events(self, tag: Mapping[str, Any], code: CodeBlocks) -> Page:
        events = []
        for name, item in self._document["webhooks"].items():
            post = item["post"]
            payload = json.dumps(_example(post["requestBody"]), indent=2, ensure_ascii=False)
            fields = self._schemas.fields(_json_schema(post["requestBody"]))
            event = {"name": name, "id": slugify(name), "about": post["description"], "fields": fields}
            events.append(event | {"sample": code.block("json", payload, title=name), "payload": payload})
        html = self._render("events.html", about=tag["description"], events=events)
        sections = tuple(Section(event["id"], event["name"], plain(event["about"])) for event in events)
        markdown = self._render("events.md", title="Events", about=tag["description"], events=events)
        return Page("events", GROUP, "Events", html, markdown, tag["description"], sections, "reference")

    def _states(self) -> Page:
        about = "Every value of the closed lists, what it means and what to do."
        lists = [(slugify(title), title, text, self._values(name)) for name, title, text in _LISTS]
        html = self._render("states.html", about=about, lists=lists)
        sections = tuple(Section(anchor, title, f"{plain(text)} {' '.join(v)}") for anchor, title, text, v in lists)
        markdown = self._render("states.md", title="States and reasons", about=about, lists=lists)
        return Page("states", GROUP, "States and reasons", html, markdown, about, sections)

    def _values(self, name: str) -> Mapping[str, str]:
        values: Mapping[str, str] = self._document["components"]["schemas"][name]["x-enumDescriptions"]
        return values


def _slug(title: str) -> str:
    return f"api-{slugify(title)}"


def _json_schema(message: Mapping[str, Any]) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = message.get("content", {}).get("application/json", {}).get("schema", {})
    return schema


def _example(message: Mapping[str, Any]) -> Any:
    return message.get("content", {}).get("application/json", {}).get("example")


def _example_id(name: str, example: Any) -> str:
    ids = {"calendar_id": "c-1", "user_id": "u-1", "endpoint_id": "main", "workspace_id": "demo", "provider": "zoom"}
    return ids.get(name, str(example))
