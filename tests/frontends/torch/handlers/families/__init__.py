"""Calls of operators, a file a family of handlers: each has `CALLS`."""

from __future__ import annotations

import importlib
from pathlib import Path

from tests.frontends.torch.handlers.call import Example, numbered

FAMILIES = tuple(sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py")))


def family(name: str) -> dict[str, Example]:
    """The calls of a family by their names."""
    calls: tuple[Example, ...] = importlib.import_module(f"{__name__}.{name}").CALLS
    return numbered(calls)
