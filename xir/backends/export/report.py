"""What an export did, as data; every format's exporter answers with it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

PIP_TORCH = "pip install torch==2.13.0"
"""What brings PyTorch; the version whose operators the exporter was compared with."""


def tally(kinds: Iterable[str]) -> dict[str, int]:
    """{kind of node: how many}, in alphabetical order."""
    return dict(sorted(Counter(kinds).items()))


def _beneath(file: str, model: str) -> str:
    """The path of a data file from the model's folder on."""
    return os.path.relpath(os.path.realpath(file), os.path.dirname(os.path.realpath(model)))


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export did.

    Attributes:
        path: of the model file.
        opset: ONNX: the version of the default operator set; else None.
        ir_version: ONNX: the version of the file format; else None.
        nodes: nodes written.
        operators: {kind of node: how many}, in alphabetical order.
        weights: parameters written.
        size: bytes of the model file.
        data_file: path of the data file beside it, or None.
        data_size: its bytes.
        layers: {source layer: names of the written nodes that stand for it, in order}.
        results: {source layer: names of the written tensors that its last node makes}.
        renamed: {name: name in the file} of inputs and outputs whose names were taken.
        format: the format's short name.
    """

    path: str
    opset: int | None
    ir_version: int | None
    nodes: int
    operators: Mapping[str, int]
    weights: int
    size: int
    data_file: str | None = None
    data_size: int = 0
    layers: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    results: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    format: str = "onnx"

    @property
    def transposes(self) -> int:
        """How many of the written nodes only reorder axes."""
        return sum(count for kind, count in self.operators.items() if kind.lower() == "transpose")

    def moved(self, path: str) -> ExportReport:
        """The report of a staged file that stands at `path` now."""
        held = self.data_file
        beside = None if held is None else os.path.join(os.path.dirname(path), _beneath(held, self.path))
        return replace(self, path=path, data_file=beside)

    def to_dict(self) -> dict[str, object]:
        """The report as plain data, as `--json` prints it."""
        return {
            "format": self.format,
            "path": self.path,
            "opset": self.opset,
            "ir_version": self.ir_version,
            "nodes": self.nodes,
            "transposes": self.transposes,
            "operators": dict(self.operators),
            "weights": self.weights,
            "size": self.size,
            "data_file": self.data_file,
            "data_size": self.data_size,
            "layers": {layer: list(nodes) for layer, nodes in self.layers.items()},
            "results": {layer: list(names) for layer, names in self.results.items()},
            "renamed": dict(self.renamed),
        }
