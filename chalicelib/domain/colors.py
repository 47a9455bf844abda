"""Colors as `#rrggbb`, and whether people can read them: contrast as WCAG 2.2 defines it."""

from __future__ import annotations

import re

_WHITE, _BLACK = "#ffffff", "#000000"
READABLE = 4.5
"""The contrast of readable text: WCAG 2.2, 1.4.3 (AA)."""
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
_STEPS = 20


def is_color(text: str | None) -> bool:
    """Return whether `text` has the form `#rrggbb`."""
    return _COLOR.fullmatch(text or "") is not None


def contrast(color: str, other: str) -> float:
    """Return the contrast of two colors, from 1 (equal) to 21 (black and white)."""
    darker, lighter = sorted((_luminance(color), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def ink_on(color: str) -> str:
    """Return white or black, whichever is more readable on `color`. It always has enough contrast."""
    return max((_WHITE, _BLACK), key=lambda ink: contrast(ink, color))


def readable_on(color: str, *backgrounds: str) -> str:
    """Return `color`, darker or lighter as far as text in it needs to be readable on each of `backgrounds`."""
    end = ink_on(backgrounds[0])
    shades = (_mix(color, end, step / _STEPS) for step in range(_STEPS))
    readable = (shade for shade in shades if all(contrast(shade, other) >= READABLE for other in backgrounds))
    return next(readable, end)


def _mix(color: str, other: str, share: float) -> str:
    pairs = zip(_channels(color), _channels(other), strict=True)
    return "#" + "".join(f"{round(first + (second - first) * share):02x}" for first, second in pairs)


def _channels(color: str) -> tuple[int, ...]:
    return tuple(int(color[at : at + 2], 16) for at in (1, 3, 5))


def _luminance(color: str) -> float:
    red, green, blue = (_linear(channel / 255) for channel in _channels(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)
