"""A workspace's colour, used so that everything stays readable (WCAG 2.2, 1.4.3)."""

from __future__ import annotations

ACCENT = "#1f5fd6"
_WHITE, _INK = "#ffffff", "#000000"
_ENOUGH = 4.5


def ink_on(color: str) -> str:
    """White or black, whichever reads better on `color` (`#rrggbb`)."""
    return max((_WHITE, _INK), key=lambda ink: contrast(ink, color))


def readable(color: str) -> str:
    """`color` if text in it can be read on white, else the usual accent."""
    return color if contrast(color, _WHITE) >= _ENOUGH else ACCENT


def contrast(one: str, other: str) -> float:
    """From 1 (equal) to 21 (black and white)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    red, green, blue = (_linear(int(color[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)
