"""Random strings in the shapes Zoom uses, from an injected source."""

from __future__ import annotations

import string
from random import Random


class Mint:
    """Makes identifiers, tokens and passcodes."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def text(self, length: int) -> str:
        """Letters and digits."""
        return "".join(self._random.choices(string.ascii_letters + string.digits, k=length))

    def digits(self, length: int) -> str:
        """Decimal digits, the first of them not 0."""
        return str(self._random.randrange(10 ** (length - 1), 10**length))

    def hexadecimal(self, length: int) -> str:
        """Lower-case hexadecimal digits."""
        return "".join(self._random.choices("0123456789abcdef", k=length))
