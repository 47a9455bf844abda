"""The whole site: pages with navigation, their Markdown, the index of the search, and `llms.txt`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markdown_it import MarkdownIt
from markupsafe import Markup

from infra.docs_site.guides import GROUPS, render_guides
from infra.docs_site.page import BASE, Page
from infra.docs_site.reference import GROUP, Reference

_SNIPPET = 400
"""Characters of a section that the search looks through."""
_ABOUT = "Every booking gets its own video-meeting link, in the calendars of host and guests, within seconds."


def render_site(document: Mapping[str, Any], read: Callable[[str], str]) -> dict[str, str]:
    """Return every text of the site by its name below `/docs`: "index", "index.md", "search.json", "llms.txt", …"""
    templates = _templates()

    def render(name: str, **values: Any) -> str:
        return templates.get_template(name).render(values)

    pages = [*render_guides(read), *Reference(document, render).pages()]
    groups = {group: [page for page in pages if page.group == group] for group in (*GROUPS, GROUP)}
    texts = {"search.json": _search_index(pages), "llms.txt": _llms(groups)}
    for number, page in enumerate(pages):
        near = {"before": pages[number - 1] if number else None, "after": (*pages, None)[number + 1]}
        texts[page.slug] = render("page.html", page=page, groups=groups, version=document["info"]["version"], **near)
        texts[f"{page.slug}.md"] = page.markdown
    return texts


def _search_index(pages: Sequence[Page]) -> str:
    entries = [
        {
            "t": section.title or page.title,
            "p": page.title,
            "a": _address(page, section.anchor),
            "x": section.text[:_SNIPPET],
        }
        for page in pages
        for section in page.sections
    ]
    return json.dumps(entries, ensure_ascii=False, separators=(",", ":"))


def _address(page: Page, anchor: str) -> str:
    slug = "" if page.slug == "index" else f"/{page.slug}"
    return f"{slug}#{anchor}" if anchor else slug


def _llms(groups: Mapping[str, Sequence[Page]]) -> str:
    """Return the index for language models (llmstxt.org)."""
    lines = ["# meetlink", "", f"> {_ABOUT}", "", f"The OpenAPI 3.1 description is at {BASE}/openapi.json."]
    for group, pages in groups.items():
        lines += ["", f"## {group}", ""]
        lines += [f"- [{page.title}]({BASE}/docs/{page.slug}.md): {page.summary}" for page in pages]
    return "\n".join(lines) + "\n"


def _templates() -> Environment:
    here = FileSystemLoader(Path(__file__).parent / "templates")
    templates = Environment(loader=here, autoescape=select_autoescape(), undefined=StrictUndefined)
    templates.trim_blocks = templates.lstrip_blocks = True
    markdown = MarkdownIt("commonmark")
    templates.filters["inline"] = lambda text: Markup(markdown.renderInline(text))  # noqa: S704 — our own texts
    templates.filters["prose"] = lambda text: Markup(markdown.render(text))  # noqa: S704
    templates.filters["html"] = Markup
    return templates
