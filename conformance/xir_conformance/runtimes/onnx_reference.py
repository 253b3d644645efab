"""onnx's own reference evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol, cast

import onnx
from onnx.reference import ReferenceEvaluator

from xir_conformance.cases import read_model
from xir_conformance.runtimes import Prepared, Runtime


class _Runs(Protocol):
    def run(self, output_names: None, feed_inputs: Mapping[str, object], /) -> Sequence[object]: ...


class _Evaluator(Prepared):
    def __init__(self, path: str) -> None:
        model = read_model(path)
        self._evaluator = cast("_Runs", ReferenceEvaluator(model))
        weights = {tensor.name for tensor in model.graph.initializer}
        self._names = [info.name for info in model.graph.input if info.name not in weights]

    def run(self, inputs: Sequence[object]) -> Sequence[object]:
        """The outputs."""
        feeds = dict(zip(self._names, inputs, strict=False))
        return self._evaluator.run(None, feeds)


class OnnxReference(Runtime):
    """onnx.reference.ReferenceEvaluator."""

    peer: ClassVar[bool] = True

    @property
    def version(self) -> str:
        """Its version."""
        return f"onnx.reference {onnx.__version__}"

    def prepare(self, path: str) -> Prepared:
        """Reads the model."""
        return _Evaluator(path)
