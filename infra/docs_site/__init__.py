"""The pages of `/docs`, rendered when the package is built: guides from `docs/*.md`, the reference from OpenAPI.

The result is one file of compressed texts that the API serves (`chalicelib/api/docs_page.py`). It is built and not
stored in the repository, so that it is never older than what it describes.
"""

from __future__ import annotations

import json
import lzma
import os
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
OUTPUT = Path("chalicelib", "api", "assets", "docs.xz")
_SOURCES = ("docs/*.md", "chalicelib/**/*.py", "infra/docs_site/**/*")
"""What the pages are made of: the schemas of the reference are spread over the whole package."""


def build(project: Path = ROOT) -> Path:
    """Render every page into `OUTPUT` of the project."""
    from infra.api_description import read_document
    from infra.docs_site.site import render_site

    texts = render_site(read_document(), lambda name: (project / "docs" / name).read_text(encoding="utf-8"))
    output = project / OUTPUT
    compressed = lzma.compress(json.dumps(texts, ensure_ascii=False).encode(), preset=9)
    unfinished = output.with_suffix(f".{os.getpid()}")  # Several processes may build at the same time.
    unfinished.write_bytes(compressed)
    unfinished.replace(output)
    return output


def build_if_stale(report: Callable[[str], object] = lambda _: None) -> None:
    """Build unless the output is newer than everything it is made of."""
    output = ROOT / OUTPUT
    newest = max(path.stat().st_mtime for pattern in _SOURCES for path in ROOT.glob(pattern) if path.is_file())
    if not output.exists() or output.stat().st_mtime < newest:
        report("guides and reference ...")
        build()
