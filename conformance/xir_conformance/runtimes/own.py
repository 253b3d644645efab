"""xir's own runtimes: the reference, and the reference on what xir wrote of the model."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import cast

import onnx

from xir import __version__
from xir.backends.export.onnx import export_onnx
from xir.integrations.specialized import SpecializedModel
from xir.ir.graph import Graph
from xir_conformance.cases import read_model
from xir_conformance.runtimes import Prepared, Runtime

_check = cast("Callable[..., None]", import_module("onnx.checker").check_model)

OLDEST_OPSET = 11
"""The oldest operator set that xir writes; models of older ones are written in it."""


class Reference(Runtime):
    """Import, run by the reference."""

    @property
    def version(self) -> str:
        """The version of xir."""
        return f"xir {__version__}"

    def prepare(self, path: str) -> Prepared:
        """Imports the model."""
        return _Imported(path)


class _Imported(Prepared):
    def __init__(self, path: str) -> None:
        self.model = SpecializedModel(path)

    def run(self, inputs: Sequence[object]) -> Sequence[object]:
        return self.model.run(inputs)

    @property
    def note(self) -> str:
        return f"specialized for {self.model.specialized}" if self.model.specialized else ""


class Exported(Prepared):
    """A model that was imported, and exported again for each graph that what is fed asks for."""

    def __init__(self, path: str, *, opset: int | None = None, target: str | None = None) -> None:
        """Imports the file at `path`, and exports it where that can be done before something is fed."""
        self.model = SpecializedModel(path)
        self._opset = opset
        self._target = target
        self._folder = tempfile.TemporaryDirectory(prefix="xir-", ignore_cleanup_errors=True)
        self._written: dict[int, tuple[Graph, Prepared]] = {}
        if self.model.graph is not None:
            self._prepared(self.model.graph)

    def run(self, inputs: Sequence[object]) -> Sequence[object]:
        """The outputs of what was exported."""
        return self._prepared(self.model.graph_for(inputs)).run(inputs)

    @property
    def note(self) -> str:
        """What had to be known beyond the file."""
        return f"specialized for {self.model.specialized}" if self.model.specialized else ""

    def _prepared(self, graph: Graph) -> Prepared:
        if id(graph) not in self._written:
            path = os.path.join(self._folder.name, f"{len(self._written)}.onnx")
            export_onnx(graph, path, opset=self._opset, target=self._target)
            self._written[id(graph)] = (graph, self.reopened(path))
        return self._written[id(graph)][1]

    def reopened(self, path: str) -> Prepared:
        """What was written, checked by onnx and imported again."""
        _check(path, full_check=True)
        return _Imported(path)


class RoundTrip(Runtime):
    """Import, export at the model's own operator set, onnx.checker, import, run by the reference."""

    @property
    def version(self) -> str:
        """The versions of xir and of the checker."""
        return f"xir {__version__}, onnx.checker {onnx.__version__}"

    def prepare(self, path: str) -> Prepared:
        """Imports the model."""
        opsets = [each.version for each in read_model(path).opset_import if each.domain in ("", "ai.onnx")]
        return Exported(path, opset=max(OLDEST_OPSET, *opsets) if opsets else None)
