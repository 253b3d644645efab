"""What a conversion did, or would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xir.backends.export.report import ExportReport
from xir.frontends.options import Loaded
from xir.inspect.summary import layer_count
from xir.inspect.transposes import NO_TRANSPOSES, Transposes
from xir.ir.graph import Graph
from xir.ir.weights import weights_of
from xir.precision import PrecisionReport
from xir.verification.certificate import Certificate

if TYPE_CHECKING:
    from xir.backends.export.onnx import ExportPlan


@dataclass(frozen=True, slots=True)
class ConversionReport:
    """What a conversion did.

    Attributes:
        source: the format, files and size of the source.
        notes: what a person should know of how it was read.
        export: what was written.
        certificate: the verification, or None when it was not asked for.
        seconds: how long reading, exporting and verifying took.
        precision: what narrower numbers cost, or None where the numbers are as wide as in the source.
        transposes: how many transposes the source asked for, and where some are left.
    """

    source: Loaded
    notes: tuple[str, ...]
    export: ExportReport
    certificate: Certificate | None
    seconds: Mapping[str, float]
    precision: PrecisionReport | None = None
    transposes: Transposes = NO_TRANSPOSES

    @property
    def layers(self) -> int:
        """How many layers of the source became operators."""
        return layer_count(self.source.graph)

    @property
    def parameters(self) -> int:
        """How many numbers the source's weights hold."""
        return parameter_count(self.source.graph)

    def to_dict(self) -> dict[str, object]:
        """The report as plain data, as `--json` prints it."""
        return {
            "version": 1,
            "source": source_to_dict(self.source),
            "notes": list(self.notes),
            "export": self.export.to_dict(),
            "transposes": self.transposes.to_dict(),
            "certificate": self.certificate.to_dict() if self.certificate is not None else None,
            **({"precision": self.precision.to_dict()} if self.precision is not None else {}),
        }


@dataclass(frozen=True, slots=True)
class ConversionPlan:
    """What a conversion would do: everything is checked, nothing is written.

    Attributes:
        source: the format, files and size of the source.
        format: of the file that would be written.
        export: ONNX: versions and nodes that would be written; None for other formats.
        memory: bytes that the verification's run by the reference would hold at once.
    """

    source: Loaded
    format: str
    export: ExportPlan | None
    memory: int

    def to_dict(self) -> dict[str, object]:
        """The plan as plain data, as `--json` prints it."""
        planned = self.export
        return {
            "version": 1,
            "source": source_to_dict(self.source),
            "notes": list(self.source.notes),
            "format": self.format,
            "opset": planned.opset if planned else None,
            "ir_version": planned.ir_version if planned else None,
            "nodes": planned.nodes if planned else None,
            "operators": dict(planned.operators) if planned else None,
            "memory": self.memory,
        }


def source_to_dict(source: Loaded) -> dict[str, object]:
    """What was read, as plain data."""
    return {
        "format": source.format,
        "files": list(source.files),
        "layers": layer_count(source.graph),
        "parameters": parameter_count(source.graph),
    }


def parameter_count(graph: Graph) -> int:
    """How many numbers the weights of a graph hold."""
    return sum(constant.elements for constant in weights_of(graph))
