"""Where the calls of TorchScript code come from: the module, the variable that is set, the line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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

    def at(self, path: Sequence[str], module: str | None, place: str, variable: str) -> None:
        """A line is followed.

        Args:
            path: the module's.
            module: its class.
            place: of the line.
            variable: what it sets, or what it does.
        """
        layer = ".".join((*path, variable))
        self.line = Source("torch", self.file, layer, variable, tuple(path), place, module=module)

    def call(self, kind: str) -> Source:
        """The source of one call, which no other has: `l.0.x`, or the operator's name where none is set."""
        self.calls += 1
        line, short = self.line, kind.split(".")[1] if "." in kind else kind
        layer = ".".join((*line.path, short)) if line.kind.startswith("_") or line.kind == "return" else line.layer
        number = self._numbers.get(layer, 0)
        self._numbers[layer] = number + 1
        named = f"{layer}_{number}" if number else layer
        self.last = replace(line, layer=named, kind=kind, order=self.calls)
        return self.last


def class_of(kind: str) -> str:
    """The class of a module as its author called it: names that only tell apart what would have one name are gone.

    `__torch__.torch.nn.modules.conv.___torch_mangle_3.Conv2d` is `torch.nn.modules.conv.Conv2d` (torch's
    frontend/name_mangler.cpp makes such names).
    """
    parts = kind.removeprefix("__torch__.").split(".")
    return ".".join(part for part in parts if not part.startswith("___torch_mangle_"))
