"""Writing a graph as a file of any format."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from xir.backends.export.report import ExportReport
from xir.errors import UsageError
from xir.files import file_error
from xir.ir.constant import Constant
from xir.ir.graph import Graph
from xir.text import save_xir

if TYPE_CHECKING:
    from xir.backends.export.onnx import ExportPlan


def export(
    graph: Graph,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    opset: int | None = None,
    target: str | None = None,
    ir_version: int | None = None,
    metadata: Mapping[str, str] | None = None,
    state: Mapping[str, Constant] | None = None,
) -> ExportReport:
    """Writes a graph as a file, whole or not at all.

    Args:
        graph: the model.
        path: the file to write.
        format: `onnx`, `py` (a module of PyTorch), `pt2` (torch.export, needs PyTorch), `tflite`, `saved_model` (its
            file `saved_model.pb`), `tensorflow` (a frozen graph), `keras_archive` (`.keras`, needs h5py) or `xir`;
            without it the file's ending decides.
        opset: ONNX: the operator set, instead of the one that `target` or the graph ask for.
        target: ONNX: the runtime that must accept the file, such as `ort==1.31`.
        ir_version: ONNX: the version of the file format, instead of that of the operator set's release.
        metadata: ONNX: what the file tells of the model besides it.
        state: what inputs that are the state of the model begin with, by name (`Loaded.state`); ONNX and modules of
            PyTorch have these as defaults, the other formats have no place for them.

    Raises:
        UsageError: if the format is not known.
        UnsupportedError: with everything that the format or target lacks.
        FileError: if the file cannot be written.
    """
    versions = (opset, target, ir_version)
    return export_tidied(graph, path, None, format=format, versions=versions, metadata=metadata, state=state)


def export_tidied(
    graph: Graph,
    path: str | os.PathLike[str],
    tidy: Callable[[Graph], Graph] | None,
    *,
    format: str | None,
    versions: tuple[int | None, str | None, int | None],
    metadata: Mapping[str, str] | None,
    state: Mapping[str, Constant] | None,
) -> ExportReport:
    """`export`, with `tidy` for what operators leave that a format says in pieces; `versions`: opset, target, IR."""
    name = os.fspath(path)
    chosen = export_format(name, format)
    opset, target, ir_version = versions
    if chosen == "onnx":
        from xir.backends.export.onnx import export_onnx

        return export_onnx(
            graph, name, opset=opset, target=target, ir_version=ir_version, metadata=metadata, state=state, tidy=tidy
        )
    check_versions(chosen, opset, target, ir_version)
    if chosen == "py":
        from xir.backends.export.torch import export_module

        return export_module(graph, name, state)
    if chosen == "pt2":
        from xir.backends.export.torch import export_program
        from xir.verification import workable_sizes

        return export_program(graph, name, least=workable_sizes(graph))
    if chosen in ("saved_model", "tensorflow"):
        from xir.backends.export.tensorflow import export_tensorflow

        make_folder(name, chosen)
        return export_tensorflow(graph, name, wrapped=chosen == "saved_model", tidy=tidy)
    if chosen == "keras_archive":
        from xir.backends.export.keras import export_keras

        return export_keras(graph, name, tidy=tidy)
    if chosen == "tflite":
        from xir.backends.export.tflite import export_tflite
        from xir.verification import workable_sizes

        return export_tflite(graph, name, least=workable_sizes(graph), tidy=tidy)
    save_xir(graph, name)
    return _xir_report(graph, name)


def plan_export(
    graph: Graph,
    format: str,
    *,
    opset: int | None = None,
    ir_version: int | None = None,
    target: str | None = None,
    tidy: Callable[[Graph], Graph] | None = None,
) -> ExportPlan | None:
    """Checks that a format has a form for everything; for ONNX, what would be written.

    Args:
        graph: the model.
        format: one of `EXPORTS`.
        opset: see `export`, like the others.
        ir_version: see there.
        target: see there.
        tidy: see `plan_onnx`.

    Raises:
        UnsupportedError: with everything that the format or target lacks.
    """
    if format in ("py", "pt2"):
        from xir.backends.export.torch import plan_module

        plan_module(graph)
    if format in ("saved_model", "tensorflow"):
        from xir.backends.export.tensorflow import plan_tensorflow

        plan_tensorflow(graph, tidy)
    if format == "keras_archive":
        from xir.backends.export.keras import plan_keras

        plan_keras(graph, tidy)
    if format == "tflite":
        from xir.backends.export.tflite import plan_tflite

        plan_tflite(graph, tidy)
    if format != "onnx":
        return None
    from xir.backends.export.onnx import plan_onnx

    return plan_onnx(graph, opset=opset, ir_version=ir_version, target=target, tidy=tidy)


def check_versions(format: str, opset: int | None, target: str | None, ir_version: int | None) -> None:
    """Refuses versions that are not written, or contradict each other, before a model is read.

    Raises:
        UsageError: if they do.
    """
    if format == "onnx":
        from xir.backends.export.onnx.targets import choose

        choose(Graph("nothing", (), (), (), (), {}), opset, ir_version, target)
    elif (opset, target, ir_version) != (None, None, None):
        raise UsageError(f"an opset, an IR version or a target is for ONNX, not for {format}")


_HINT = "name the file .onnx, .py, .pt2, .tflite, .keras, .pb or .xir, or use --to"

_ENDINGS = {"pb": "tensorflow", "keras": "keras_archive"}
"""Endings that are no names of formats."""

EXPORTS = ("keras_archive", "onnx", "pt2", "py", "saved_model", "tensorflow", "tflite", "xir")
"""The formats that are written."""


def export_format(path: str, format: str | None = None) -> str:
    """The format to write: `format`, or what the file's ending says.

    Raises:
        UsageError: if it is none that xir writes.
    """
    ending = os.path.splitext(path)[1].lstrip(".")
    if os.path.basename(path) == "saved_model.pb":
        ending = "saved_model"
    said = (format or ending).lower()
    chosen = _ENDINGS.get(said, said)
    if not chosen:
        raise UsageError(f"the name {path!r} has no ending that tells the format", hint=_HINT)
    if chosen not in EXPORTS:
        raise UsageError(f"{chosen!r} is no format that xir writes", hint=_HINT)
    return chosen


def ending_of(format: str) -> str:
    """How files of a format end, without the dot."""
    return next((ending for ending, named in _ENDINGS.items() if named == format), format)


def make_folder(path: str, format: str) -> None:
    """Makes the folder that is the model itself, as a SavedModel's is; others must be there.

    Raises:
        FileError: the operating system refuses.
    """
    folder = os.path.dirname(os.path.abspath(path))
    if format == "saved_model" and not os.path.isdir(folder):
        try:
            os.makedirs(folder)
        except OSError as error:
            raise file_error(error, folder, "make the folder") from error


def _xir_report(graph: Graph, path: str) -> ExportReport:
    operators: dict[str, int] = {}
    for node in graph.nodes:
        operators[node.op.name] = operators.get(node.op.name, 0) + 1
    return ExportReport(
        path,
        None,
        None,
        len(graph.nodes),
        dict(sorted(operators.items())),
        len(graph.parameters),
        os.path.getsize(path),
        format="xir",
    )
