"""Names that are spelt like one that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

SHOWN_NAMES = 5
"""Names that an error proposes."""


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A question after names that are spelt like `name`, or None where none is."""
    close = difflib.get_close_matches(name, sorted(known), SHOWN_NAMES)
    return f"did you mean {' or '.join(map(repr, close))}?" if close else None
