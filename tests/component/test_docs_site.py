"""`/docs`: the guides and the reference are complete, every link leads somewhere, and the API serves them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from html import unescape
from pathlib import Path

import pytest

from chalicelib.api.openapi import operations
from chalicelib.domain.meeting import MeetingReason, MeetingState
from chalicelib.webhooks.events import EventType
from infra import docs_site
from infra.docs_site.guides import SOURCES
from infra.docs_site.page import BASE, slugify
from tests.support.product import Product

DOCS = Path(__file__).parents[2] / "docs"
LIMIT_BYTES = 100_000
"""Of the file that ships."""


@pytest.fixture(scope="module", autouse=True)
def built() -> Path:
    docs_site.build_if_stale()
    return docs_site.ROOT / docs_site.OUTPUT


@pytest.fixture(scope="module")
def texts(built: Path) -> Mapping[str, str]:
    import lzma

    texts: dict[str, str] = json.loads(lzma.decompress(built.read_bytes()))
    return texts


@pytest.fixture(scope="module")
def pages(texts: Mapping[str, str]) -> Mapping[str, str]:
    return {name: text for name, text in texts.items() if "." not in name}


def test_it_ships_as_one_small_file(built: Path) -> None:
    assert built.stat().st_size < LIMIT_BYTES


def test_every_heading_of_the_guides_is_on_a_page(pages: Mapping[str, str]) -> None:
    anchors = set(re.findall(r'<h[123] id="([^"]*)"', "".join(pages.values())))
    titles = {unescape(title) for text in pages.values() for title in re.findall(r"<h1>(.*?)</h1>", text)}
    for source in SOURCES:
        outside = re.sub(r"^```.*?^```$", "", (DOCS / source.name).read_text(encoding="utf-8"), flags=re.M | re.S)
        for heading in re.findall(r"^##+ (.*)$", outside, re.M):
            assert slugify(heading) in anchors or heading in titles, heading


def test_every_link_leads_to_a_page_and_to_a_place_on_it(texts: Mapping[str, str], pages: Mapping[str, str]) -> None:
    ids = {name: set(re.findall(r'id="([^"]*)"', text)) for name, text in pages.items()}
    for name, text in pages.items():
        for href in re.findall(r'<a [^>]*href="([^"]*)"', text):
            page, _, anchor = href.partition("#")
            if page.startswith(f"{BASE}/docs") or not page:
                target = page.removeprefix(f"{BASE}/docs").strip("/") or ("index" if page else name)
                assert target in texts, (name, href)
                assert not anchor or anchor in ids[target], (name, href)
            else:
                assert page.startswith((f"{BASE}/", "https://", "http://127.0.0.1:")), (name, href)
    for entry in json.loads(texts["search.json"]):
        page, _, anchor = entry["a"].partition("#")
        assert not anchor or anchor in ids[page.strip("/") or "index"], entry


def test_nothing_is_loaded_from_elsewhere_and_ids_are_unique(pages: Mapping[str, str]) -> None:
    for name, text in pages.items():
        loaded = re.findall(r'<(?:img|script)[^>]* src="([^"]*)"', text) + re.findall(
            r'<link rel="(?:icon|style)[^>]* href="([^"]*)"', text
        )
        assert all(address.startswith(f"{BASE}/assets/") for address in loaded), name
        assert not re.search(r"<script>|<style|style=\"| on\w+=", text), name
        ids = re.findall(r' id="([^"]*)"', text)
        assert len(ids) == len(set(ids)), name


def test_the_reference_has_every_operation_event_and_state(product: Product, pages: Mapping[str, str]) -> None:
    reference = unescape("".join(text for name, text in pages.items() if name.startswith("api-")))
    for path, method, _, description in operations(product.app):
        if not path.startswith("/docs"):
            assert path in reference, (method, path)
            assert f">{description.summary}</h2>" in reference, (method, path)
    assert {slugify(event) for event in EventType} <= set(re.findall(r'<h2 id="(\w+)">', pages["events"]))
    for word in (*MeetingState, *MeetingReason):
        assert f"<code>{word}</code>" in pages["states"]


def test_each_operation_has_samples_in_three_languages_that_parse(pages: Mapping[str, str]) -> None:
    for name in (name for name in pages if name.startswith("api-")):
        sections = pages[name].split('<section class="operation"')[1:]
        for section in sections:
            blocks = [
                unescape(re.sub(r"<[^>]*>", "", pre)) for pre in re.findall(r"<pre[^>]*>(.*?)</pre>", section, re.S)
            ]
            curl, python, typescript = blocks[:3]
            assert curl.startswith("curl -sS ")
            body = re.search(r"-d '(.*)'", curl, re.S)
            assert body is None or json.loads(body[1])
            ast.parse(python)
            assert typescript.startswith("const response = await fetch(")
            assert all(json.loads(block) for block in blocks[3:])


def test_steps_in_several_languages_are_tabs_and_answers_follow_them(pages: Mapping[str, str]) -> None:
    assert pages["index"].count('class="code tabs"') >= 4
    assert ">Response</p>" in pages["index"]
    assert ">receiver.py</p>" in pages["receive-events"]


def test_models_get_an_index_and_every_page_as_markdown(texts: Mapping[str, str], pages: Mapping[str, str]) -> None:
    listed = re.findall(rf"\({BASE}/docs/([\w-]+)\.md\)", texts["llms.txt"])
    assert sorted(listed) == sorted(pages)
    for name in pages:
        assert texts[f"{name}.md"].startswith("# "), name
        assert not re.search(r"\]\((?!https?:|%BASE%)", texts[f"{name}.md"]), name


def test_the_api_serves_pages_markdown_and_the_index(product: Product) -> None:
    browser = product.stranger()
    page = browser.get("/docs")
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert BASE not in page.text
    assert f'href="{product.base_url}/docs/api-bookings"' in page.text
    assert f"export MEETLINK_URL=${{MEETLINK_URL:-{product.base_url}}}" in browser.get("/docs/index.md").text
    assert browser.get("/llms.txt").text.startswith("# meetlink")
    assert browser.get("/docs/search.json").json()
    missing = browser.get("/docs/no-such-page")
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:meetlink:problem:not_found")


def test_a_package_without_the_file_says_what_to_do(tmp_path: Path) -> None:
    from chalicelib.api import docs_page
    from chalicelib.errors import NotFound

    with pytest.raises(NotFound, match=r"python -m infra\.deploy"):
        docs_page.text(None, "index", tmp_path / "docs.xz")  # type: ignore[arg-type]
