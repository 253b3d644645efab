"""Where the calls of TorchScript code come from: the module, the variable that is set, the line."""

from __future__ import annotations

from collections.abc import Sequence

from xir.ir.source import Source


class Sources:
    """What the nodes that are made now carry.

    Attributes:
        file: the file's name, without its folder.
        line: the source of the line that is followed.
        last: that of the last call.
        calls: how many calls have got a source.
    """

    def __init__(self, file: str) -> None:
        """Before the first line."""
        self.file = file
        self.line = Source("torch", file, "model", "program")
        self.last = self.line
        self.calls = 0
        self._numbers: dict[str, int] = {}

    def at(self, path: Sequence[str], place: str, variable: str) -> None:
        """A line is followed: `path` is the module's, `variable` what it sets, or what it does."""
        self.line = Source("torch", self.file, ".".join((*path, variable)), variable, tuple(path), place)

    def call(self, kind: str) -> Source:
        """The source of one call, which no other has: `l.0.x`, or the operator's name where none is set."""
        self.calls += 1
        line, short = self.line, kind.split(".")[1] if "." in kind else kind
        layer = ".".join((*line.path, short)) if line.kind.startswith("_") or line.kind == "return" else line.layer
        number = self._numbers.get(layer, 0)
        self._numbers[layer] = number + 1
        named = f"{layer}_{number}" if number else layer
        self.last = Source("torch", self.file, named, kind, line.path, line.location, self.calls)
        return self.last
