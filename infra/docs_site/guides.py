"""The guides: `docs/*.md`, cut at their second-level headings into pages by task."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

from infra.docs_site.code import LABELS, CodeBlocks
from infra.docs_site.page import BASE, EXAMPLE, Page, Section, plain, slugify

CODE = frozenset(LABELS) - {"json", "console"}
"""Languages of a step's alternatives."""


@dataclass(frozen=True)
class Plan:
    """One page of a guide."""

    slug: str
    title: str
    group: str
    headings: tuple[str, ...]
    """The second-level headings that it contains."""


@dataclass(frozen=True)
class Source:
    """A guide, and how it is cut. Headings that no plan names get a page of their own in `group`."""

    name: str
    group: str
    plans: tuple[Plan, ...] = ()
    groups: Mapping[str, str] | None = None
    """The group of a heading with a page of its own, where it is not `group`."""
    is_whole: bool = False
    """The guide is one page."""


SOURCES = (
    Source(
        "callers.md",
        "Bookings",
        (
            Plan(
                "index",
                "Your first booking",
                "Get started",
                (
                    "Before you start",
                    "1. Have the host connect an account",
                    "2. Check the connection",
                    "3. Create a calendar with video",
                    "4. Book",
                ),
            ),
            Plan("limits", "Limits and repeated requests", "Errors and limits", ("Safe to repeat", "Limits")),
            Plan("lists", "Lists", "Bookings", ("Lists", "Pages")),
        ),
        {
            "Clients": "Get started",
            "Problems": "Errors and limits",
            "The workspace's own pages": "Accounts",
            "From a browser": "Accounts",
            "Embed": "Accounts",
            "Come back to your app": "Accounts",
            "Disconnecting": "Accounts",
        },
    ),
    Source("webhooks.md", "Webhooks"),
    Source("testing.md", "Get started", is_whole=True),
)
GROUPS = ("Get started", "Bookings", "Accounts", "Webhooks", "Errors and limits")
"""In the order of the navigation."""


@dataclass(frozen=True)
class _Part:
    """A second-level heading and what follows it, or what precedes the first one (without a title)."""

    title: str
    lines: tuple[str, ...]


def render_guides(read: Callable[[str], str]) -> list[Page]:
    """Return the pages of every guide. `read` returns the text of a file in `docs/`."""
    cuts = [(source, *_cut(source, read(source.name))) for source in SOURCES]
    places = {
        (source.name, slugify(heading)): _place(plan, heading)
        for source, plans, parts in cuts
        for plan in plans
        for part in parts
        if part.title in plan.headings
        for heading in _headings(part.lines)
    }
    pages = []
    for source, plans, parts in cuts:
        firsts = {guide.name: places_of[0].slug for guide, places_of, _ in cuts}
        for plan in plans:
            lines = [line for part in parts if part.title in plan.headings for line in part.lines]
            pages.append(_render(plan, lines, _Links(source.name, places, firsts)))
    return sorted(pages, key=lambda page: GROUPS.index(page.group))


def _place(plan: Plan, heading: str) -> str:
    """Return the end of the address of a heading."""
    page = "" if plan.slug == "index" else f"/{plan.slug}"
    return page if plan.headings == (heading,) else f"{page}#{slugify(heading)}"


def _cut(source: Source, text: str) -> tuple[list[Plan], list[_Part]]:
    lines = text.splitlines()
    starts = [number for number, line, fenced in _outside_code(lines) if not fenced and line.startswith("## ")]
    title = lines[0].removeprefix("# ")
    parts = [_Part("", tuple(lines[1 : starts[0]]))]
    parts += [_Part(lines[a][3:], tuple(lines[a:b])) for a, b in pairwise([*starts, len(lines)])]
    if source.is_whole:
        plan = Plan(slugify(title), title, source.group, tuple(part.title for part in parts))
        return [plan], parts
    planned = {heading for plan in source.plans for heading in plan.headings}
    own = [
        Plan(slugify(part.title), part.title, (source.groups or {}).get(part.title, source.group), (part.title,))
        for part in parts
        if part.title and part.title not in planned
    ]
    order = {part.title: number for number, part in enumerate(parts)}
    return sorted([*source.plans, *own], key=lambda plan: order[plan.headings[0]]), parts


def _outside_code(lines: Sequence[str]) -> Iterator[tuple[int, str, bool]]:
    is_fenced = False
    for number, line in enumerate(lines):
        if line.startswith("```"):
            is_fenced = not is_fenced
        yield number, line, is_fenced


def _headings(lines: Sequence[str]) -> Iterator[str]:
    for _, line, is_fenced in _outside_code(lines):
        if not is_fenced and line.startswith(("## ", "### ")):
            yield line.lstrip("#").strip()


@dataclass(frozen=True)
class _Links:
    """Where the links of a guide lead on the site."""

    source: str
    places: Mapping[tuple[str, str], str]
    """The place of each heading: the end of its address."""
    firsts: Mapping[str, str]
    """The first page of each guide."""

    def resolve(self, href: str) -> str | None:
        """Return the address of a link, or None if its target is not part of the site."""
        if re.match(r"https?://", href):
            return href
        name, _, anchor = href.partition("#")
        if anchor:
            place = self.places.get((name or self.source, anchor))
            return None if place is None else f"{BASE}/docs{place}"
        slug = self.firsts.get(name)
        return None if slug is None else f"{BASE}/docs{'' if slug == 'index' else f'/{slug}'}"


def _render(plan: Plan, lines: Sequence[str], links: _Links) -> Page:
    is_single = len(plan.headings) == 1
    if is_single:
        lines = lines[1:]  # The page's title is the heading.
    text = "\n".join(lines).strip().replace(EXAMPLE, BASE)
    markdown = MarkdownIt("commonmark").enable("table")
    tokens = markdown.parse(text)
    sections = tuple(_sections(tokens))
    html = _Renderer(markdown, links).render(tokens)
    starts = (number for number, token in enumerate(tokens) if token.type == "paragraph_open")
    paragraph = plain(tokens[next(starts) + 1].content)
    body = f"# {plan.title}\n\n{_with_addresses(text, links)}\n"
    return Page(plan.slug, plan.group, plan.title, html, body, _first_sentence(paragraph), sections)


def _with_addresses(text: str, links: _Links) -> str:
    def replace(match: re.Match[str]) -> str:
        address = links.resolve(match[2])
        if address is None:
            return match[1]
        page, mark, anchor = address.partition("#")
        is_own = page.startswith(BASE)
        page = f"{BASE}/docs/index" if page == f"{BASE}/docs" else page
        return f"[{match[1]}]({page}{'.md' if is_own else ''}{mark}{anchor})"

    return re.sub(r"\[([^\]]*)\]\(([^)\s]*)\)", replace, text)


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=\.) ", " ".join(text.split()), maxsplit=1)[0]


def _sections(tokens: Sequence[Token]) -> Iterator[Section]:
    title, level, texts = "", 2, list[str]()
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            if title or texts:
                yield Section(slugify(title), plain(title), " ".join(texts), level=level)
            title, level, texts = tokens[number + 1].content, int(token.tag[1]), []
        elif token.type == "inline" and token.content != title:
            texts.append(plain(token.content))
    yield Section(slugify(title), plain(title), " ".join(texts), level=level)


class _Renderer:
    """Renders the tokens of one page."""

    def __init__(self, markdown: MarkdownIt, links: _Links) -> None:
        self._markdown = markdown
        self._links = links
        self._code = CodeBlocks()

    def render(self, tokens: Sequence[Token]) -> str:
        html, number = list[str](), 0
        while number < len(tokens):
            taken, text = self._next(tokens, number)
            html.append(text)
            number += taken
        return "\n".join(html)

    def _next(self, tokens: Sequence[Token], number: int) -> tuple[int, str]:
        """Return how many tokens the next piece takes, and its HTML."""
        token = tokens[number]
        if token.type == "fence":
            return self._fences(tokens, number)
        if token.type == "html_block":
            return 1, ""  # A comment that names the file of the program that follows.
        end = _end_of(tokens, number)
        piece = list(tokens[number : end + 1])
        for part in piece:
            self._prepare(part)
        if token.type == "heading_open":
            token.attrSet("id", slugify(tokens[number + 1].content))
        html = self._markdown.renderer.render(piece, self._markdown.options, {})
        return len(piece), f'<div class="table" tabindex="0">{html}</div>' if token.type == "table_open" else html

    def _fences(self, tokens: Sequence[Token], number: int) -> tuple[int, str]:
        fences: list[tuple[str, str]] = []
        for token in tokens[number:]:
            if token.type != "fence" or (fences and token.info not in CODE) or token.info in dict(fences):
                break
            fences.append((token.info, token.content))
            if token.info not in CODE:
                break
        before = tokens[number - 1] if number else None
        file = re.match(r"<!-- (\S+) -->", before.content) if before and before.type == "html_block" else None
        if file is not None:
            return 1, self._code.block(*fences[0], title=file[1])
        if fences[0][0] in CODE:
            return len(fences), self._code.tabs(fences)
        return 1, self._code.block(*fences[0], title="Response" if before and before.type == "fence" else "")

    def _prepare(self, token: Token) -> None:
        """Point links to the pages of the site, and drop those that lead elsewhere in the repository."""
        open_links: list[bool] = []
        for child in token.children or ():
            if child.type == "link_open":
                address = self._links.resolve(str(child.attrGet("href")))
                open_links.append(address is not None)
                if address is None:
                    child.type, child.tag, child.hidden, child.attrs = "text", "", True, {}
                else:
                    child.attrSet("href", address)
            elif child.type == "link_close" and not open_links.pop():
                child.type, child.hidden = "text", True


def _end_of(tokens: Sequence[Token], number: int) -> int:
    depth = 0
    for end in range(number, len(tokens)):
        depth += tokens[end].nesting
        if depth <= 0:
            return end
    return len(tokens) - 1
