"""The public functions: each a short composition of frontends, passes, backends and verification."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from numpy.typing import ArrayLike

from xir.autodiff import grad
from xir.backends.export.onnx import ExportReport, export_onnx
from xir.errors import MismatchError, UsageError
from xir.files import staged_write
from xir.frontends.load import load_model
from xir.frontends.options import Loaded, LoadOptions
from xir.frontends.type_spec import as_type
from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.ir.types import Type
from xir.passes import optimize
from xir.reference import random_inputs, run
from xir.text import save_xir
from xir.verify import (
    ATOL,
    RTOL,
    SEEDS,
    Certificate,
    OnnxRuntimeRunner,
    ReferenceRunner,
    Runner,
    has_onnxruntime,
    verify_runners,
)

__all__ = [
    "ConversionReport",
    "convert",
    "export",
    "grad",
    "load",
    "optimize",
    "random_inputs",
    "run",
    "verify",
]

TypeSpec: TypeAlias = "str | Type"
Model: TypeAlias = "str | os.PathLike[str] | Graph"


@dataclass(frozen=True, slots=True)
class ConversionReport:
    """What a conversion did.

    Attributes:
        source: the format, files and size of the source.
        notes: what a person should know of how it was read.
        export: what was written.
        certificate: the verification, or None when it was not asked for.
        seconds: how long reading, exporting and verifying took.
    """

    source: Loaded
    notes: tuple[str, ...]
    export: ExportReport
    certificate: Certificate | None
    seconds: Mapping[str, float]

    @property
    def parameters(self) -> int:
        """How many numbers the source's weights hold."""
        return parameter_count(self.source.graph)

    def to_dict(self) -> dict[str, object]:
        """The report as plain data, as `--json` prints it."""
        return {
            "version": 1,
            "source": {
                "format": self.source.format,
                "files": list(self.source.files),
                "layers": self.source.layers,
                "parameters": self.parameters,
            },
            "notes": list(self.notes),
            "export": self.export.to_dict(),
            "certificate": self.certificate.to_dict() if self.certificate is not None else None,
        }


def parameter_count(graph: Graph) -> int:
    """How many numbers the weights of a graph hold."""
    return sum(parameter.constant.elements for parameter in graph.parameters)


def load(
    source: Model,
    *,
    prototxt: str | os.PathLike[str] | None = None,
    inputs: Mapping[str, TypeSpec] | None = None,
    outputs: Sequence[str] | None = None,
    options: LoadOptions | None = None,
) -> Graph:
    """Reads a model: a `.caffemodel`, `.prototxt`, `.onnx` or `.xir` file; the format is found from the content.

    Args:
        source: the file; a graph is returned as it is.
        prototxt: Caffe: the description of the net, instead of the one that is found beside the weights.
        inputs: types of inputs, such as `{"data": "f32[1,3,224,224]"}`, which replace what the file says.
        outputs: names of the values to compute instead of the file's outputs.
        options: everything else that a format can be told.

    Returns:
        The graph. What a person should know of how it was read comes as a warning.

    Raises:
        XirError: see `xir.errors` for the kinds.
    """
    if isinstance(source, Graph):
        return source
    loaded = load_model(os.fspath(source), load_options(options, prototxt, inputs, outputs))
    for note in loaded.notes:
        warnings.warn(note, stacklevel=2)
    return loaded.graph


def load_options(
    options: LoadOptions | None,
    prototxt: str | os.PathLike[str] | None,
    inputs: Mapping[str, TypeSpec] | None,
    outputs: Sequence[str] | None,
) -> LoadOptions:
    """`options` with what was said beside them."""
    chosen = options or LoadOptions()
    if prototxt is not None:
        chosen = replace(chosen, prototxt=os.fspath(prototxt))
    if inputs:
        chosen = replace(chosen, inputs={name: as_type(spec) for name, spec in inputs.items()})
    return chosen if outputs is None else replace(chosen, outputs=tuple(outputs))


def export(
    graph: Graph,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    opset: int | None = None,
    target: str | None = None,
) -> ExportReport:
    """Writes a graph as a file, whole or not at all.

    Args:
        graph: the model.
        path: the file to write.
        format: `onnx` or `xir`; without it the file's ending decides.
        opset: ONNX: the operator set, instead of the one that `target` or the graph ask for.
        target: ONNX: the runtime that must accept the file, such as `ort==1.31`.

    Raises:
        UsageError: if the format is not known.
        UnsupportedError: with everything that the format or target lacks.
        FileError: if the file cannot be written.
    """
    name = os.fspath(path)
    chosen = format or os.path.splitext(name)[1].lstrip(".").lower()
    if chosen == "onnx":
        return export_onnx(graph, name, opset=opset, target=target)
    if chosen == "xir":
        save_xir(graph, name)
        return ExportReport.plain("xir", name, len(graph.nodes))
    raise UsageError(f"{chosen!r} is no format that xir writes", hint="name the file .onnx or .xir, or use --to")


def convert(
    source: Model,
    path: str | os.PathLike[str],
    *,
    verify: bool = True,
    options: LoadOptions | None = None,
    prototxt: str | os.PathLike[str] | None = None,
    inputs: Mapping[str, TypeSpec] | None = None,
    outputs: Sequence[str] | None = None,
    format: str | None = None,
    opset: int | None = None,
    target: str | None = None,
    level: int = 2,
    exact: bool = False,
    seeds: Sequence[int] = SEEDS,
    rtol: float = RTOL,
    atol: float = ATOL,
) -> ConversionReport:
    """Reads a model, optimizes it, writes it, and verifies what was written against what was read.

    Args:
        source: the file, or a graph.
        path: the file to write.
        verify: replays the source by the reference and the written file by onnxruntime (or the reference, where
            onnxruntime is not installed) on inputs made from `seeds`.
        options: how to read the source.
        prototxt: see `load`.
        inputs: see `load`.
        outputs: see `load`.
        format: see `export`.
        opset: see `export`.
        target: see `export`.
        level: how much to optimize; 0 keeps the graph as it was read.
        exact: allows only bit-exact optimizations.
        seeds: seeds of the verification's inputs.
        rtol: relative tolerance.
        atol: absolute tolerance.

    Raises:
        MismatchError: if the file computes something else; nothing is written then, `error.certificate` says where.
        XirError: everything that reading and writing raise.
    """
    start = time.perf_counter()
    chosen = load_options(options, prototxt, inputs, outputs)
    loaded = (
        Loaded(source, "graph", (source.name,), len(source.nodes))
        if isinstance(source, Graph)
        else load_model(os.fspath(source), chosen)
    )
    seconds = {"load": time.perf_counter() - start}
    graph = optimize(loaded.graph, level=level, exact=exact)
    if not verify:
        report = export(graph, path, format=format, opset=opset, target=target)
        seconds["export"] = time.perf_counter() - start - seconds["load"]
        return ConversionReport(loaded, loaded.notes, report, None, seconds)
    with staged_write(path) as staged:
        report = export(graph, staged, format=format, opset=opset, target=target)
        seconds["export"] = time.perf_counter() - start - seconds["load"]
        names = (os.path.basename(loaded.files[0]), os.path.basename(os.fspath(path)))
        certificate = verify_runners(loaded.graph, runner_of(staged), names=names, seeds=seeds, rtol=rtol, atol=atol)
        seconds["verify"] = time.perf_counter() - start - seconds["load"] - seconds["export"]
        if not certificate.passed:
            raise ConversionMismatch(certificate, os.fspath(path))
    return ConversionReport(loaded, loaded.notes, replace(report, path=os.fspath(path)), certificate, seconds)


class ConversionMismatch(MismatchError):
    """A conversion computes something else than its source."""

    def __init__(self, certificate: Certificate, path: str) -> None:
        """Says which output differs most."""
        bad = [output.name for output in certificate.outputs if not output.equal]
        super().__init__(
            f"the written file computes something else: {certificate.summary()}; outputs {bad}",
            file=path,
            hint="xir verify SOURCE FILE --per-layer finds the first layer that differs",
        )
        self.certificate = certificate


def runner_of(path: str) -> Runner:
    """What runs a written file: onnxruntime for ONNX where it is installed, else the reference."""
    if path.lower().endswith(".onnx") and has_onnxruntime():
        return OnnxRuntimeRunner(path)
    return ReferenceRunner(load_model(path).graph)


def verify(
    a: Model,
    b: Model,
    *,
    inputs: Mapping[str, ArrayLike] | None = None,
    per_layer: bool = False,
    align: Mapping[str, tuple[int, ...]] | None = None,
    rtol: float = RTOL,
    atol: float = ATOL,
    seeds: Sequence[int] = SEEDS,
    options: LoadOptions | None = None,
) -> Certificate:
    """Compares two models on the same inputs.

    Args:
        a: the first model, run by the reference.
        b: the second one, run by onnxruntime where it is an ONNX file and onnxruntime is installed, else by the
            reference.
        inputs: arrays by the first model's input names; without them they are made from `seeds`.
        per_layer: also compares every layer that both have, by the reference on both sides.
        align: {input or output name of `a`: permutation from a's axes to b's}, for models of another layout.
        rtol: relative tolerance.
        atol: absolute tolerance.
        seeds: seeds of made-up inputs.
        options: how to read both files.

    Raises:
        UsageError: if the two have not as many inputs and outputs.
    """
    first = a if isinstance(a, Graph) else load_model(os.fspath(a), options).graph
    runner, second = _second_side(b, per_layer)
    feeds: dict[str, Array] | None = None
    if inputs is not None:
        import numpy as np

        feeds = {name: np.asarray(array) for name, array in inputs.items()}
    return verify_runners(
        first,
        runner,
        names=(_name(a), _name(b)),
        feeds=feeds,
        seeds=seeds,
        align=align,
        rtol=rtol,
        atol=atol,
        layers_of=second,
    )


def _second_side(b: Model, per_layer: bool) -> tuple[Runner, Graph | None]:
    if isinstance(b, Graph):
        return ReferenceRunner(b), b if per_layer else None
    path = os.fspath(b)
    graph = load_model(path).graph if per_layer else None
    if graph is not None and not has_onnxruntime():
        return ReferenceRunner(graph), graph
    return runner_of(path), graph


def _name(model: Model) -> str:
    return model.name if isinstance(model, Graph) else os.path.basename(os.fspath(model))
