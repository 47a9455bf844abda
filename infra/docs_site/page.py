"""A page of the site, and its place in the navigation."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

BASE = "%BASE%"
"""Stands for the address of the deployment. It is replaced when a page is served."""
EXAMPLE = "https://meetlink.example.com"
"""The address of a deployment in the guides."""


@dataclass(frozen=True)
class Section:
    """A part of a page that can be linked and found."""

    anchor: str
    title: str
    text: str
    """Plain text, for the search."""
    badge: str = ""
    """The method of an operation."""
    level: int = 2


@dataclass(frozen=True)
class Page:
    """One page. Its HTML contains `BASE`."""

    slug: str
    """The end of its address; "index" is `/docs` itself."""
    group: str
    title: str
    html: str
    markdown: str
    summary: str
    sections: tuple[Section, ...] = ()
    kind: str = field(default="guide")
    """"guide" or "reference": the layout."""

    @property
    def address(self) -> str:
        return f"{BASE}/docs" if self.slug == "index" else f"{BASE}/docs/{self.slug}"


def slugify(title: str) -> str:
    """Return the anchor of a heading, as GitHub forms it."""
    text = re.sub(r"[^\w\- ]", "", title.replace("`", "").lower())
    return text.replace(" ", "-")


def plain(text: str) -> str:
    """Remove Markdown's marks, for titles, summaries and the search."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"[`*]", "", text)
