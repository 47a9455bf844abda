"""Code on the pages: highlighted blocks, and tabs of the same step in several languages that work without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import count

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

LABELS = {
    "bash": "curl",
    "sh": "curl",
    "python": "Python",
    "ts": "TypeScript",
    "js": "Node.js",
    "json": "JSON",
    "console": "Terminal",
}
_LEXERS = {"sh": "bash", "ts": "typescript", "js": "javascript", "console": "bash", "": "text"}
_FORMATTER = HtmlFormatter(nowrap=True)


class CodeBlocks:
    """Makes the blocks of one page, with ids that are unique on it."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def block(self, language: str, text: str, title: str = "") -> str:
        """One block with a title; the script adds a button that copies it."""
        label = title or ("Shell" if language in ("bash", "sh") and "curl" not in text else LABELS.get(language, ""))
        head = f'<p class="code-title">{escape(label)}</p>' if label else ""
        return f'<div class="code">{head}{_pre(language, text)}</div>'

    def tabs(self, blocks: Sequence[tuple[str, str]]) -> str:
        """The same step in several languages: (language, code) each."""
        if len(blocks) == 1:
            return self.block(*blocks[0])
        name = f"tabs-{next(self._numbers)}"
        choices, panels = [], []
        for number, (language, text) in enumerate(blocks):
            label, checked = LABELS.get(language, language), " checked" if number == 0 else ""
            choices.append(
                f'<input type="radio" name="{name}" id="{name}-{number}" data-language="{label}"{checked}>'
                f'<label for="{name}-{number}">{label}</label>'
            )
            panels.append(f'<div class="panel">{_pre(language, text)}</div>')
        legend = '<legend class="hidden">Language</legend>'
        return f'<div class="code tabs"><fieldset>{legend}{"".join(choices)}</fieldset>{"".join(panels)}</div>'


def _pre(language: str, text: str) -> str:
    lexer = get_lexer_by_name(_LEXERS.get(language, language), stripnl=False)
    return f'<pre tabindex="0"><code>{highlight(text.rstrip() + chr(10), lexer, _FORMATTER)}</code></pre>'
