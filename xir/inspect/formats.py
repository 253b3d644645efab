"""Which formats are read and written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xir.frontends.load import formats
from xir.frontends.weights import weight_formats


@dataclass(frozen=True, slots=True)
class FormatSupport:
    """One format.

    Attributes:
        name: its short name.
        title: what it is, in words.
        suffixes: usual endings of file names.
        reads: whether it is read.
        writes: whether it is written.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    reads: bool
    writes: bool

    def to_dict(self) -> dict[str, object]:
        """The format as plain data."""
        return {
            "name": self.name,
            "title": self.title,
            "suffixes": list(self.suffixes),
            "reads": self.reads,
            "writes": self.writes,
        }


_WRITTEN_ONLY = (("py", "a module of PyTorch in Python, its weights beside it", (".py",)),)
"""(name, title, usual endings) of formats that are not read."""


def supported_formats(written: Sequence[str]) -> tuple[FormatSupport, ...]:
    """Every format.

    Args:
        written: names of the formats that are written.
    """
    graphs = [FormatSupport(each.name, each.title, each.suffixes, True, each.name in written) for each in formats()]
    weights = [
        FormatSupport(each.name, f"{each.title} (weights)", each.suffixes, True, each.name == "safetensors")
        for each in weight_formats()
    ]
    return (*graphs, *(FormatSupport(*each, False, True) for each in _WRITTEN_ONLY if each[0] in written), *weights)
