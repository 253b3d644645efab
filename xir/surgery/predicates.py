"""What a model can fail at: computing in onnxruntime what the reference computes."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass, replace
from importlib import import_module

import numpy as np

from xir._exporting import export
from xir.errors import MissingExtraError
from xir.ir.graph import Graph
from xir.reference import run
from xir.surgery.judging import Feeds
from xir.verification import ATOL, RTOL, compare, has_onnxruntime
from xir.verification.compare import tensors_of


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Whether onnxruntime computes something else than the reference, or refuses what the exporter writes.

    It is to be asked in a process of its own (`xir.surgery.judging`), for onnxruntime may die of a model.

    Attributes:
        rtol: relative tolerance.
        atol: absolute tolerance, of an output whose largest element is above one that many times more: results inside
            a net are as inexact as their largest terms (Higham, Accuracy and Stability, section 4.2).
        scaled: whether `atol` grows with the largest element.
        opset: the operator set to write, or None.
        target: the runtime to write for, or None.
    """

    rtol: float = RTOL
    atol: float = ATOL
    scaled: bool = True
    opset: int | None = None
    target: str | None = None

    def prepare(self) -> Disagreement:
        """This predicate, with onnxruntime imported, so that no fork has to.

        Raises:
            MissingExtraError: if onnxruntime is not installed.
        """
        if not has_onnxruntime():
            raise MissingExtraError("onnxruntime is not installed", hint="pip install 'xir-compiler[ort]'")
        import_module("onnxruntime")
        return self

    def plain(self) -> Disagreement:
        """The same with an absolute tolerance that does not grow."""
        return replace(self, scaled=False)

    def __call__(self, graph: Graph, feeds: Feeds) -> str:
        """The kind of disagreement, or nothing.

        Raises:
            XirError: if the reference cannot run the model, or it cannot be exported.
        """
        import onnxruntime

        expected = run(graph, feeds)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        with tempfile.TemporaryDirectory(prefix="xir-") as folder:
            path = os.path.join(folder, "model.onnx")
            export(graph, path, opset=self.opset, target=self.target)
            try:
                session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
                names = [item.name for item in session.get_inputs()]
                ordered = (feeds[name] for name in graph.input_names)
                results = session.run(None, dict(zip(names, ordered, strict=True)))
            except Exception as error:
                return f"onnxruntime refuses: {_gist(str(error))}"
        pairs = zip(expected.values(), results, strict=True)
        return "" if all(self._agree(mine, theirs) for mine, theirs in pairs) else "differs"

    def _agree(self, mine: object, theirs: object) -> bool:
        largest = 1.0
        for array in tensors_of(mine) if self.scaled else ():
            if array.dtype.kind == "f":
                magnitudes = np.abs(array.astype(np.float64))
                largest = float(magnitudes.max(initial=largest, where=np.isfinite(magnitudes)))
        atol = self.atol * largest
        return compare("", mine, theirs, rtol=self.rtol, atol=atol).equal


def _gist(message: str) -> str:
    """What is left of a message without names, numbers and places, which change as a model shrinks."""
    text = re.sub(r"'[^']*'|\"[^\"]*\"|\S*/\S*|\(\S*\)|\{[^}]*\}|\S*\d\S*", "", message.replace("\n", " "))
    return " ".join(text.split())[:80]
